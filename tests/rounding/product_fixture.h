#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/model/families.h"
#include "core/model/model.h"
#include "core/model/random_source.h"
#include "rounding/pipeline.h"
#include "tests/rounding/scheme_cases.h"

namespace roundlab::testing {

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

inline const ModelInMemory& Tiny(int layers) {
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
inline bool Takes(const std::string& text) {
  try {
    Stages().FromText(text);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

/// The stages of a kind, as they are listed, with few steps.
inline std::vector<std::string> StagesOf(StageKind kind) {
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
    quant.spec.grid = GridsOf(*RoundingSchemes().FromText("type: " + scheme).make())[0];
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

}  // namespace roundlab::testing
