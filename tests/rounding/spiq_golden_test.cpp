#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "rounding/observer.h"
#include "rounding/stages/spiq.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

constexpr double kSpiqTolerance = 1e-5;  // float32 beside the file's float64

class SpiqGoldenTest : public testing::GoldenTest {};

/// "lam6.ln", "lam3.rms": spread and kind of the norm.
NormSlot NormOf(const SafetensorsFile& file, const std::string& name) {
  NormSlot norm;
  norm.weight = GoldenDoubles(file, "gamma").to(at::kFloat);
  if (name.ends_with(".ln")) norm.bias = GoldenDoubles(file, "beta").to(at::kFloat);
  return norm;
}

TEST_F(SpiqGoldenTest, RangesCodesAndOutputsAreThoseOfTheRecomputation) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "spiq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((lam[\d.]+\.(?:ln|rms))\.sx)")) {
      SCOPED_TRACE(name);
      std::smatch m;
      ASSERT_TRUE(std::regex_search(name, m, std::regex("lam([\\d.]+)\\.")));
      const at::Tensor range = NormRange(NormOf(file, name), std::stod(m[1]));
      ActivationSpec spec;
      spec.grid = CodeKind::kSymRestricted;
      const at::Tensor scale = range / spec.HighestCode();
      EXPECT_TRUE(
          TensorNear(scale, GoldenDoubles(file, name + ".sx").to(at::kFloat), 0, kSpiqTolerance));
      // What the transform leaves: inputs within +-127 and one static scale of 1 for all of them.
      spec.per = RangePer::kTensor;
      RangeObserver observer({}, spec);
      observer.Add(at::stack({-range / scale, range / scale}));
      const ActivationQuantizer quantizer = observer.Finish();
      EXPECT_TRUE(TensorNear(quantizer.scale, at::ones({1, 1}), 0, kSpiqTolerance));
      const at::Tensor x = GoldenTensor(file, "X") / scale;
      EXPECT_TRUE(testing::SameCodes(quantizer.Codes(x), GoldenTensor(file, name + ".x_codes"), x));
      const QuantSpec rows{8, -1, GridKind::kSymRestricted, ScaleType::kFloat32};
      const QuantizedWeight weight =
          RoundingSchemes()
              .FromText("type: rtn")
              .make()
              ->Begin(testing::GoldenLayer(GoldenTensor(file, "W") * scale, rows))
              ->Finish();
      EXPECT_TRUE(TensorNear(weight.scale.flatten(),
                             GoldenDoubles(file, name + ".sw").to(at::kFloat), 0, kSpiqTolerance));
      EXPECT_TRUE(testing::SameCodes(weight.codes.to(at::kLong) - 128,
                                     GoldenTensor(file, name + ".w_codes"),
                                     GoldenTensor(file, "W") * scale / weight.scale));
      const at::Tensor y = GoldenDoubles(file, name + ".Y").to(at::kFloat);
      // Of the tokens and rows without a code on a tie.
      const at::Tensor tokens =
          (quantizer.Codes(x).to(at::kLong) == GoldenTensor(file, name + ".x_codes")).all(1);
      const at::Tensor same_rows =
          (weight.codes.to(at::kLong) - 128 == GoldenTensor(file, name + ".w_codes")).all(1);
      const auto same = [&](const at::Tensor& t) {
        return t.index({tokens}).index({at::indexing::Slice(), same_rows});
      };
      const double size = y.abs().max().item<double>();
      EXPECT_TRUE(TensorNear(same(at::linear(quantizer.Apply(x), weight.Dequantize())), same(y),
                             1e-5 * size, 0));
    }
  }
}

}  // namespace
}  // namespace roundlab
