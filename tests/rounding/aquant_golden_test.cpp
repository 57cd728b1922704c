#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/quant/border.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

class AQuantGoldenTest : public testing::GoldenTest {};

/// Codes clamp(ceil(x / s - border), -2^(b-1), 2^(b-1) - 1), all float64 as the file's.
at::Tensor SignedCodesAt(const SafetensorsFile& file, const std::string& name,
                         const at::Tensor& border) {
  const at::Tensor x = GoldenTensor(file, "X").to(at::kDouble);
  const double scale = GoldenDoubles(file, name + ".scale").item<double>();
  const double half = std::exp2(std::stod(name.substr(1)) - 1);
  return RoundAtBorder(x / scale, border).round().clamp(-half, half - 1).to(at::kLong);
}

TEST_F(AQuantGoldenTest, CodesUnderEachBorder) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "aquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, "(a\\d+)\\.scale")) {
      SCOPED_TRACE(path + " " + name);
      EXPECT_TRUE(TensorNear(SignedCodesAt(file, name, at::full({1}, 0.5, at::kDouble)),
                             GoldenTensor(file, name + ".const.codes"), 0, 0));
      EXPECT_TRUE(
          TensorNear(SignedCodesAt(file, name, GoldenDoubles(file, name + ".channel.border")),
                     GoldenTensor(file, name + ".channel.codes"), 0, 0));
      const auto b = [&](const std::string& key) {
        return GoldenDoubles(file, name + ".quad." + key);
      };
      const at::Tensor border =
          QuadraticBorder(GoldenTensor(file, "X").to(at::kDouble), b("b0"), b("b1"), b("b2"));
      EXPECT_TRUE(TensorNear(border, b("border"), 1e-14, 0));
      EXPECT_TRUE(TensorNear(SignedCodesAt(file, name, border),
                             GoldenTensor(file, name + ".quad.codes"), 0, 0));
    }
  }
}

}  // namespace
}  // namespace roundlab
