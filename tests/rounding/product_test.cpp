#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "tests/rounding/product_fixture.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ProductTest;
using testing::StagesOf;
using testing::TensorNear;
using testing::Tiny;

/// Those that learn have nothing to learn by where no layer is rounded: transforms_test.cpp has the
/// law of what they fold.
std::vector<std::string> UntunedTransforms() {
  std::vector<std::string> texts;
  for (const std::string& text : StagesOf(StageKind::kTransform)) {
    if (!Stages().FromText(text).make()->Needs({}).tunes) texts.push_back(text);
  }
  return texts;
}

class TransformLawTest : public ProductTest, public ::testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, TransformLawTest, ::testing::ValuesIn(UntunedTransforms()),
                         [](const auto& of) {
                           const std::string text = of.param.substr(6);
                           return text.substr(0, text.find('\n'));
                         });

TEST_P(TransformLawTest, LogitsOfTheTransformedModelAreTheOriginals) {
  const PipelineInputs inputs = Inputs(2);
  // No layer is rounded: all that the transform changed is kept as it is.
  QuantOptions quant = Quant("rtn", "minmax");
  quant.skip = {".*"};
  const QuantizedModel model = Run(inputs, quant, Recipes({GetParam()}));
  EXPECT_FALSE(model.tensors().empty());
  const at::Tensor before = LanguageModel(Tiny(2), at::kFloat).Logits(inputs.tokens);
  const LanguageModel transformed(Tiny(2), at::kFloat,
                                  [&](DecoderBlock* block) { model.ApplyTo(block); });
  const double size = before.abs().max().item<double>();
  EXPECT_TRUE(TensorNear(transformed.Logits(inputs.tokens), before, 1e-4 * size, 0));
}

TEST_F(ProductTest, MoreBitsNeverHurtNearestCodes) {
  const at::Tensor weight = testing::RandomWeight(16, 96, 4);
  for (const auto& [grid, name] : GridNames()) {
    const auto scheme =
        RoundingSchemes().FromText(grid == GridKind::kPower ? "type: powerquant" : "type: rtn");
    for (const std::int64_t group : {32, 24, -1, 0}) {
      double last = INFINITY;
      for (std::int64_t bits = 2; bits <= 8; ++bits) {
        SCOPED_TRACE(std::string(name) + " " + std::to_string(group) + " " + std::to_string(bits));
        const LayerContext layer =
            testing::MakeLayer(weight, {bits, group, grid, ScaleType::kFloat32});
        const at::Tensor gap = scheme.make()->Begin(layer)->Finish().Dequantize() - weight;
        const double error = gap.square().sum(at::kDouble).item<double>();
        EXPECT_LT(error, last);
        last = error;
      }
    }
  }
}

/// Along a random direction, in float64, for schemes that are soft while they are tuned.
TEST_F(ProductTest, SoftWeightsHaveTheGradientsOfFiniteDifferences) {
  for (const std::string& name : RoundingSchemes().Names()) {
    const auto scheme = RoundingSchemes().FromText("type: " + name).make();
    if (scheme->Traits().straight_through || !scheme->Traits().tunable) continue;
    if (name == "tesseraq") continue;  // its soft weight is AdaRound's times a factor; float32 only
    for (const GridKind grid : testing::GridsOf(*scheme)) {
      SCOPED_TRACE(name + " " + EnumName(grid, GridNames()));
      LayerContext context =
          testing::MakeLayer(testing::RandomWeight(8, 64, 3), {3, 32, grid, ScaleType::kFloat32});
      context.weight = context.weight.to(at::kDouble);
      context.range = {context.range.low.to(at::kDouble), context.range.high.to(at::kDouble)};
      const auto layer = scheme->Begin(context);
      testing::RandomSteps(layer.get(), 7, 1);
      at::Generator generator = at::detail::createCPUGenerator(5);
      const auto random = [&](const at::Tensor& like) {
        return at::randn(like.sizes(), generator, at::TensorOptions(at::kDouble));
      };
      const at::Tensor read = random(context.weight);
      const auto value = [&] { return (layer->SoftWeight().to(at::kDouble) * read).sum(); };
      value().backward();
      for (const ParameterGroup& group : layer->Parameters()) {
        for (const at::Tensor& p : group.tensors) {
          SCOPED_TRACE(group.name);
          const at::Tensor direction = random(p).to(p.scalar_type());
          const double slope = (p.grad() * direction).sum(at::kDouble).item<double>();
          const c10::NoGradGuard no_grad;
          // Float32 parameters keep steps below 1e-3 to four digits; double ones to twelve.
          const double h = p.scalar_type() == at::kDouble ? 1e-6 : 1e-3;
          const at::Tensor at_point = p.clone();
          const auto moved = [&](double by) {
            p.copy_(at_point + by * direction);
            return value().item<double>();
          };
          const double up = moved(h);
          const double down = moved(-h);
          p.copy_(at_point);
          const double size = (p.grad().to(at::kDouble) * direction).norm().item<double>();
          EXPECT_NEAR((up - down) / (2 * h), slope,
                      (p.scalar_type() == at::kDouble ? 1e-5 : 2e-2) * size);
        }
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
