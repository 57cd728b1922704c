#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "rounding/schemes/oscillation.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::Has;
using testing::MetadataNumber;
using testing::TensorNear;

class OscillationGoldenTest : public testing::GoldenTest {};

const std::map<std::string, DampenReduction> kReductions = {
    {"sum", DampenReduction::kSum},
    {"mean", DampenReduction::kMean},
    {"kernel_mean", DampenReduction::kKernelMean}};

/// The learned-step-size quantizer of the file: codes of weights under one scale.
at::Tensor Codes(const SafetensorsFile& file, const at::Tensor& weight) {
  const double scale = GoldenDoubles(file, "scale").item<double>();
  return (weight / scale)
      .round()
      .clamp(MetadataNumber(file, "int_min"), MetadataNumber(file, "int_max"));
}

TEST_F(OscillationGoldenTest, TracksAndFreezes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "oscillation_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor sequence = GoldenTensor(file, "W_sequence");
    for (const std::string& name : CasesOf(file, "([^.]+)\\.x_int")) {
      SCOPED_TRACE(path + " " + name);
      OscillationOptions options;
      options.momentum = MetadataNumber(file, name + ".momentum");
      options.freeze_at_average = name.find("_int") == std::string::npos;
      OscillationTracker tracker(options, sequence[0]);
      const at::Tensor threshold = GoldenDoubles(file, name + ".threshold");
      for (std::int64_t step = 0; step < sequence.size(0); ++step) {
        SCOPED_TRACE("step " + std::to_string(step + 1));
        const at::Tensor codes = tracker.Fix(Codes(file, sequence[step]));
        tracker.Track(codes, threshold[step].item<double>());
        // A weight on a tie of the grid may fall either way.
        EXPECT_LE(Differing(codes.to(at::kLong), GoldenTensor(file, name + ".x_int")[step]), 2e-3);
        EXPECT_EQ(tracker.Oscillated().sum().item<std::int64_t>(),
                  GoldenTensor(file, name + ".oscillated")[step].item<std::int64_t>());
        EXPECT_EQ(tracker.Frozen().sum().item<std::int64_t>(),
                  GoldenTensor(file, name + ".frozen_count")[step].item<std::int64_t>());
      }
      EXPECT_TRUE(TensorNear(tracker.Frequency(), GoldenTensor(file, name + ".freq"), 1e-6, 0));
      if (!Has(file, name + ".frozen")) continue;
      EXPECT_TRUE(
          TensorNear(tracker.Frozen().to(at::kLong), GoldenTensor(file, name + ".frozen"), 0, 0));
      EXPECT_TRUE(TensorNear(tracker.FrozenCodes().to(at::kLong),
                             GoldenTensor(file, name + ".frozen_x_int"), 0, 0));
    }
  }
}

TEST_F(OscillationGoldenTest, DampeningLossAndItsGradient) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "oscillation_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const double scale = GoldenDoubles(file, "scale").item<double>();
    for (const std::string& reduction : CasesOf(file, "dampening\\.(.*)\\.loss")) {
      SCOPED_TRACE(path + " " + reduction);
      const at::Tensor weight = GoldenTensor(file, "dampening.W").requires_grad_(true);
      const at::Tensor latent = weight.clamp(scale * MetadataNumber(file, "int_min"),
                                             scale * MetadataNumber(file, "int_max"));
      ASSERT_EQ(kReductions.count(reduction), 1U);
      const at::Tensor loss =
          DampeningLoss(latent, Codes(file, weight.detach()) * scale, kReductions.at(reduction));
      const double expected =
          GoldenDoubles(file, "dampening." + reduction + ".loss").item<double>();
      EXPECT_NEAR(loss.item<double>(), expected, 1e-5 * expected);
      loss.backward();
      const at::Tensor gradient = GoldenTensor(file, "dampening." + reduction + ".grad");
      EXPECT_TRUE(
          TensorNear(weight.grad(), gradient, 1e-5 * gradient.abs().max().item<double>(), 0));
    }
  }
}

}  // namespace
}  // namespace roundlab
