#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/experiments/program.h"
#include "tests/support/shared_data.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ProgramResult;
using testing::RunProgram;
using testing::TempFolder;
using testing::TinyModel;

TEST(ScoreTest, JsonHasIdsAndNllWithNullInFront) {
  ROUNDLAB_SHARED_OR_SKIP(model, "models/TinyStories-656K");
  const TempFolder folder;
  const ProgramResult run = RunProgram(
      folder.path(), {"score", "--model", model, "--text", "Once upon a time", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const json scored = json::parse(run.out);
  ASSERT_EQ(scored.size(), 1U);
  ASSERT_EQ(scored.at("sequences").size(), 1U);
  const json& sequence = scored.at("sequences").at(0);
  EXPECT_EQ(sequence.size(), 2U);
  const auto ids = sequence.at("ids").get<std::vector<int>>();
  ASSERT_GT(ids.size(), 2U);
  EXPECT_EQ(ids[0], 1);  // BOS
  ASSERT_EQ(sequence.at("nll").size(), ids.size());
  EXPECT_TRUE(sequence.at("nll").at(0).is_null());
  for (std::size_t i = 1; i < ids.size(); ++i) EXPECT_GT(sequence.at("nll").at(i), 0.0);

  folder.Write("ids.json", json({ids, {1}, {ids[0], ids[1]}}).dump());
  const ProgramResult again =
      RunProgram(folder.path(), {"score", "--model", model, "--ids", "ids.json", "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  const json sequences = json::parse(again.out).at("sequences");
  ASSERT_EQ(sequences.size(), 3U);
  EXPECT_EQ(sequences.at(0), sequence);
  EXPECT_EQ(sequences.at(1), json({{"ids", {1}}, {"nll", {nullptr}}}));
  EXPECT_NEAR(sequences.at(2).at("nll").at(1), sequence.at("nll").at(1), 1e-4);
}

TEST(TokenizeTest, JsonHasIdsWithAndWithoutSpecialTokens) {
  ROUNDLAB_SHARED_OR_SKIP(model, "models/TinyStories-656K");
  const TempFolder folder;
  folder.Write("t.txt", "Once upon");
  const auto ids = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"tokenize", "--model", model, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const json printed = json::parse(RunProgram(folder.path(), words).out);
    EXPECT_EQ(printed.size(), 1U);
    return printed.at("ids").get<std::vector<int>>();
  };
  const auto with = ids({"--text", "Once upon"});
  auto without = ids({"--text", "Once upon", "--no-special"});
  EXPECT_EQ(ids({"--file", "t.txt"}), with);
  folder.Write("cr.txt", "Once\r\nupon");  // as it is
  EXPECT_EQ(ids({"--file", "cr.txt"}), ids({"--text", "Once\r\nupon"}));
  EXPECT_EQ(ids({"--text", "", "--no-special"}), std::vector<int>());
  without.insert(without.begin(), 1);
  EXPECT_EQ(with, without);
}

TEST(TokenizeTest, AFolderWithNothingButATokenizerIsEnough) {
  const TempFolder folder;
  TinyModel().Write(folder / "m");
  std::filesystem::remove(folder / "m/config.json");
  std::filesystem::remove(folder / "m/model.safetensors");
  const ProgramResult run =
      RunProgram(folder.path(), {"tokenize", "--model", "m/", "--text", "ab"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "97 98\n");
}

TEST(SampleTest, WritesALineADocument) {
  const TempFolder folder;
  TinyModel().Write(folder / "m");
  const auto sample = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"sample", "--model", "m/"});
    return RunProgram(folder.path(), words);
  };
  const ProgramResult two = sample({"--documents", "2", "--tokens", "6"});
  ASSERT_EQ(two.code, 0) << two.err;
  const std::string first = two.out.substr(0, two.out.find('\n') + 1);
  EXPECT_FALSE(json::parse(first).at("text").get<std::string>().empty());
  EXPECT_EQ(sample({"--documents", "1", "--tokens", "6"}).out, first);
  EXPECT_NE(sample({"--documents", "1", "--tokens", "6", "--seed", "1"}).out, first);
  EXPECT_EQ(sample({"--tokens", "100"}).err,
            "sample: 100 tokens a document; the model's context is 64\n");
  EXPECT_EQ(sample({"--documents", "0"}).err, "--documents: expected a number from 1, got 0\n");
}

TEST(PromptsTest, PrintsWhatAModelGets) {
  const TempFolder folder;
  folder.Write("rows.jsonl",
               "{\"q\": \"One  plus\", \"c\": [\"two\", \"three\"], \"k\": 0}\n"
               "{\"q\": \"Two plus\", \"c\": [\"five\", \"three\"], \"k\": 1}\n");
  folder.Write("sums.yaml",
               "data: {path: rows.jsonl}\nfields: {q: q, c: c, k: k}\ncontext: \"Q: {q}\\nA:\"\n"
               "choices: \"{c}\"\ngold: \"{k}\"\nmetrics: [acc]\n");
  const auto prompts = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"prompts", "./sums.yaml"});
    return RunProgram(folder.path(), words);
  };
  const ProgramResult one = prompts({"--documents", "1"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out,
            "sums: 2 documents\n\nrows.jsonl:1\n  context \"Q: One  plus\\nA:\"\n"
            "  0 right \" two\"\n  1       \" three\"\n");
  const ProgramResult shot = prompts({"--set", "shots=1", "--json"});
  ASSERT_EQ(shot.code, 0) << shot.err;
  const json first = json::parse(shot.out).at("tasks").at(0).at("first");
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].at("contexts"), json({"Q: Two plus\nA: three\n\nQ: One  plus\nA:"}));
  EXPECT_EQ(first[1].at("right"), json({false, true}));
  EXPECT_EQ(prompts({"--set", "shot=1"}).err,
            "--set shot=1: unknown key 'shot'; did you mean 'shots'? (known: data, documents, "
            "on_nan, pack_tokens, protocol, refused, shots, shuffle, suffix, tasks)\n");
  EXPECT_EQ(RunProgram(folder.path(), {"prompts"}).err,
            "usage: roundlab prompts TASK... [--set ...] [--documents ...] [--json]\n");
}

TEST(WorldTest, PrintsTextsAndRows) {
  const TempFolder folder;
  const auto world = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "world");
    words.emplace_back("--quiet");
    return RunProgram(folder.path(), words);
  };
  const ProgramResult one = world({"--documents", "1"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.err, "");
  EXPECT_GT(one.out.size(), 500U);
  EXPECT_EQ(world({"--documents", "2"}).out.substr(0, one.out.size()), one.out);
  EXPECT_EQ(world({"--documents", "1", "--seed", "1", "--split", "train"}).out, one.out);
  EXPECT_NE(world({"--documents", "1", "--seed", "2"}).out, one.out);
  EXPECT_NE(world({"--documents", "1", "--split", "test"}).out, one.out);
  const std::string rows = world({"--split", "yesno", "--documents", "2"}).out;
  const std::size_t end = rows.find('\n');
  EXPECT_TRUE(json::parse(rows.substr(0, end)).contains("passage"));
  EXPECT_TRUE(json::parse(rows.substr(end + 1)).contains("passage"));
}

TEST(WorldTest, BadInputIsTold) {
  const TempFolder folder;
  const auto error = [&](const std::vector<std::string>& words) {
    const ProgramResult run = RunProgram(folder.path(), words);
    EXPECT_EQ(run.code, 2);
    return run.err;
  };
  EXPECT_EQ(
      error({"world", "--split", "trian"}),
      "builtin:lab@1/trian: unknown split 'trian'; did you mean 'train'? (known: calibration, "
      "test, train)\n");
  EXPECT_EQ(error({"world", "--documents", "-1"}),
            "--documents: expected a number from 1, got -1\n");
  EXPECT_EQ(error({"world", "--seed", "-1"}), "--seed: expected a number from 0, got -1\n");
  EXPECT_EQ(error({"plan", "x.yaml", "--documents", "2"}),
            "command line: --documents belongs to prompts, sample and world\n");
  EXPECT_EQ(error({"score", "--model", "builtin:lap", "--text", "x"}),
            "model: unknown built-in model 'builtin:lap'; did you mean 'builtin:lab'? (known: "
            "builtin:lab)\n");
}

}  // namespace
}  // namespace roundlab
