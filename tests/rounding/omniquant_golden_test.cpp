#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/rounding/block_replay.h"

namespace roundlab {
namespace {

using testing::BlockReplay;
using testing::CasesOf;
using testing::Differing;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::Has;
using testing::SpecOf;
using testing::TensorNear;

class OmniQuantGoldenTest : public testing::GoldenTest {};

const char kLowBound[] = "lowbound";
const char kHighBound[] = "upbound";

/// Position of a bound in the parameter group "clip".
std::size_t Index(const std::string& bound) { return bound == kLowBound ? 0 : 1; }

TEST_F(OmniQuantGoldenTest, GridsCodesAndGradients) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W." + file.metadata().at("layer"));
    const at::Tensor x = GoldenTensor(file, "fg.X");
    for (const std::string& name : CasesOf(file, "(fg\\.w.*\\.[^.]+)\\.scale")) {
      SCOPED_TRACE(path + " " + name);
      const auto golden = [&](const std::string& key) {
        return GoldenTensor(file, name + "." + key);
      };
      const auto layer = RoundingSchemes()
                             .FromText("type: omniquant")
                             .make()
                             ->Begin(GoldenLayer(weight, SpecOf(name)));
      const auto bounds = layer->Parameters()[0].tensors;
      for (const char* bound : {kLowBound, kHighBound}) {
        if (!Has(file, name + "." + bound)) continue;  // "init": where the scheme starts
        const c10::NoGradGuard no_grad;
        bounds[Index(bound)].copy_(golden(bound).flatten());
      }
      const QuantizedWeight rounded = layer->Finish();
      EXPECT_TRUE(TensorNear(rounded.scale, golden("scale"), 0, 1e-6));
      EXPECT_LE(Differing(rounded.zero.to(at::kLong), golden("zero")), 1e-3);
      if (Has(file, name + ".codes")) {
        EXPECT_LE(Differing(rounded.codes.to(at::kLong), golden("codes")), 1e-3);
      }
      const at::Tensor loss =
          at::mse_loss(at::mm(x, layer->SoftWeight().t()), at::mm(x, weight.t()));
      const double expected = golden("loss").item<double>();
      EXPECT_NEAR(loss.item<double>(), expected, 1e-4 * expected);
      loss.backward();
      for (const char* bound : {kLowBound, kHighBound}) {
        const at::Tensor gradient = golden(std::string("grad_") + bound);
        const at::Tensor ours = bounds[Index(bound)].grad().view(gradient.sizes());
        EXPECT_TRUE(TensorNear(ours, gradient, 1e-4 * gradient.abs().max().item<double>(), 0))
            << bound;
      }
    }
  }
}

TEST_F(OmniQuantGoldenTest, TheBlockReproducesItsTargets) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const BlockReplay replay(file, {.scheme = "type: omniquant", .optimizer = "type: adamw"});
    const double largest = replay.Targets().abs().max().item<double>();
    EXPECT_TRUE(TensorNear(replay.Outputs(), replay.Targets(), 2e-6 * largest, 0));
  }
}

double PartOff(const at::Tensor& ours, const at::Tensor& golden) {
  return ((ours - golden).abs() > 1e-3).to(at::kDouble).mean().item<double>();
}

/// Compares what the file keeps after `step` updates: 90 % of the parameters within 1e-3 (README),
/// or nearly as many as `other` has in common with it, the same path with other last bits.
void ExpectBounds(const SafetensorsFile& file, const std::string& name, std::int64_t step,
                  BlockReplay* replay, BlockReplay* other) {
  for (const std::string& linear : BlockReplay::Names()) {
    for (const char* bound : {kLowBound, kHighBound}) {
      const std::string key = name + ".step" + std::to_string(step) + "." + bound + "." + linear;
      if (!Has(file, key)) continue;
      SCOPED_TRACE(key);
      const at::Tensor golden = GoldenTensor(file, key).flatten();
      const auto ours = [&](BlockReplay* path) {
        return path->Parameter(linear, "clip", Index(bound)).detach();
      };
      const double noise = PartOff(ours(replay), ours(other));
      EXPECT_LE(PartOff(ours(replay), golden), std::max(0.1, 1.5 * noise));
    }
  }
}

TEST_F(OmniQuantGoldenTest, TwentyStepsOfAdamWOnABlock) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, "(traj\\.w[^.]+)\\.loss")) {
      SCOPED_TRACE(path + " " + name);
      const at::Tensor losses = GoldenTensor(file, name + ".loss");
      testing::BlockSteps how{.scheme = "type: omniquant",
                              .spec = SpecOf(name),
                              .optimizer = "type: adamw\nlr: 0.01\nweight_decay: 0",
                              .steps = losses.size(0)};
      BlockReplay replay(file, how);
      how.loss_scale = 3;  // of no consequence to Adam but in the last bits
      BlockReplay other(file, how);
      for (std::int64_t step = 0; step < losses.size(0); ++step) {
        SCOPED_TRACE("step " + std::to_string(step + 1));
        const double expected = losses[step].item<double>();
        EXPECT_NEAR(replay.Backward(step), expected, 1e-2 * expected);
        if (step == 0) {
          for (const std::string& linear : BlockReplay::Names()) {
            for (const char* bound : {kLowBound, kHighBound}) {
              const std::string key = name + ".step1.grad_" + bound + "." + linear;
              if (!Has(file, key)) continue;
              const at::Tensor gradient = GoldenTensor(file, key);
              const at::Tensor ours =
                  replay.Parameter(linear, "clip", Index(bound)).grad().view(gradient.sizes());
              EXPECT_TRUE(TensorNear(ours, gradient, 1e-4 * gradient.abs().max().item<double>(), 0))
                  << key;
            }
          }
        }
        replay.Move(step);
        other.Backward(step);
        other.Move(step);
        ExpectBounds(file, name, step + 1, &replay, &other);
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
