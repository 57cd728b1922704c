#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/interrupt.h"
#include "core/model/families.h"
#include "core/model/model.h"
#include "core/model/random_source.h"
#include "rounding/pipeline.h"
#include "rounding/stages/round.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

/// A model that is in memory: blocks are copies that share weights.
class ModelInMemory : public ModelSource {
 public:
  explicit ModelInMemory(const RandomSource& source)
      : description_(source.description()), ends_(source.LoadEnds()) {
    for (std::int64_t i = 0; i < description_.layers; ++i) {
      blocks_.push_back(source.LoadBlock(i));
    }
  }
  const ModelDescription& description() const override { return description_; }
  const std::string& path() const override { return path_; }
  std::string Fingerprint() const override { return "in memory"; }
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override {
    return std::make_unique<DecoderBlock>(*blocks_[static_cast<std::size_t>(index)]);
  }
  ModelEnds LoadEnds() const override { return ends_; }

 private:
  ModelDescription description_;
  ModelEnds ends_;
  std::string path_ = "tiny";
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
};

const ModelInMemory& Tiny(int layers) {
  static const auto make = [](int blocks) {
    const std::string config =
        R"({"model_type": "llama", "hidden_size": 16, "intermediate_size": 24,
        "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 30,
        "max_position_embeddings": 8, "attention_bias": true, "num_hidden_layers": )" +
        std::to_string(blocks) + "}";
    return ModelInMemory(RandomSource(DescribeHuggingFace(config, "config.json"), "tiny", 2));
  };
  static const ModelInMemory one = make(1);
  static const ModelInMemory two = make(2);
  return layers == 1 ? one : two;
}

/// Whether a stage can be had without options.
bool Takes(const std::string& text) {
  try {
    Stages().FromText(text);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

/// The stages of a kind, as they are listed, with few steps.
std::vector<std::string> StagesOf(StageKind kind) {
  std::vector<std::string> texts;
  for (const std::string& name : Stages().Names()) {
    std::string text = "type: " + name;
    if (name == "round" || !Takes(text)) continue;  // what needs options is tested by itself
    if (Stages().FromText(text).make()->Kind() != kind) continue;
    if (Stages().FromText(text).make()->Needs({}).tunes) text += "\nsteps: 2\nbatch: 2";
    if (name == "lorc") text += "\nrank: 2";
    texts.push_back(text);
  }
  return texts;
}

class ProductTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  void TearDown() override { at::set_num_threads(threads_); }

  static PipelineInputs Inputs(int layers) {
    PipelineInputs inputs;
    inputs.source = &Tiny(layers);
    at::Generator generator = at::detail::createCPUGenerator(3);
    inputs.tokens = at::randint(0, 30, {4, 6}, generator, at::TensorOptions(at::kLong));
    return inputs;
  }
  /// Three bits in groups of 8 on the first grid that the scheme takes.
  static QuantOptions Quant(const std::string& scheme, const std::string& range) {
    QuantOptions quant;
    quant.spec.bits = 3;
    quant.spec.group_size = 8;
    quant.spec.grid = testing::GridsOf(*RoundingSchemes().FromText("type: " + scheme).make())[0];
    quant.spec.scale_dtype = ScaleType::kFloat32;
    quant.range = RangeEstimators().FromText("type: " + range);
    return quant;
  }
  static std::vector<StageRecipe> Recipes(const std::vector<std::string>& stages) {
    std::vector<StageRecipe> pipeline;
    for (const std::string& text : stages) pipeline.push_back(Stages().FromText(text));
    return pipeline;
  }
  static QuantizedModel Run(const PipelineInputs& inputs, const QuantOptions& quant,
                            const std::vector<StageRecipe>& pipeline) {
    RunRecord record;
    Log log("", true);
    return QuantizeModel(inputs, quant, pipeline, &record, &log);
  }

 private:
  int threads_ = at::get_num_threads();
};

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
    if (scheme->StraightThrough() || !scheme->Tunable()) continue;
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
