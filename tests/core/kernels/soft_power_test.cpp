#include "core/kernels/soft_power.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

using MakeWeight = std::function<at::Tensor(const PowerGroups&, const at::Tensor&,
                                            const at::Tensor&, const at::Tensor&)>;

/// A soft weight with the gradients of sum(w^ r), r some numbers.
struct Made {
  at::Tensor weight;
  at::Tensor d_offset;
  at::Tensor d_exponent;
};

Made Make(const MakeWeight& weight, const PowerGroups& groups, const at::Tensor& offset,
          double exponent, double sharpness) {
  const at::Tensor v = offset.clone().requires_grad_(true);
  const at::Tensor log_exponent =
      at::full({1}, std::log(exponent), offset.options()).requires_grad_(true);
  const at::Tensor made = weight(groups, v, log_exponent, at::full({1}, sharpness, v.options()));
  (made * RandomTensor(made.sizes(), 7).to(made.scalar_type())).sum().backward();
  return {made.detach(), v.grad(), log_exponent.grad()};
}

PowerGroups SomeGroups(std::int64_t groups, std::int64_t width) {
  PowerGroups g{RandomTensor({groups, width}, 1).clamp(-1, 1),
                RandomTensor({groups}, 2).abs() + 0.1, 7};
  g.part[0][0] = 0;
  g.part[0][1] = 1;
  g.part[0][2] = -1;
  g.part[0][3] = 1e-7;
  return g;
}

TEST(SoftPowerTest, IsTheReferenceInOnePass) {
  for (const std::int64_t width : {5, 32, 71}) {
    const PowerGroups groups = SomeGroups(6, width);
    const at::Tensor offset = RandomTensor({6, width}, 3);
    for (const double exponent : {0.4, 1.0, 1.7}) {
      for (const double sharpness : {4.0, 100.0}) {
        const Made kernel = Make(SoftPowerWeight, groups, offset, exponent, sharpness);
        const Made wanted = Make(reference::SoftPowerWeight, groups, offset, exponent, sharpness);
        EXPECT_TRUE(TensorNear(kernel.weight, wanted.weight, 2e-6, 1e-5));
        EXPECT_TRUE(TensorNear(kernel.d_offset, wanted.d_offset, 2e-5, 2e-4));
        const PowerGroups wide{groups.part.to(at::kDouble), groups.scale.to(at::kDouble),
                               groups.top};
        const Made exact =
            Make(reference::SoftPowerWeight, wide, offset.to(at::kDouble), exponent, sharpness);
        EXPECT_NEAR(kernel.d_exponent.item<double>(), exact.d_exponent.item<double>(),
                    2e-4 * std::abs(exact.d_exponent.item<double>()) + 2e-3)
            << width << " " << exponent << " " << sharpness;
      }
    }
  }
}

TEST(SoftPowerTest, OffsetsThatAreNotNumbersAreSeen) {
  const PowerGroups groups = SomeGroups(2, 40);
  const at::Tensor offset = at::zeros({2, 40});
  offset[1][3] = std::numeric_limits<float>::quiet_NaN();
  const Made made = Make(SoftPowerWeight, groups, offset, 0.5, 10);
  EXPECT_EQ(made.weight.isnan().sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(made.d_offset[1][3].isnan().item<bool>());
  EXPECT_TRUE(made.d_exponent.isnan().all().item<bool>());
}

TEST(SoftPowerTest, ThreadsAreNoMatter) {
  const PowerGroups groups = SomeGroups(2048, 40);
  const at::Tensor offset = RandomTensor({2048, 40}, 3);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Made one = Make(SoftPowerWeight, groups, offset, 0.6, 10);
  at::set_num_threads(2);
  const Made two = Make(SoftPowerWeight, groups, offset, 0.6, 10);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.weight, two.weight));
  EXPECT_TRUE(at::equal(one.d_offset, two.d_offset));
  EXPECT_TRUE(at::equal(one.d_exponent, two.d_exponent));
}

}  // namespace
}  // namespace roundlab
