#include "rounding/schemes/nupes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "core/kernels/soft_power.h"
#include "rounding/solvers/power_exponent.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::ParameterOf;
using testing::RandomWeight;
using testing::TensorNear;

const QuantSpec kPowerSpec{3, 32, GridKind::kPower, ScaleType::kFloat32};

double ErrorOf(const QuantizedWeight& rounded, const at::Tensor& weight) {
  return (rounded.Dequantize() - weight).square().sum(at::kDouble).item<double>();
}

TEST(NupesTest, StartsFromPowerQuant) {
  const LayerContext context = MakeLayer(RandomWeight(8, 64, 3), kPowerSpec);
  const QuantizedWeight start = BeginLayer("type: nupes", context)->Finish();
  const QuantizedWeight power = BeginLayer("type: powerquant", context)->Finish();
  EXPECT_TRUE(at::equal(start.codes, power.codes));
  EXPECT_NEAR(start.exponent.item<double>(), power.exponent.item<double>(), 1e-6);
}

TEST(NupesTest, SoftStepGoesFromZeroToOneAndHardens) {
  const at::Tensor f = at::tensor({0.0, 0.25, 0.5, 0.75, 1.0});
  const at::Tensor soft = SoftStep(f, at::full({1}, 4.0));
  EXPECT_NEAR(soft[0].item<double>(), 0.0, 1e-6);
  EXPECT_NEAR(soft[2].item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(soft[4].item<double>(), 1.0, 1e-6);
  EXPECT_TRUE(TensorNear(SoftStep(f, at::full({1}, 200.0)), at::tensor({0.0, 0.0, 0.5, 1.0, 1.0}),
                         1e-6, 0));
}

TEST(NupesTest, AWeightMayReachAnyCode) {
  const LayerContext context = MakeLayer(RandomWeight(8, 64, 3), kPowerSpec);
  const auto layer = BeginLayer("type: nupes", context);
  const c10::NoGradGuard no_grad;
  ParameterOf(*layer, "offset").fill_(10);
  EXPECT_TRUE((layer->Finish().codes == 7).all().item<bool>());
  ParameterOf(*layer, "offset").fill_(-10);
  EXPECT_TRUE((layer->Finish().codes == 1).all().item<bool>());
}

TEST(NupesTest, ExponentFollowsItsGradientToLessError) {
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const LayerContext context = MakeLayer(weight, kPowerSpec);
  const auto layer = BeginLayer("type: nupes\ntune_offset: false\nsharpness: 40", context);
  const at::Tensor a = ParameterOf(*layer, "exponent");
  {
    const c10::NoGradGuard no_grad;
    a.fill_(std::log(2.0));
  }
  const double before = ErrorOf(layer->Finish(), weight);
  for (int step = 0; step < 40; ++step) {
    const at::Tensor loss = (layer->SoftWeight() - weight).square().sum();
    if (a.grad().defined()) a.mutable_grad().zero_();
    loss.backward();
    const c10::NoGradGuard no_grad;
    a.sub_(a.grad().sign() * 0.03);
  }
  EXPECT_LT(ErrorOf(layer->Finish(), weight), 0.8 * before);
}

TEST(PowerQuantTest, BeatsAUniformGridOnHeavyTails) {
  const at::Tensor weight = RandomWeight(8, 64, 3).pow(3);
  const LayerContext context = MakeLayer(weight, kPowerSpec);
  const QuantizedWeight searched = BeginLayer("type: powerquant", context)->Finish();
  const QuantizedWeight uniform = BeginLayer("type: powerquant\nexponent: 1", context)->Finish();
  EXPECT_LT(ErrorOf(searched, weight), 0.9 * ErrorOf(uniform, weight));
  EXPECT_LT(searched.exponent.item<double>(), 1);
}

TEST(PowerQuantTest, SearchFindsTheBestOfAFineScan) {
  const at::Tensor weight = RandomWeight(8, 64, 5);
  const LayerContext context = MakeLayer(weight, kPowerSpec);
  const at::Tensor groups = context.Layout().Split(weight);
  const at::Tensor scale = MakeGrid(context.range, context.spec).scale;
  const double least = PowerError(groups, scale, BestExponent(groups, scale, 3), 3);
  for (int i = 200; i <= 1000; ++i) {
    EXPECT_GE(PowerError(groups, scale, i / 1000.0, 3), 0.97 * least) << i;
  }
}

TEST(PowerQuantTest, ErrorsOfOrderedWeightsAreThoseOfEachWeight) {
  // Some beyond the scale, some 0, some groups small.
  const at::Tensor groups = RandomWeight(40, 61, 5) * RandomWeight(40, 1, 6).abs();
  groups[3].zero_();
  const at::Tensor scale = groups.abs().amax(1).add(1e-3) / 9;
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    const PowerErrors errors(groups, scale, bits);
    for (const double exponent : {0.05, 0.2, 0.55, 1.0, 1.3, 4.0}) {
      const double each = PowerError(groups, scale, exponent, bits);
      EXPECT_NEAR(errors.Of(exponent), each, 1e-9 * each) << bits << " " << exponent;
    }
  }
}

}  // namespace
}  // namespace roundlab
