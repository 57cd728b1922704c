#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "rounding/stages/lorc.h"
#include "tests/rounding/golden_matches.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::MatchesOf;

using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

TEST(LorcGoldenTest, ProductsAreThoseOfTheRecomputation) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/lorc_golden.safetensors");
  const SafetensorsFile file(path);
  for (const GoldenMatch& m : MatchesOf(file, R"(((.+)\.w\d+g(\d+|row))\.r(\d+)\.A)")) {
    SCOPED_TRACE(m.name);
    const at::Tensor weight = GoldenTensor(file, m.str(2) + ".W").to(at::kDouble);
    const std::int64_t group = m.str(3) == "row" ? weight.size(1) : std::stoll(m.str(3));
    const auto spread = [&](const at::Tensor& t) {
      return t.to(at::kDouble).repeat_interleave(group, 1).narrow(1, 0, weight.size(1));
    };
    const at::Tensor scale = spread(GoldenDoubles(file, m.str(1) + ".scale"));
    const at::Tensor zero = spread(GoldenTensor(file, m.str(1) + ".zero"));
    const at::Tensor codes = GoldenTensor(file, m.str(1) + ".codes").to(at::kDouble);
    const at::Tensor error = weight - scale * (codes - zero);
    const at::Tensor a = GoldenDoubles(file, m.name);
    const at::Tensor b = GoldenDoubles(file, m.name.substr(0, m.name.size() - 1) + "B");
    const at::Tensor product = at::mm(a, b);
    const double size = product.abs().max().item<double>();
    const LowRankPair pair = LowRankOf(error, std::stoll(m.str(4)));
    EXPECT_TRUE(TensorNear(at::mm(pair.left, pair.right), product, 1e-9 * size, 0));
    const LowRankPair single = LowRankOf(error.to(at::kFloat), std::stoll(m.str(4)));
    EXPECT_TRUE(
        TensorNear(at::mm(single.left, single.right).to(at::kDouble), product, 1e-4 * size, 0));
    const at::Tensor values = GoldenDoubles(file, m.str(1) + ".singular_values").square();
    const double kept = values.narrow(0, 0, a.size(1)).sum().item<double>();
    EXPECT_NEAR(pair.kept_energy, kept / values.sum().item<double>(), 1e-9);
  }
}

}  // namespace
}  // namespace roundlab
