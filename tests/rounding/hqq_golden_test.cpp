#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "rounding/solvers/hqq.h"
#include "tests/rounding/golden_matches.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::MatchesOf;

using testing::GoldenTensor;
using testing::TensorNear;

TEST(HqqGoldenTest, CodesGridsAndDecodedWeightsAreThePackages) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/oneshot_golden.safetensors");
  const SafetensorsFile file(path);
  for (const GoldenMatch& m : MatchesOf(file, R"((.+)\.hqq\.w(\d+)\.g(\d+)\.codes)")) {
    const std::string name = m.name.substr(0, m.name.size() - 6);
    SCOPED_TRACE(name);
    HqqSettings settings;
    settings.code_max = static_cast<double>((1 << std::stoi(m.str(2))) - 1);
    const at::Tensor weight = GoldenTensor(file, m.str(1) + ".W");
    const HqqSolution solution =
        SolveHqq(weight.reshape({-1, std::stoll(m.str(3))}).contiguous(), settings);
    const at::Tensor scale = GoldenTensor(file, name + ".scale");
    EXPECT_TRUE(TensorNear(solution.scale.view(scale.sizes()), scale, 0, 1e-6));
    // Zero points are means of codes up to 15 over a group, with powers known to some eps.
    const at::Tensor zero = GoldenTensor(file, name + ".zero");
    // A weight on a tie moves the zero point of its group by its share of a code.
    const at::Tensor off = (solution.zero.view(zero.sizes()) - zero).abs() > 2e-5;
    EXPECT_LE(off.sum().item<std::int64_t>(), zero.numel() / 200);
    const at::Tensor codes = GoldenTensor(file, name + ".codes");
    const at::Tensor own = solution.codes.view(codes.sizes()).to(at::kLong);
    EXPECT_LE((own != codes).sum().item<std::int64_t>(), codes.numel() / 2000);
    EXPECT_LE((own - codes).abs().max().item<std::int64_t>(), 1);
    const at::Tensor decoded =
        solution.scale.unsqueeze(1) * (solution.codes - solution.zero.unsqueeze(1));
    const at::Tensor golden = GoldenTensor(file, name + ".dequantised");
    const auto error = [&](const at::Tensor& w) {
      return (w.reshape(weight.sizes()) - weight).to(at::kDouble).square().mean().item<double>();
    };
    EXPECT_NEAR(error(decoded), error(golden), 1e-4 * error(golden));
  }
}

}  // namespace
}  // namespace roundlab
