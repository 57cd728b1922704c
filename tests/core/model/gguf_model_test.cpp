#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/model/families.h"
#include "core/model/model.h"
#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using testing::GgufBuilder;
using testing::TempFolder;

/// cases/gguf_llama_bias: each file's likelihoods as llama.cpp and transformers have them.
TEST(GgufModelGoldenTest, BiasesThatAreInTheFileAreUsed) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "cases/gguf_llama_bias");
  const json expected = json::parse(ReadFile(folder + "/expected.json")).at("nll_of_tokens_2_on");
  const auto ids =
      json::parse(ReadFile(folder + "/ids.json")).at(0).get<std::vector<std::int64_t>>();
  for (const auto& [file, values] : expected.items()) {
    SCOPED_TRACE(file);
    const LanguageModel model(ModelFiles(folder + "/" + file), at::kFloat);
    const at::Tensor nll =
        model.Nll(at::tensor(at::ArrayRef<std::int64_t>(ids), at::kLong).unsqueeze(0));
    ASSERT_EQ(static_cast<std::size_t>(nll.numel()), values.size());
    for (std::size_t t = 0; t < values.size(); ++t) {
      // Five decimals are given.
      EXPECT_NEAR(nll[0][static_cast<std::int64_t>(t)].item<double>(), values[t].get<double>(),
                  2e-5);
    }
  }
}

TEST(GgufModelGoldenTest, KeysThatChangeTheModelAreRefusedByName) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "cases/gguf_keys_that_change_the_model");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const std::string message = ErrorOf([&] { ModelFiles{entry.path().string()}; });
    EXPECT_NE(message.find(": llama."), std::string::npos) << entry.path() << message;
  }
}

constexpr std::uint32_t kUint32 = 4;
constexpr std::uint32_t kFloat32 = 6;
constexpr std::uint32_t kBool = 7;
constexpr std::uint32_t kUint64 = 10;

/// Metadata of a llama; `more` adds keys, or changes those of their name.
class GgufKeysTest : public ::testing::Test {
 protected:
  struct Key {
    std::string name;
    std::uint32_t type;
    std::string bytes;
  };
  static Key Number(const std::string& name, std::uint32_t value) {
    return {"llama." + name, kUint32, testing::Bytes(value)};
  }
  static Key Real(const std::string& name, float value) {
    return {"llama." + name, kFloat32, testing::Bytes(value)};
  }
  static Key Text(const std::string& name, const std::string& value) {
    return {"llama." + name, 8, testing::Bytes<std::uint64_t>(value.size()) + value};
  }
  static GgufBuilder File(const std::vector<Key>& more) {
    std::vector<Key> keys = {
        {"general.architecture", 8, testing::Bytes<std::uint64_t>(5) + "llama"},
        Number("embedding_length", 32),
        Number("feed_forward_length", 48),
        Number("block_count", 2),
        Number("attention.head_count", 4),
        Number("context_length", 64),
        Number("vocab_size", 100),
        Real("attention.layer_norm_rms_epsilon", 1e-5F)};
    for (const Key& key : more) {
      std::erase_if(keys, [&](const Key& old) { return old.name == key.name; });
      keys.push_back(key);
    }
    GgufBuilder builder;
    for (const Key& key : keys) builder.Key(key.name, key.type, key.bytes);
    return builder;
  }
  ModelDescription Describe(const std::vector<Key>& more) const {
    return DescribeGguf(GgufFile(folder_.Write("m.gguf", File(more).Build())));
  }
  std::string Message(const Key& key) const {
    const std::string message = ErrorOf([&] { Describe({key}); });
    const std::string place = folder_ / "m.gguf: ";
    return message.starts_with(place) ? message.substr(place.size()) : message;
  }

  const TempFolder folder_;
};

TEST_F(GgufKeysTest, RopeScalesByEitherKeyWithOrWithoutType) {
  EXPECT_EQ(Describe({}).rope.type, RopeType::kDefault);
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    const RopeDescription rope = Describe({Real(key, 4)}).rope;
    EXPECT_EQ(rope.type, RopeType::kLinear) << key;
    EXPECT_EQ(rope.factor, 4);
    EXPECT_EQ(Describe({Real(key, 4), Text("rope.scaling.type", "none")}).rope.type,
              RopeType::kDefault);
  }
  EXPECT_EQ(Message(Text("rope.scaling.type", "yarn")),
            "llama.rope.scaling.type: unknown value 'yarn' (known: linear, none)");
}

TEST_F(GgufKeysTest, WhatChangesTheModelIsRefused) {
  EXPECT_EQ(Message(Number("rope.dimension_count", 4)),
            "llama.rope.dimension_count: 4 is not supported: expected the head's 8");
  EXPECT_EQ(Message(Number("attention.value_length", 16)),
            "llama.attention.value_length: 16 is not supported: expected the head's 8");
  EXPECT_EQ(Message({"llama.attention.causal", kBool, testing::Bytes<std::uint8_t>(0)}),
            "llama.attention.causal: false is not supported: attention is causal here");
  EXPECT_EQ(Message(Number("expert_count", 8)),
            "llama.expert_count: not supported for this architecture");
  EXPECT_EQ(Message(Real("attention.max_alibi_bias", 8)),
            "llama.attention.max_alibi_bias: not supported for this architecture");
  EXPECT_EQ(Message(Number("expert_count", 0)), "");
}

// llama.cpp reads windows of other architectures only.
TEST_F(GgufKeysTest, WindowsAreNone) {
  const Key window = Number("attention.sliding_window", 8);
  const Key none = Number("attention.sliding_window", 0);
  const Key pattern = Number("attention.sliding_window_pattern", 6);
  for (const auto& keys : {std::vector{window}, {none}, {none, pattern}, {pattern}}) {
    EXPECT_EQ(Describe(keys).windows, (std::vector<std::int64_t>{0, 0}));
  }
  EXPECT_EQ(ErrorOf([&] {
              Describe({window, pattern});
            }),
            folder_ /
                "m.gguf: llama.attention.sliding_window_pattern: not supported for this "
                "architecture");
}

TEST_F(GgufKeysTest, SizesAreThoseOfAModel) {
  const Key huge = {"llama.embedding_length", kUint64, testing::Bytes<std::uint64_t>(1ULL << 60)};
  EXPECT_EQ(Message(huge), "llama.embedding_length: 1152921504606846976 is above 16777216");
  EXPECT_EQ(Message(Number("block_count", 0)),
            "llama.block_count: expected a positive integer, got 0");
  EXPECT_EQ(Message(Number("attention.head_count_kv", 3)),
            "llama.attention.head_count_kv: 3 does not divide attention.head_count 4");
  EXPECT_EQ(Message(Number("attention.head_count", 5)),
            "llama.attention.head_count: 5 does not divide embedding_length 32");
}

TEST_F(GgufKeysTest, NumbersThatAreDividedByArePositive) {
  for (const float number : {0.0F, -1.0F, std::nanf("")}) {
    EXPECT_EQ(Message(Real("rope.freq_base", number)),
              "llama.rope.freq_base: expected a positive number");
    EXPECT_EQ(Message(Real("attention.layer_norm_rms_epsilon", number)),
              "llama.attention.layer_norm_rms_epsilon: expected a positive number");
  }
  EXPECT_EQ(Message(Real("rope.scale_linear", -2)),
            "llama.rope.scale_linear: expected a positive number");
  EXPECT_EQ(Describe({Real("rope.freq_base", 5e5F)}).rope.theta, 5e5);
}

TEST_F(GgufKeysTest, DivisorsOfFrequenciesArePositive) {
  const auto error = [&](const std::vector<float>& divisors) {
    GgufBuilder builder = File({});
    for (const StoredPlan& plan : StoredPlans(Describe({}))) {
      std::uint64_t bytes = sizeof(float);
      for (const std::int64_t size : plan.shape) bytes *= static_cast<std::uint64_t>(size);
      builder.Tensor(plan.name, {plan.shape.rbegin(), plan.shape.rend()}, 0,
                     std::string(bytes, '\0'));
    }
    builder.Tensor("rope_freqs.weight", {divisors.size()}, 0, testing::Bytes(divisors));
    const std::string file = folder_.Write("whole.gguf", builder.Build());
    return ErrorOf([&] { ModelFiles{file}; });
  };
  EXPECT_EQ(error({1, 1, 2, 8}), "");
  EXPECT_EQ(error({1, 1, 0, 8}),
            folder_ / "whole.gguf: tensor 'rope_freqs.weight': expected positive numbers");
}

}  // namespace
}  // namespace roundlab
