#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/experiments/program.h"
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
  json Run(const std::string& name, const std::string& config) {
    folder_.Write(name + ".yaml", "name: " + name + "\n" + config + kEval);
    result_ = RunProgram(folder_.path(), {"run", name + ".yaml", "--out", "out"});
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
    if (name.starts_with("model/")) continue;
    EXPECT_EQ(again["metrics"][name], value) << name;
  }
  EXPECT_GT(first["metrics"]["d/kl_mean"].get<double>(), 0);  // against the original
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
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(size) - 1);
    const char last = static_cast<char>(bytes.get() ^ 1);
    bytes.seekp(static_cast<std::streamoff>(size) - 1);
    bytes.put(last);
  }
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

}  // namespace
}  // namespace roundlab
