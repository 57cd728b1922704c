#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/experiments/program.h"
#include "tests/support/flip_last_byte.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ProgramResult;
using testing::RunProgram;
using testing::TempFolder;

/// A tiny model rounded and judged, and the folder of its run.
class KeptWeightsTest : public ::testing::Test {
 protected:
  KeptWeightsTest() {
    testing::TinyModel().Write(folder_ / "m");
    folder_.Write("text.txt", testing::RandomText(6000, 3));
  }
  /// The run.json of the one run of `config`, with its folder; empty where it failed.
  json Run(const std::string& name, const std::string& config,
           const std::vector<std::string>& flags = {}) {
    folder_.Write(name + ".yaml", "name: " + name + "\n" + config + kEval);
    std::vector<std::string> words = {"run", name + ".yaml", "--out", "out"};
    words.insert(words.end(), flags.begin(), flags.end());
    result_ = RunProgram(folder_.path(), words);
    const auto out = std::filesystem::path(folder_ / "out") / name;
    if (result_.code != 0 || !std::filesystem::exists(out)) return {};
    for (const auto& entry : std::filesystem::directory_iterator(out)) {
      const auto file = entry.path() / "run.json";
      if (!std::filesystem::exists(file)) continue;
      run_ = entry.path().string();
      return json::parse(std::ifstream(file));
    }
    return {};
  }

  /// A turned model is the same function; rounded, the folder of its run, `kept`, says how it was
  /// turned.
  void ExpectTurnIsKept(const std::string& turned, std::string* kept) {
    const json same = Run("same", turned);
    ASSERT_FALSE(same.empty()) << result_.err;
    EXPECT_LT(same["metrics"]["d/kl_mean"].get<double>(), 1e-6);
    const json first =
        Run("first", turned +
                         "quant: {bits: 3, group_size: 16}\npipeline: [{type: round, "
                         "scheme: rtn}, {type: activations, bits: 4}]\n");
    ASSERT_FALSE(first.empty()) << result_.err;
    *kept = run_;
    const json again = Run("again", "model: {path: " + *kept + "}\n");
    ASSERT_FALSE(again.empty()) << result_.err;
    EXPECT_EQ(again["metrics"]["d/kl_mean"], first["metrics"]["d/kl_mean"]);
    EXPECT_GT(first["metrics"]["d/kl_mean"].get<double>(), 1e-3);
  }

  static constexpr const char* kEval =
      "eval:\n  - {type: perplexity, data: {path: text.txt}, seqlen: 32, name: t}\n"
      "  - {type: divergence, data: {path: text.txt}, seqlen: 32, name: d}\n";
  static constexpr const char* kRounded =
      "model: m\nquant: {bits: 3, group_size: 16}\ncalibration: {data: {path: text.txt}, protocol: "
      "plain, samples: 4, seqlen: 16}\npipeline: [{type: round, scheme: rtn}, {type: "
      "bias_correction}]\n";
  TempFolder folder_;
  ProgramResult result_;
  std::string run_;
};

TEST_F(KeptWeightsTest, ARunsFolderIsAModelWithTheSameMetricsToTheLastBit) {
  const json first = Run("first", kRounded);
  ASSERT_FALSE(first.empty()) << result_.err;
  ASSERT_TRUE(std::filesystem::exists(run_ + "/weights.safetensors"));
  const json again = Run("again", "model: {path: " + run_ + "}\n");
  ASSERT_FALSE(again.empty()) << result_.err;
  for (const auto& [name, value] : first["metrics"].items()) {
    EXPECT_EQ(again["metrics"][name], value) << name;
  }
  EXPECT_GT(first["metrics"]["d/kl_mean"].get<double>(), 0);  // against the original
}

TEST_F(KeptWeightsTest, BiasesThatATransformKeepsAreTheModelsOwn) {
  testing::TinyModel{.biases = true}.Write(folder_ / "m");
  std::string scaled = kRounded;
  scaled.replace(scaled.find("pipeline: ["), 11, "pipeline: [awq_scale, ");
  scaled.replace(scaled.find(", {type: bias_correction}"), 25, "");
  const json first = Run("first", scaled);
  ASSERT_FALSE(first.empty()) << result_.err;
  const json again = Run("again", "model: {path: " + run_ + "}\n");
  ASSERT_FALSE(again.empty()) << result_.err;
  EXPECT_EQ(again["metrics"]["t/perplexity"], first["metrics"]["t/perplexity"]);
  EXPECT_EQ(again["metrics"]["d/kl_mean"], first["metrics"]["d/kl_mean"]);
}

/// Also where the model goes through memory block by block.
TEST_F(KeptWeightsTest, QuantizersOfActivationsAndCachesAreKeptToo) {
  const std::string kQuantized =
      "model: m\nquant: {bits: 4, group_size: 16}\ncalibration: {data: {path: text.txt}, protocol: "
      "plain, samples: 4, seqlen: 16}\npipeline: [{type: activations, bits: 4, per: group, "
      "group_size: 16, ranges: static}, {type: round, scheme: rtn}, {type: kv_cache, bits: 2, "
      "keys: "
      "channel, before_rotary: true}]\n";
  const json first = Run("first", kQuantized);
  ASSERT_FALSE(first.empty()) << result_.err;
  const json again = Run("again", "model: {path: " + run_ + "}\n");
  ASSERT_FALSE(again.empty()) << result_.err;
  const json streamed = Run("streamed", kQuantized, {"--max-memory", "0.00001"});
  ASSERT_FALSE(streamed.empty()) << result_.err;
  const json plain = Run("plain", kRounded);
  for (const auto& [name, value] : first["metrics"].items()) {
    EXPECT_EQ(again["metrics"][name], value) << name;
    EXPECT_EQ(streamed["metrics"][name], value) << name;
  }
  EXPECT_EQ(streamed["codes_sha256"], first["codes_sha256"]);
  EXPECT_GT(first["metrics"]["d/kl_mean"].get<double>(), plain["metrics"]["d/kl_mean"]);
}

TEST_F(KeptWeightsTest, QuantizersAloneAreKeptToo) {
  const json first =
      Run("first", "model: m\nquant: {bits: 4}\npipeline: [{type: kv_cache, bits: 2}]\n");
  ASSERT_FALSE(first.empty()) << result_.err;
  EXPECT_EQ(first["metrics"].count("model/bits_per_weight"), 0U);
  const json again = Run("again", "model: {path: " + run_ + "}\n");
  ASSERT_FALSE(again.empty()) << result_.err;
  EXPECT_EQ(again["metrics"]["d/kl_mean"], first["metrics"]["d/kl_mean"]);
  EXPECT_GT(first["metrics"]["d/kl_mean"].get<double>(), 0);
}

TEST_F(KeptWeightsTest, ARunsFolderSaysHowItsModelWasTurned) {
  const std::string turned = "model: {path: m, rotate: {residual: random, seed: 3}}\n";
  std::string kept;
  ExpectTurnIsKept(turned, &kept);
  EXPECT_TRUE(Run("twice", "model: {path: " + kept + ", rotate: {}}\n").empty());
  EXPECT_EQ(result_.code, 2);
  EXPECT_NE(result_.err.find("has quantized can't be turned"), std::string::npos) << result_.err;
}

TEST_F(KeptWeightsTest, ALearnedTurnIsKeptToo) {
  const std::string turned =
      "model: {path: m, rotate: {learn: {steps: 3, batch: 2}}}\ncalibration: {data: {path: "
      "text.txt}, protocol: plain, samples: 4, seqlen: 16}\n";
  std::string kept;
  ExpectTurnIsKept(turned, &kept);
  EXPECT_TRUE(Run("none", "model: {path: m, rotate: {learn: {}}}\n").empty());
  EXPECT_NE(result_.err.find("model.rotate.learn needs the section 'calibration'"),
            std::string::npos)
      << result_.err;
}

TEST_F(KeptWeightsTest, TheyCanBeLeftOut) {
  ASSERT_FALSE(Run("first", std::string(kRounded) + "keep_weights: false\n").empty())
      << result_.err;
  EXPECT_FALSE(std::filesystem::exists(run_ + "/weights.safetensors"));
  EXPECT_TRUE(Run("again", "model: {path: " + run_ + "}\n").empty());
  EXPECT_EQ(result_.code, 2);
  EXPECT_NE(result_.err.find("this run has left no weights.safetensors"), std::string::npos)
      << result_.err;
}

TEST_F(KeptWeightsTest, AFileThatIsDamagedOrOfAnotherModelIsTold) {
  ASSERT_FALSE(Run("first", kRounded).empty()) << result_.err;
  const std::string kept = run_;
  const std::string file = kept + "/weights.safetensors";
  const auto size = std::filesystem::file_size(file);
  testing::FlipLastByte(file);
  EXPECT_TRUE(Run("damaged", "model: {path: " + kept + "}\n").empty());
  EXPECT_NE(result_.err.find("weights.safetensors"), std::string::npos) << result_.err;
  std::filesystem::resize_file(file, size / 2);
  EXPECT_TRUE(Run("cut", "model: {path: " + kept + "}\n").empty());
  EXPECT_EQ(result_.code, 2) << result_.err;
}

TEST_F(KeptWeightsTest, AnotherCheckpointUnderTheModelsNameIsTold) {
  ASSERT_FALSE(Run("first", kRounded).empty()) << result_.err;
  const std::string kept = run_;
  testing::TinyModel other;
  other.largest = 2;
  other.Write(folder_ / "m");
  EXPECT_TRUE(Run("other", "model: {path: " + kept + "}\n").empty());
  EXPECT_EQ(result_.code, 2);
  EXPECT_NE(result_.err.find("was made of another model than 'm' is now"), std::string::npos)
      << result_.err;
}

TEST_F(KeptWeightsTest, AnotherConfigUnderTheModelsNameIsTold) {
  ASSERT_FALSE(Run("first", kRounded).empty()) << result_.err;
  const std::string kept = run_;
  json config = json::parse(std::ifstream(folder_ / "m/config.json"));
  config["rope_theta"] = 500;
  folder_.Write("m/config.json", config.dump());
  EXPECT_TRUE(Run("other", "model: {path: " + kept + "}\n").empty());
  EXPECT_EQ(result_.code, 2);
  EXPECT_NE(result_.err.find(
                "weights.safetensors: was made with another config.json or tokenizer than '"),
            std::string::npos)
      << result_.err;
}

/// Such as were left before they said so.
TEST_F(KeptWeightsTest, WeightsThatDoNotSayBesideWhichConfigAreOpenedAllTheSame) {
  ASSERT_FALSE(Run("first", kRounded).empty()) << result_.err;
  const std::string kept = run_;
  std::stringstream bytes;
  bytes << std::ifstream(kept + "/weights.safetensors", std::ios::binary).rdbuf();
  std::string file = bytes.str();
  const std::size_t key = file.find("about model_files_sha256");
  ASSERT_NE(key, std::string::npos);
  file[key] = 'A';
  std::ofstream(kept + "/weights.safetensors", std::ios::binary) << file;
  EXPECT_FALSE(Run("again", "model: {path: " + kept + "}\n").empty()) << result_.err;
}

}  // namespace
}  // namespace roundlab
