#include "eval/zero_shot.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "core/metrics/run_record.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/harness.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

/// A quiz of three rows on the smallest model of the shared folder.
class ZeroShotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ROUNDLAB_SHARED_OR_SKIP(folder, "models/stories260K");
    tokenizer_ = LoadTokenizer(folder);
    model_ = std::make_unique<LanguageModel>(ModelFiles(folder), at::kFloat);
    folder_.Write("rows.jsonl",
                  "{\"q\": \"Once upon a\", \"c\": [\"time\", \"stone\"], \"a\": 0}\n"
                  "{\"q\": \"The big red\", \"c\": [\"went\", \"ball\", \"so\"], \"a\": 1}\n"
                  "{\"q\": \"She was very\", \"c\": [\"happy\", \"" +
                      std::string(3000, 'x') + "\"], \"a\": 0}\n");
    options_.tasks = {folder_.Write("quiz.yaml", "data: {path: " + folder_ / "rows.jsonl" +
                                                     "}\nfields: {q: q, c: c, a: a}\n"
                                                     "context: '{q}'\nchoices: '{c}'\n"
                                                     "gold: '{a}'\nmetrics: [acc]\n")};
  }
  EvalResult Measure() {
    record_ = RunRecord();
    const MemoryScorer scorer(*model_);
    const EvalContext context{&scorer, nullptr, tokenizer_.get(), &record_, &log_};
    return ZeroShot(options_).Evaluate(context).front();
  }

  TempFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<LanguageModel> model_;
  ZeroShot::Options options_;
  RunRecord record_;
  Log log_{"", true};
};

TEST_F(ZeroShotTest, OneResultATaskWithItsArrays) {
  const EvalResult result = Measure();
  EXPECT_EQ(result.name, "quiz");
  EXPECT_EQ(result.metrics.at("documents"), 3);
  EXPECT_EQ(result.metrics.at("refused"), 1);  // a choice longer than the model's context
  EXPECT_EQ(result.metrics.at("truncated"), 1);
  EXPECT_EQ(result.metrics.at("acc"), 1);
  EXPECT_EQ(record_.arrays().at("eval/quiz/choice_loglik").shape,
            (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(result.provenance.at("harness"), "lmeval_0_3");
}

TEST_F(ZeroShotTest, RefusedDocumentsMayCountAsWrong) {
  options_.refused = ZeroShot::Refused::kWrong;
  EXPECT_DOUBLE_EQ(Measure().metrics.at("acc"), 2.0 / 3);
}

TEST_F(ZeroShotTest, SuffixLimitAndShots) {
  options_.suffix = "_few";
  options_.documents = 2;
  options_.shots = 1;
  options_.protocol = Harness::kLmEval04;
  EXPECT_EQ(ZeroShot(options_).Names(), std::vector<std::string>{"quiz_few"});
  const EvalResult result = Measure();
  EXPECT_EQ(result.name, "quiz_few");
  EXPECT_EQ(result.metrics.at("documents"), 2);
}

TEST_F(ZeroShotTest, Harness04DrawsOneExampleMoreForTasksWithoutATestSplit) {
  const std::string pool =
      folder_.Write("pool.jsonl", "{\"q\": \"A\", \"c\": [\"b\"], \"a\": 0}\n");
  const auto error = [&](Harness protocol, const std::string& test_split) {
    options_.tasks = {folder_.Write(
        "few.yaml", "data: {path: " + folder_ / "rows.jsonl" +
                        "}\nfields: {q: q, c: c, a: a}\ncontext: '{q}'\nchoices: '{c}'\n"
                        "gold: '{a}'\nmetrics: [acc]\nshots: {data: {path: " +
                        pool + "}, test_split: " + test_split + "}\n")};
    options_.protocol = protocol;
    options_.shots = 1;
    return ErrorOf([&] { Measure(); });
  };
  EXPECT_EQ(error(Harness::kLmEval04, "true"), "");
  EXPECT_EQ(error(Harness::kLmEval03, "false"), "");
  EXPECT_NE(error(Harness::kLmEval04, "false").find("shots: 2 examples needed, 1 are there"),
            std::string::npos);
}

TEST_F(ZeroShotTest, ATestSplitOfItsOwnGivesExamplesAsTheyAreDrawn) {
  const auto error = [&](Harness protocol, const std::string& shots) {
    options_.tasks = {folder_.Write(
        "few.yaml", "data: {path: " + folder_ / "rows.jsonl" +
                        "}\nfields: {q: q, c: c, a: a}\ncontext: '{q}'\nchoices: '{c}'\n"
                        "gold: '{a}'\nmetrics: [acc]\nshots: {" +
                        shots + "}\n")};
    options_.protocol = protocol;
    options_.shots = 3;  // all rows that there are
    return ErrorOf([&] { Measure(); });
  };
  EXPECT_EQ(error(Harness::kLmEval04, "test_split: true"), "");
  const std::string one_more = "shots: 4 examples needed, 3 are there";
  EXPECT_NE(error(Harness::kLmEval04, "").find(one_more), std::string::npos);
  EXPECT_NE(error(Harness::kLmEval03, "test_split: true").find(one_more), std::string::npos);
  EXPECT_EQ(error(Harness::kLmEval04, "allowed: false"),
            "shots: 3: its examples are part of the task, which takes no others");
}

TEST_F(ZeroShotTest, AContextWithoutATokenIsARefusedDocument) {
  const EncodedPair pair = EncodePair(*tokenizer_, Harness::kLmEval03, 64, " ", "x");
  EXPECT_EQ(pair.refused, "no token is left for the context");
}

TEST(HarnessTest, Version04AddsNoSecondBos) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "models/TinyStories-656K");
  const auto tokenizer = LoadTokenizer(folder);
  const std::string bos = tokenizer->Decode({*tokenizer->BosId()});
  ASSERT_FALSE(bos.empty());
  const auto ids = [&](Harness harness, const std::string& context) {
    return EncodePair(*tokenizer, harness, 64, context, " b").continuation.ids;
  };
  EXPECT_EQ(ids(Harness::kLmEval04, bos + "a"), ids(Harness::kLmEval03, bos + "a"));
  EXPECT_NE(ids(Harness::kLmEval04, "a"), ids(Harness::kLmEval03, "a"));
}

TEST_F(ZeroShotTest, TwoVersionsDifferByBos) {
  options_.documents = 2;
  Measure();
  const auto old = record_.arrays().at("eval/quiz/choice_loglik").values;
  options_.protocol = Harness::kLmEval04;
  Measure();
  EXPECT_NE(record_.arrays().at("eval/quiz/choice_loglik").values, old);
}

TEST_F(ZeroShotTest, CheckReadsAllRows) {
  folder_.Write("rows.jsonl", "{\"q\": \"?\", \"c\": [\"x\"], \"a\": 1}\n");
  EXPECT_EQ(ErrorOf([&] { ZeroShot(options_).Check(nullptr, nullptr); }),
            "task " + options_.tasks[0] + ": " + folder_ / "rows.jsonl" +
                ":1: the right answer is '1'; expected one of 0 to 0");
}

}  // namespace
}  // namespace roundlab
