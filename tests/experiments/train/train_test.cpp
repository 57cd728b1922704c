#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/formats/safetensors.h"
#include "core/metrics/hdf5_file.h"
#include "tests/experiments/program.h"
#include "tests/experiments/run_folder.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Program;
using testing::ProgramResult;
using testing::ReadAll;
using testing::RunProgram;
using testing::TempFolder;
using testing::WaitUntil;

constexpr const char* kConfig =
    R"(model: {hidden: 32, layers: 2, heads: 2, kv_heads: 1, intermediate: 64, context: 32}
tokenizer: {vocab: 300, documents: 20}
data: {name: lab, split: train}
documents: 60
test: {path: "builtin:lab/test"}
optimizer: {type: adamw, lr: 0.01}
schedule: {type: cosine, warmup: 5}
seqlen: 32
batch: 4
steps: 60
checkpoint_every: 10
threads: 1
)";

class TrainTest : public ::testing::Test {
 protected:
  TrainTest() { folder_.Write("c.yaml", kConfig); }
  ProgramResult Train(const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"train", "c.yaml", "--out", out, "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(folder_.path(), words);
  }
  std::string Weights(const std::string& out) const {
    return ReadAll(folder_ / (out + "/model.safetensors"));
  }
  TempFolder folder_;
};

TEST_F(TrainTest, OtherCommandsKnowATrainingFromAnExperiment) {
  const ProgramResult good = RunProgram(folder_.path(), {"validate", "c.yaml"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(good.out, "c.yaml: good, a training\n");
  const ProgramResult bad =
      RunProgram(folder_.path(), {"validate", "c.yaml", "--set", "model.layres=3"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_EQ(bad.err.rfind("--set model.layres=3: unknown key 'model.layres'", 0), 0U) << bad.err;
  const ProgramResult texts = RunProgram(
      folder_.path(),
      {"validate", "c.yaml", "--set", "data={path: no.txt}", "--set", "test={path: none.txt}"});
  EXPECT_EQ(texts.code, 2);
  EXPECT_EQ(texts.err,
            "--set data={path: no.txt}:1:8: no.txt: cannot open: No such file or directory\n"
            "--set test={path: none.txt}:1:8: none.txt: cannot open: No such file or "
            "directory\n");
  const ProgramResult run = RunProgram(folder_.path(), {"run", "c.yaml"});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err, "c.yaml: a training, which runs by `roundlab train c.yaml`\n");
}

TEST_F(TrainTest, WritesAModelThatPredictsItsText) {
  const ProgramResult run = Train("m", {"--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json printed = json::parse(run.out);
  EXPECT_EQ(printed["folder"], "m");
  const json metrics = printed["metrics"];
  const double perplexity = metrics["test/perplexity"].get<double>();
  EXPECT_LT(perplexity, 150);  // of 300 tokens, in 60 steps
  EXPECT_GT(perplexity, metrics["test/floor_perplexity"].get<double>());
  EXPECT_GT(metrics["test/floor_perplexity"].get<double>(), 1.0);
  const auto loss = ReadSeries(folder_ / "m/train/train.h5", "train/loss");
  ASSERT_EQ(loss.values.size(), 60U);
  EXPECT_NEAR(loss.values.front(), std::log(300), 0.2);  // all tokens alike
  EXPECT_LT(loss.values.back(), 5.0);
  EXPECT_FALSE(fs::exists(folder_ / "m/train/checkpoint.pt"));
  const SafetensorsFile file(folder_ / "m/model.safetensors");
  ASSERT_NE(file.Find("model.embed_tokens.weight"), nullptr);
  EXPECT_EQ(file.Find("model.embed_tokens.weight")->type, ElementType::kF16);
  EXPECT_EQ(file.Find("lm_head.weight"), nullptr);  // tied

  const ProgramResult score =
      RunProgram(folder_.path(), {"score", "--model", "m", "--text", "Question: Where", "--json"});
  ASSERT_EQ(score.code, 0) << score.err;
  EXPECT_EQ(json::parse(score.out)["sequences"][0]["ids"][0], 0);
}

TEST_F(TrainTest, TwiceTheSameWeightsAndAnotherSeedOthers) {
  ASSERT_EQ(Train("a", {"--set", "steps=12"}).code, 0);
  ASSERT_EQ(Train("b", {"--set", "steps=12"}).code, 0);
  ASSERT_EQ(Train("c", {"--set", "steps=12", "--set", "seed=1"}).code, 0);
  EXPECT_EQ(Weights("a"), Weights("b"));
  EXPECT_NE(Weights("a"), Weights("c"));
  EXPECT_EQ(ReadAll(folder_ / "a/tokenizer.json"), ReadAll(folder_ / "c/tokenizer.json"));
}

TEST_F(TrainTest, KilledOrInterruptedItGoesOnWithTheSameBits) {
  ASSERT_EQ(Train("whole").code, 0);
  for (const int signal : {SIGKILL, SIGINT}) {
    const std::string out = signal == SIGKILL ? "killed" : "interrupted";
    Program program(folder_.path(), {"train", "c.yaml", "--out", out, "--quiet"});
    const std::string checkpoint = folder_ / (out + "/train/checkpoint.pt");
    ASSERT_TRUE(WaitUntil(&program, [&] { return fs::exists(checkpoint); }));
    program.Signal(signal);
    const ProgramResult stopped = program.Wait();
    if (signal == SIGINT && stopped.code != 0) {
      EXPECT_EQ(stopped.code, 130);
      EXPECT_EQ(stopped.err, "interrupted; the same command continues it\n");
    }
    const std::string spent = folder_ / (out + "/train/spent.txt");
    const double before = fs::exists(spent) ? std::stod(ReadAll(spent)) : 0;
    ASSERT_EQ(Train(out).code, 0);
    const json result = json::parse(ReadAll(folder_ / (out + "/train/train.json")));
    EXPECT_GE(result.at("timing").at("train").get<double>(), before);
    EXPECT_FALSE(fs::exists(spent));
    EXPECT_EQ(Weights(out), Weights("whole"));
    EXPECT_EQ(ReadSeries(folder_ / (out + "/train/train.h5"), "train/loss").values,
              ReadSeries(folder_ / "whole/train/train.h5", "train/loss").values);
  }
}

TEST_F(TrainTest, Bfloat16TrainsToo) {
  const ProgramResult run = Train(
      "m", {"--set", "dtype=bfloat16", "--set", "steps=20", "--set", "save=bfloat16", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_LT(json::parse(run.out)["metrics"]["test/perplexity"].get<double>(), 250);
}

struct Bad {
  const char* name;
  std::vector<std::string> more;
  const char* message;
};

class TrainBadInputTest : public TrainTest, public ::testing::WithParamInterface<Bad> {};

TEST_P(TrainBadInputTest, IsToldWithExitCodeTwo) {
  folder_.Write("empty.txt", "");
  folder_.Write("few.txt", "a few words");
  const ProgramResult run = Train("m", GetParam().more);
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err, std::string(GetParam().message) + "\n");
  EXPECT_FALSE(fs::exists(folder_ / "m"));
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainBadInputTest,
    ::testing::Values(
        Bad{"vocabulary",
            {"--set", "tokenizer.vocab=255"},
            "--set tokenizer.vocab=255: tokenizer.vocab: 255 is out of range [257, 1048576]"},
        Bad{"sequence",
            {"--set", "seqlen=64"},
            "--set seqlen=64: seqlen 64 is longer than the model's context of 32"},
        Bad{"heads",
            {"--set", "model.heads=3"},
            "c.yaml:1:17: model: hidden 32 is no multiple of twice the heads, 6"},
        Bad{"kv_heads",
            {"--set", "model.kv_heads=4"},
            "c.yaml:1:39: model: heads 2 is no multiple of kv_heads 4"},
        Bad{"warmup",
            {"--set", "steps=4"},
            "c.yaml:7:11: schedule: warmup 5 is longer than the 4 steps"},
        Bad{"empty", {"--set", "data={path: empty.txt}"}, "empty.txt: no text in this file"},
        Bad{"few",
            {"--set", "data={path: few.txt}"},
            "few.txt: has 4 tokens; training on sequences of 32 needs one more at least"},
        Bad{"few_held_out",
            {"--set", "test={path: few.txt}"},
            "few.txt: has 9 tokens, fewer than one window of 32"},
        Bad{"split",
            {"--set", "data={name: lab, split: trian}"},
            "--set data={name: lab, split: trian}: data 'lab': unknown split 'trian'; did you mean "
            "'train'? (known: calibration, test, "
            "train)"}),
    [](const auto& given) { return given.param.name; });

TEST_F(TrainTest, AFolderBelongsToOneConfig) {
  ASSERT_EQ(Train("m", {"--set", "steps=6"}).code, 0);
  const ProgramResult other = Train("m", {"--set", "steps=7"});
  EXPECT_EQ(other.code, 2);
  EXPECT_EQ(other.err,
            "m: belongs to a training by another config (steps: 6, here steps: 7); give another "
            "--out or remove the folder\n");
  fs::create_directories(folder_ / "foreign");
  folder_.Write("foreign/config.json", "{}");
  EXPECT_EQ(Train("foreign").err,
            "foreign: holds a model that was not trained here; give another --out\n");
}

TEST_F(TrainTest, SignsOfABatchAreItsOneVote) {
  const auto weights = [&](const std::string& out, const std::string& vote) {
    const ProgramResult run = Train(
        out, {"--set", "steps=6", "--set", "optimizer={type: sign_sgd, lr: 0.001" + vote + "}"});
    EXPECT_EQ(run.code, 0) << run.err;
    return Weights(out);
  };
  EXPECT_EQ(weights("m", ", vote: majority"), weights("n", ""));
}

TEST_F(TrainTest, ATestOfOneWindowHasNoStandardError) {
  folder_.Write("test.txt", "Ann has a cat. Ann has a cat. Ann has a cat. Ann has a cat. Ann has.");
  for (int i = 0; i < 2; ++i) {  // what is done is told again
    const ProgramResult run =
        Train("m", {"--set", "test.path=test.txt", "--set", "seqlen=16", "--set", "steps=6"});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.out.find("model: m\nheld-out perplexity: "), 0U) << run.out;
    EXPECT_EQ(run.err.find("was made of another "), std::string::npos) << run.err;
  }
  folder_.Write("test.txt", "Ann has a dog. Ann has a dog. Ann has a dog. Ann has a dog. Ann has.");
  EXPECT_EQ(
      Train("m", {"--set", "test.path=test.txt", "--set", "seqlen=16", "--set", "steps=6"}).err,
      "m was made of another " + (folder_ / "test.txt") + ": remove it to make it again\n");
}

TEST_F(TrainTest, AnotherTextIsNotWhatItGoesOnWith) {
  folder_.Write("text.txt", ReadAll(folder_ / "c.yaml") + std::string(4000, 'a'));
  const std::vector<std::string> text = {"--set", "data={path: text.txt}", "--set",
                                         "tokenizer.vocab=257"};
  std::vector<std::string> words = {"train", "c.yaml", "--out", "m", "--quiet"};
  words.insert(words.end(), text.begin(), text.end());
  Program program(folder_.path(), words);
  const std::string checkpoint = folder_ / "m/train/checkpoint.pt";
  ASSERT_TRUE(WaitUntil(&program, [&] { return fs::exists(checkpoint); }));
  program.Signal(SIGKILL);
  program.Wait();
  fs::remove(folder_ / "m/train/train.json");
  folder_.Write("text.txt", std::string(4000, 'b'));
  const ProgramResult run = Train("m", text);
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.find("m/train/checkpoint.pt: belongs to another training "
                         "(train_tokens_sha256: "),
            0U)
      << run.err;
}

TEST_F(TrainTest, ABrokenCheckpointIsTold) {
  Program program(folder_.path(), {"train", "c.yaml", "--out", "m", "--quiet"});
  const std::string checkpoint = folder_ / "m/train/checkpoint.pt";
  ASSERT_TRUE(WaitUntil(&program, [&] { return fs::exists(checkpoint); }));
  program.Signal(SIGKILL);
  program.Wait();
  folder_.Write("m/train/checkpoint.pt", "broken");
  fs::remove(folder_ / "m/train/train.json");
  const ProgramResult run = Train("m");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err, "m/train/checkpoint.pt: broken; remove it to train from the start\n");
}

}  // namespace
}  // namespace roundlab
