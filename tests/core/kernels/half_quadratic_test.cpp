#include "core/kernels/half_quadratic.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

using Step = double (*)(const RealZeroGroups&, const Proximal&, const at::Tensor&);
constexpr Step kSteps[] = {HalfQuadraticStep, reference::HalfQuadraticStep};

TEST(HalfQuadraticTest, OneStepIsTheFormula) {
  for (const std::int64_t width : {1, 31, 64, 100}) {
    for (const double norm : {0.3, 0.7, 1.0}) {
      const at::Tensor w = RandomTensor({6, width}, 1, 0.1);
      const at::Tensor r = RandomTensor({6}, 2).abs() + 20;
      const at::Tensor z = RandomTensor({6}, 3) + 8;
      const at::Tensor by = r.unsqueeze(1);
      const at::Tensor code = (w * by + z.unsqueeze(1)).round().clamp(0, 15);
      const at::Tensor gap = w - (code - z.unsqueeze(1)) / by;
      const at::Tensor e = gap.sign() * (gap.abs() - gap.abs().pow(norm - 1) / 10).clamp_min(0);
      for (const Step step : kSteps) {
        const at::Tensor zero = z.clone();
        const double error = step({w, r, 15}, {norm, 10}, zero);
        EXPECT_TRUE(TensorNear(zero, (code - (w - e) * by).mean(1), 1e-5, 0));
        EXPECT_NEAR(error, gap.abs().mean().item<double>(), 1e-7);
      }
    }
  }
}

TEST(HalfQuadraticTest, AnExactFitStays) {
  for (const Step step : kSteps) {
    const at::Tensor w = at::arange(16, at::kFloat).view({1, 16}) / 10;
    const at::Tensor r = at::full({1}, 10.0F);
    const at::Tensor zero = at::zeros({1});
    EXPECT_NEAR(step({w, r, 15}, {0.7, 10}, zero), 0, 1e-7);
    EXPECT_NEAR(zero.item<double>(), 0, 1e-6);
  }
}

}  // namespace
}  // namespace roundlab
