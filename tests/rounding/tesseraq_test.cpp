#include "rounding/schemes/tesseraq.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::ParameterOf;
using testing::RandomWeight;
using testing::TensorNear;

TEST(TesseraQTest, FreezesByQuantileStageByStage) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = BeginLayer("type: tesseraq\nthresholds: [0.75, 0.25]", context);
  const at::Tensor logit = ParameterOf(*layer, "logit");
  const auto hard = [&] { return logit.abs() > 1e5; };
  const auto frozen = [&] { return hard().to(at::kDouble).mean().item<double>(); };
  const at::Tensor before = logit.detach().clone();
  EXPECT_TRUE(layer->Project(0));
  EXPECT_NEAR(frozen(), 0.25, 0.003);
  // The most decided ones, each to its side.
  const at::Tensor distance = (before.sigmoid() - 0.5).abs();
  EXPECT_GE(distance.masked_select(hard()).min().item<double>(),
            distance.masked_select(hard().logical_not()).max().item<double>());
  EXPECT_TRUE(at::equal(hard().logical_and(logit > 0), hard().logical_and(before > 0)));
  EXPECT_FALSE(layer->Project(0.25));
  EXPECT_NEAR(frozen(), 0.25, 0.003);
  EXPECT_TRUE(layer->Project(0.5));
  EXPECT_NEAR(frozen(), 0.75, 0.003);
  EXPECT_FALSE(layer->Project(1));
  EXPECT_EQ(frozen(), 1);
  EXPECT_TRUE(TensorNear(layer->SoftWeight(), layer->Finish().Dequantize(), 1e-6, 1e-6));
}

TEST(TesseraQTest, TheFactorScalesTheDecodeAlone) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = BeginLayer("type: tesseraq", context);
  const QuantizedWeight start = layer->Finish();
  {
    const c10::NoGradGuard no_grad;  // sigmoid 0.25: 2 (1.2 / 4 - 0.1) = 0.4
    ParameterOf(*layer, "scale_factor").fill_(std::log(0.25 / 0.75));
  }
  const QuantizedWeight shrunk = layer->Finish();
  EXPECT_TRUE(at::equal(start.codes, shrunk.codes));
  EXPECT_TRUE(TensorNear(shrunk.scale, start.scale * 0.4, 0, 1e-6));
  const double v = std::log(0.25 / 0.75);
  EXPECT_NEAR(layer->Penalty(0).item<double>(), 0.5e-4 * 16 * v * v, 1e-8);
}

TEST(TesseraQTest, ItsRangeNeedNotHoldZero) {
  const at::Tensor weight = at::tensor({-3.0F, -2.0F, -1.5F, -1.0F}).view({1, 4});
  const LayerContext context = MakeLayer(weight, {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  const QuantizedWeight own = BeginLayer("type: tesseraq", context)->Finish();
  EXPECT_NEAR(own.scale.item<double>(), 2.0 / 3, 1e-6);
  EXPECT_EQ(own.zero.item<double>(), 3);  // 4.5 is no code
  const QuantizedWeight stage = BeginLayer("type: tesseraq\nown_range: false", context)->Finish();
  EXPECT_NEAR(stage.scale.item<double>(), 1, 1e-6);
}

TEST(TesseraQTest, Messages) {
  const auto problem = [](const std::string& options) -> std::string {
    try {
      RoundingSchemes().FromText("type: tesseraq\n" + options);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(problem("thresholds: [0.5, 0.25]"), "");
  EXPECT_EQ(problem("thresholds: []"),
            "builtin:2:13: rounding scheme: thresholds: at least one stage is needed");
  EXPECT_EQ(problem("thresholds: [0.25, 0.5]"),
            "builtin:2:13: rounding scheme: thresholds must not rise");
  EXPECT_EQ(problem("thresholds: [1.5]"),
            "builtin:2:14: rounding scheme.thresholds.0: 1.5 is out of range [0, 1]");
}

}  // namespace
}  // namespace roundlab
