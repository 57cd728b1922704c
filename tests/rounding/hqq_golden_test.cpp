#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "rounding/solvers/hqq.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::GoldenTensor;
using testing::TensorNear;

/// "down_proj.hqq.w4.g32": a layer, bits and group size.
struct HqqCase {
  HqqCase(const SafetensorsFile& golden, const GoldenMatch& m)
      : file(golden),
        name(m.name.substr(0, m.name.rfind('.'))),
        weight(GoldenTensor(golden, m.str(1) + ".W")) {
    spec.bits = std::stoll(m.str(2));
    spec.group_size = m.str(3) == "row" ? -1 : std::stoll(m.str(4));
    spec.grid = GridKind::kFloatZero;
    spec.scale_dtype = ScaleType::kFloat32;
  }
  at::Tensor Of(const std::string& key) const { return GoldenTensor(file, name + "." + key); }

  const SafetensorsFile& file;
  std::string name;
  at::Tensor weight;
  QuantSpec spec;
};

class HqqGoldenTest : public testing::GoldenTest {
 protected:
  static void ForAllCases(const std::function<void(const HqqCase& c)>& check) {
    ForAllMatches<HqqCase>("oneshot_golden", R"((.+)\.hqq\.w(\d+)\.(row|g(\d+))\.codes)", check);
  }
};

/// One of so many, and at least one: a weight on a tie moves a group's zero point by its share of a
/// code.
std::int64_t Few(const at::Tensor& all, std::int64_t one_of) {
  return std::max<std::int64_t>(1, all.numel() / one_of);
}

void ExpectThePackages(const HqqCase& c, const at::Tensor& codes, const AffineGrid& grid,
                       const at::Tensor& decoded) {
  const at::Tensor scale = c.Of("scale");
  EXPECT_TRUE(TensorNear(grid.scale.view(scale.sizes()), scale, 0, 1e-6));
  // Zero points are means of codes up to 15 over a group, with powers known to some eps.
  const at::Tensor zero = c.Of("zero");
  const at::Tensor off = (grid.zero.view(zero.sizes()) - zero).abs() >
                         1e-6 * static_cast<double>(1 + c.spec.CodeMax());
  EXPECT_LE(off.sum().item<std::int64_t>(), Few(zero, 50));
  // Of the groups with the package's zero point.
  const auto of_same = [&](const at::Tensor& t) {
    return t.reshape({zero.numel(), -1}).index({off.logical_not().flatten()});
  };
  const at::Tensor golden = of_same(c.Of("codes"));
  const at::Tensor gap = (of_same(codes).to(at::kLong) - golden).abs();
  EXPECT_LE((gap != 0).sum().item<std::int64_t>(), Few(golden, 2000));
  EXPECT_LE(gap.max().item<std::int64_t>(), 1);
  const auto error_of = [&](const at::Tensor& w) {
    return (of_same(w) - of_same(c.weight)).square().mean(at::kDouble).item<double>();
  };
  const double error = error_of(c.Of("dequantised"));
  EXPECT_NEAR(error_of(decoded), error, 1e-4 * error);
}

TEST_F(HqqGoldenTest, CodesGridsAndDecodedWeightsAreThePackages) {
  ForAllCases([](const HqqCase& c) {
    HqqSettings settings;
    settings.code_max = c.spec.CodeMax();
    const GroupLayout layout =
        GroupLayout::For(c.weight.size(0), c.weight.size(1), c.spec.group_size);
    const HqqSolution solution =
        SolveHqq(c.weight.reshape({-1, layout.width}).contiguous(), settings);
    ExpectThePackages(c, solution.codes, {solution.scale, solution.zero},
                      solution.scale.unsqueeze(1) * (solution.codes - solution.zero.unsqueeze(1)));
  });
}

TEST_F(HqqGoldenTest, TheSchemeMakesThePackagesWeights) {
  ForAllCases([](const HqqCase& c) {
    const QuantizedWeight weight = RoundingSchemes()
                                       .FromText("type: hqq\nround_zero: never")
                                       .make()
                                       ->Begin(testing::GoldenLayer(c.weight, c.spec))
                                       ->Finish();
    ExpectThePackages(c, weight.codes, {weight.scale, weight.zero}, weight.Dequantize());
  });
}

}  // namespace
}  // namespace roundlab
