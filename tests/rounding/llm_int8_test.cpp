#include "rounding/schemes/llm_int8.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "rounding/stage.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::RandomWeight;
using testing::TensorNear;

TEST(LlmInt8Test, OutlierChannelsAreKeptAndOthersAreWithinHalfAStep) {
  LayerContext layer = MakeLayer(RandomWeight(8, 64, 1), {8, -1});
  auto inputs = std::make_shared<InputStatistics>(*layer.inputs);
  inputs->absolute_max = at::full({64}, 5.9F);
  inputs->absolute_max[3] = 6;
  inputs->absolute_max[40] = std::numeric_limits<float>::infinity();
  inputs->absolute_max[41] = std::nanf("");
  layer.inputs = inputs;
  const at::Tensor weight = layer.weight.clone();
  weight.select(1, 3).mul_(100);  // no other weight's code knows of it
  layer.weight = weight;
  const auto state = BeginLayer("type: llm_int8", layer);
  EXPECT_EQ(state->Diagnose().at("outlier_columns")[0], 2);
  EXPECT_EQ(state->Diagnose().at("nan_columns")[0], 1);
  const QuantizedWeight rounded = state->Finish();
  const at::Tensor kept = at::tensor({3, 40}, at::kLong);
  EXPECT_TRUE(at::equal(rounded.kept_columns.to(at::kLong), kept));
  const at::Tensor decoded = rounded.Dequantize();
  EXPECT_TRUE(at::equal(decoded.index_select(1, kept),
                        weight.index_select(1, kept).to(at::kHalf).to(at::kFloat)));
  const at::Tensor gap = (decoded - weight).abs().index_fill(1, kept, 0);
  // Half a step, and what float16 scales are off at the top of the range.
  EXPECT_TRUE((gap <= rounded.scale * (0.5 + 127 / 2048.0)).all().item<bool>());
  EXPECT_NEAR(rounded.BitsPerWeight(), 8 + (8 * 16 + 16 * 16 + 2 * 32) / 512.0, 1e-12);
}

TEST(LlmInt8Test, SmallWeightsAreWithinHalfAStepOfTheLeastScale) {
  for (const double size : {0.0, 1e-7, 3e-4}) {
    LayerContext layer = MakeLayer(RandomWeight(8, 64, 1), {8, -1});
    layer.weight = layer.weight / layer.weight.abs().max() * size;
    const QuantizedWeight rounded = BeginLayer("type: llm_int8\nthreshold: 0", layer)->Finish();
    const double step = LimitsOf(layer.spec.scale_dtype).floor * 1.01;  // as the type has it
    EXPECT_TRUE(TensorNear(rounded.Dequantize(), layer.weight, step / 2, 0)) << size;
  }
}

TEST(LlmInt8Test, CodesOfAllColumnsNeedNoData) {
  LayerContext layer = MakeLayer(RandomWeight(8, 64, 1), {8, -1});
  layer.inputs.reset();
  EXPECT_FALSE(
      BeginLayer("type: llm_int8\ncolumns: codes", layer)->Finish().kept_columns.defined());
  EXPECT_EQ(BeginLayer("type: llm_int8\nthreshold: 0", layer)->Diagnose().at("outlier_columns")[0],
            0);
  EXPECT_EQ(testing::ErrorOf([&] { BeginLayer("type: llm_int8", layer); }),
            "layer: scheme 'llm_int8' needs calibration data");
  EXPECT_EQ(testing::ErrorOf([] { Stages().FromText("type: activations\nthreshold: 6"); }),
            "builtin:2:12: stage: threshold needs grid: sym_restricted, per: token and ranges: "
            "dynamic");
}

}  // namespace
}  // namespace roundlab
