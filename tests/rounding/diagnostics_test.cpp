#include "rounding/diagnostics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "rounding/scheme.h"
#include "tests/rounding/tuning.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

using testing::RandomTensor;

TEST(DescribeLayerTest, ByHand) {
  const at::Tensor weight = RandomTensor({6, 32}, 1);
  const LayerContext context =
      testing::MakeLayer(weight, {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  QuantizedWeight rounded =
      RoundingSchemes().FromText("type: rtn").make()->Begin(context)->Finish();
  const at::Tensor at_ends = at::logical_or(rounded.codes == 0, rounded.codes == 7);
  // Two codes are not the nearest.
  rounded.codes = rounded.codes.clone();
  for (const std::int64_t place : {5, 40}) {
    at::Tensor code = rounded.codes.view({-1})[place];
    code.fill_(code.item<int>() == 3 ? 4 : 3);
  }
  const at::Tensor inputs = RandomTensor({2, 5, 32}, 2);
  testing::Recorder recorder;
  DescribeLayer(context, *FixedRounding(rounded), rounded, inputs, &recorder);
  const auto value = [&](const std::string& name) {
    return recorder.values.at("layers/layer/" + name);
  };
  EXPECT_DOUBLE_EQ(value("flip_rate").at(0), 2.0 / 192);
  const at::Tensor low = (rounded.codes == 0).to(at::kDouble).mean();
  const at::Tensor high = (rounded.codes == 7).to(at::kDouble).mean();
  EXPECT_NEAR(value("saturation").at(0), low.item<double>(), 1e-6);
  EXPECT_NEAR(value("saturation").at(1), high.item<double>(), 1e-6);
  const at::Tensor error = (weight - rounded.Dequantize()).to(at::kDouble);
  const double snr = 10 * std::log10(weight.to(at::kDouble).square().sum().item<double>() /
                                     error.square().sum().item<double>());
  EXPECT_NEAR(value("weight_snr_db").at(0), snr, 1e-4);
  const at::Tensor x = inputs.view({-1, 32}).to(at::kDouble);
  const double output =
      10 * std::log10(at::mm(x, weight.t().to(at::kDouble)).square().sum().item<double>() /
                      at::mm(x, error.t()).square().sum().item<double>());
  EXPECT_NEAR(value("output_snr_db").at(0), output, 1e-3);
}

TEST(DescribeLayerTest, CodesOfAnotherKindOfGridAreNotCompared) {
  const LayerContext context =
      testing::MakeLayer(RandomTensor({6, 32}, 1), {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  for (const auto& [scheme, compared] : {std::pair{"rtn", 1U}, {"easyquant", 0U}}) {
    const auto layer =
        RoundingSchemes().FromText(std::string("type: ") + scheme).make()->Begin(context);
    testing::Recorder recorder;
    DescribeLayer(context, *layer, layer->Finish(), {}, &recorder);
    EXPECT_EQ(recorder.values.count("layers/layer/flip_rate"), compared) << scheme;
    EXPECT_EQ(recorder.values.count("layers/layer/saturation"), 1U) << scheme;
  }
}

TEST(DescribeLayerTest, ALargeLayerIsSummedByTiles) {
  const at::Tensor weight = RandomTensor({700, 512}, 1);
  const LayerContext context =
      testing::MakeLayer(weight, {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = RoundingSchemes().FromText("type: rtn").make()->Begin(context);
  const QuantizedWeight rounded = layer->Finish();
  testing::Recorder recorder;
  DescribeLayer(context, *layer, rounded, {}, &recorder);
  const auto energy = [](const at::Tensor& t) {
    return t.to(at::kDouble).square().sum().item<double>();
  };
  const double snr = 10 * std::log10(energy(weight) / energy(weight - rounded.Dequantize()));
  EXPECT_NEAR(recorder.values.at("layers/layer/weight_snr_db").at(0), snr, 1e-9);
}

TEST(DescribeLayerTest, ASecondMomentTellsOfTheOutputsOfAllTokens) {
  const at::Tensor weight = RandomTensor({700, 512}, 1);
  LayerContext context = testing::MakeLayer(weight, {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  const at::Tensor x = RandomTensor({40, 512}, 2);
  const auto told = [&](const at::Tensor& moment) {
    InputStatistics inputs;
    inputs.tokens = x.size(0);
    inputs.second_moment = moment;
    context.inputs = std::make_shared<const InputStatistics>(inputs);
    const auto layer = RoundingSchemes().FromText("type: rtn").make()->Begin(context);
    const QuantizedWeight rounded = layer->Finish();
    testing::Recorder of_moment;
    DescribeLayer(context, *layer, rounded, {}, &of_moment);
    testing::Recorder of_sample;
    DescribeLayer(context, *layer, rounded, x, &of_sample);
    const auto found = of_moment.values.find("layers/layer/output_snr_db");
    return std::pair(found == of_moment.values.end() ? NAN : found->second.at(0),
                     of_sample.values.at("layers/layer/output_snr_db").at(0));
  };
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const auto [moment, sample] = told(x.t().mm(x).to(dtype));
    EXPECT_NEAR(moment, sample, 1e-3);
  }
  EXPECT_TRUE(std::isnan(told(at::zeros({512, 512})).first));
  EXPECT_TRUE(std::isnan(told(at::full({512, 512}, INFINITY)).first));
}

TEST(DescribeLayerTest, OfNoTokensThereIsNoOutput) {
  const LayerContext context =
      testing::MakeLayer(RandomTensor({6, 32}, 1), {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = RoundingSchemes().FromText("type: rtn").make()->Begin(context);
  testing::Recorder recorder;
  DescribeLayer(context, *layer, layer->Finish(), at::zeros({0, 32}), &recorder);
  EXPECT_EQ(recorder.values.count("layers/layer/weight_snr_db"), 1U);
  EXPECT_EQ(recorder.values.count("layers/layer/output_snr_db"), 0U);
}

TEST(DescribeLayerTest, CountsInputsThatAreNeverActiveFromWhatThereIs) {
  LayerContext context =
      testing::MakeLayer(RandomTensor({4, 32}, 1), {3, 16, GridKind::kAsym, ScaleType::kFloat32});
  context.inputs = nullptr;
  at::Tensor sample = RandomTensor({2, 3, 32}, 2);
  sample.select(2, 5).zero_();
  sample[0].select(1, 6).zero_();  // but not in the other sequence
  const auto dead = [&] {
    testing::Recorder recorder;
    const auto layer = RoundingSchemes().FromText("type: rtn").make()->Begin(context);
    DescribeLayer(context, *layer, layer->Finish(), sample, &recorder);
    return recorder.values;
  };
  EXPECT_EQ(dead().at("layers/layer/idle_columns"), std::vector<double>{1});
  context.dead_columns = 4;  // as a transform before has seen
  EXPECT_EQ(dead().at("layers/layer/dead_columns"), std::vector<double>{4});
  context.dead_columns = 0;  // a sample says nothing more
  EXPECT_EQ(dead().count("layers/layer/dead_columns"), 0U);
  EXPECT_EQ(dead().count("layers/layer/idle_columns"), 0U);
}

TEST(DescribeLayerTest, CountsWhatThereIsNothingToRoundIn) {
  at::Tensor weight = RandomTensor({4, 40}, 1);  // groups of 16, 16 and 8
  weight.select(0, 0).narrow(0, 16, 16).zero_();
  weight.select(0, 1).narrow(0, 32, 8).zero_();
  weight.select(0, 2).narrow(0, 32, 8).fill_(-0.25);
  LayerContext context = testing::MakeLayer(weight, {3, 16, GridKind::kAsym, ScaleType::kFloat32});
  const auto described = [&context] {
    testing::Recorder recorder;
    const auto layer = RoundingSchemes().FromText("type: rtn").make()->Begin(context);
    DescribeLayer(context, *layer, layer->Finish(), {}, &recorder);
    return recorder.values;
  };
  auto values = described();
  EXPECT_EQ(values.at("layers/layer/zero_groups"), std::vector<double>{2});
  EXPECT_EQ(values.at("layers/layer/constant_groups"), std::vector<double>{1});
  EXPECT_EQ(values.count("layers/layer/dead_columns"), 0U);
  InputStatistics inputs;
  inputs.tokens = 9;
  inputs.square_mean = at::ones({40});
  inputs.square_mean.narrow(0, 7, 3).zero_();
  context.inputs = std::make_shared<const InputStatistics>(inputs);
  context.weight = RandomTensor({4, 40}, 2);
  values = described();
  EXPECT_EQ(values.at("layers/layer/dead_columns"), std::vector<double>{3});
  EXPECT_EQ(values.count("layers/layer/zero_groups"), 0U);
  EXPECT_EQ(values.count("layers/layer/constant_groups"), 0U);
}

}  // namespace
}  // namespace roundlab
