#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rounding/schemes/easyquant.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::GoldenDoubles;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::SpecOf;
using testing::TensorNear;

class EasyQuantGoldenTest : public testing::GoldenTest {};

/// "n3.w4": weights beyond three standard deviations are outliers.
double Sigmas(const std::string& name) { return std::stod(name.substr(1)); }

std::int64_t Steps(const SafetensorsFile& file, const std::string& name) {
  return GoldenDoubles(file, name + ".loss_total").size(0);
}

TEST_F(EasyQuantGoldenTest, OutliersAndScalesStepByStep) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "easyquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(n.*\\.w\\d+)\\.scale0")) {
      SCOPED_TRACE(path + " " + name);
      const auto golden = [&](const std::string& key) {
        return GoldenDoubles(file, name + "." + key);
      };
      const at::Tensor kept = FarFromMean(weight, Sigmas(name));
      const std::string mask = name.substr(0, name.rfind('.')) + ".outlier_mask";
      EXPECT_TRUE(TensorNear(kept.to(at::kLong), GoldenTensor(file, mask), 0, 0));
      const at::Tensor groups = weight.masked_fill(kept, 0);
      const std::int64_t bits = SpecOf(name).bits;
      EXPECT_TRUE(TensorNear(FitScale(groups, bits, 0).last, golden("scale0"), 0, 1e-12));
      EXPECT_TRUE(TensorNear(FitScale(groups, bits, 0).last_error, golden("loss0"), 0, 1e-9));
      for (const std::string& step : CasesOf(file, name + ".scale_step(\\d+)")) {
        EXPECT_TRUE(TensorNear(FitScale(groups, bits, std::stoll(step)).last,
                               golden("scale_step" + step), 0, 1e-9));
      }
      const at::Tensor totals = golden("loss_total");
      for (const std::int64_t steps : {std::int64_t{1}, totals.size(0) / 2, totals.size(0)}) {
        const double total = totals[steps - 1].item<double>();
        EXPECT_NEAR(FitScale(groups, bits, steps).last_error.sum().item<double>(), total,
                    1e-9 * total);
      }
      const FittedScale fit = FitScale(groups, bits, totals.size(0));
      // The error is flat where it is least.
      EXPECT_TRUE(TensorNear(fit.best, golden("scale_best"), 0, 1e-7));
      EXPECT_TRUE(TensorNear(fit.best_error, golden("loss_best"), 1e-12, 1e-9));
    }
  }
}

TEST_F(EasyQuantGoldenTest, CodesAndWhatIsKept) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "easyquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(n.*\\.w\\d+)\\.codes")) {
      SCOPED_TRACE(path + " " + name);
      const QuantizedWeight rounded =
          RoundingSchemes()
              .FromText("type: easyquant\noutliers: " + testing::Digits(Sigmas(name)) +
                        "\nsteps: " + std::to_string(Steps(file, name)))
              .make()
              ->Begin(GoldenLayer(weight, SpecOf(name)))
              ->Finish();
      EXPECT_EQ(rounded.spec.ZeroBits(), 0);
      const at::Tensor codes = (rounded.codes.to(at::kFloat) - rounded.zero).to(at::kLong);
      // The scale is stored in float32, which may decide a tie.
      EXPECT_LE(Differing(codes, GoldenTensor(file, name + ".codes")), 1e-3);
      const std::string mask = name.substr(0, name.rfind('.')) + ".outlier_mask";
      const at::Tensor kept = GoldenTensor(file, mask) != 0;
      const at::Tensor stored = weight.to(at::kHalf).to(at::kFloat);
      EXPECT_TRUE(at::equal(rounded.Dequantize().masked_select(kept), stored.masked_select(kept)));
    }
  }
}

}  // namespace
}  // namespace roundlab
