#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "eval/divergence.h"
#include "eval/zero_shot.h"
#include "tests/eval/judge.h"
#include "tests/support/source_over.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

/// Counts how often blocks are read.
class CountedSource : public testing::SourceOver {
 public:
  using SourceOver::SourceOver;
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override {
    ++read;
    return SourceOver::LoadBlock(index);
  }

  mutable std::atomic<int> read = 0;
};

constexpr int kLayers = 3;

/// A perplexity, a divergence, two tasks and a perplexity again, of a changed model.
class JointEvaluationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModel{.layers = kLayers}.Write(temp_ / "m");
    judge_ = std::make_unique<testing::Judge>(temp_ / "m");
    Perplexity::Options plain;
    plain.data.path = temp_.Write("t.txt", testing::RandomText(700, 1));
    plain.name = "plain";
    plain.seqlen = 32;
    evaluators_.push_back(std::make_unique<Perplexity>(plain));
    Divergence::Options divergence;
    divergence.data = plain.data;
    divergence.name = "d";
    divergence.seqlen = 32;
    evaluators_.push_back(std::make_unique<Divergence>(divergence));
    ZeroShot::Options tasks;
    tasks.tasks = {Task("colours"), Task("animals")};
    evaluators_.push_back(std::make_unique<ZeroShot>(tasks));
    plain.name = "sliding";
    plain.protocol = ProtocolKind::kSliding;
    plain.windows = 3;
    evaluators_.push_back(std::make_unique<Perplexity>(plain));
  }

  /// The file of a task of three documents.
  std::string Task(const std::string& name) {
    const std::string rows = temp_.Write(
        name + ".jsonl", "{\"q\": \"Once " + name +
                             "\", \"c\": [\"time\", \"stone\"], \"a\": 0}\n"
                             "{\"q\": \"The big\", \"c\": [\"went\", \"ball\"], \"a\": 1}\n"
                             "{\"q\": \"She was very\", \"c\": [\"" +
                             name + "\", \"sad\"], \"a\": 0}\n");
    return temp_.Write(name + ".yaml", "data: {path: " + rows +
                                           "}\nfields: {q: q, c: c, a: a}\ncontext: '{q}'\n"
                                           "choices: '{c}'\ngold: '{a}'\nmetrics: [acc]\n");
  }
  static void Change(DecoderBlock* block) {
    for (LinearSlot* slot : block->Linears()) slot->effective = slot->weight * 1.25;
  }
  EvalContext Context(const Scorer& model, const Scorer& original, RunRecord* record) {
    return {&model, &original, judge_->tokenizer.get(), record, &judge_->log};
  }
  /// Each by itself, of the model in memory.
  std::vector<EvalResult> OneByOne(RunRecord* record) {
    const LanguageModel model(judge_->files, at::kFloat, Change);
    const MemoryScorer scorer(model);
    std::vector<EvalResult> all;
    for (const auto& evaluator : evaluators_) {
      for (EvalResult& result : evaluator->Evaluate(Context(scorer, judge_->original, record))) {
        all.push_back(std::move(result));
      }
    }
    return all;
  }
  static void ExpectSame(const std::vector<EvalResult>& found,
                         const std::vector<EvalResult>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].name, expected[i].name);
      EXPECT_EQ(found[i].metrics, expected[i].metrics);
      EXPECT_EQ(found[i].provenance, expected[i].provenance);
    }
  }

  static void Break(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ofstream(entry.path(), std::ios::in | std::ios::out).seekp(70) << "!";
    }
  }

  const testing::TempFolder temp_;
  std::unique_ptr<testing::Judge> judge_;
  std::vector<std::unique_ptr<Evaluator>> evaluators_;
  bool broken_ = false;
};

TEST_F(JointEvaluationTest, ReadsEachBlockOnceAndMeasuresWhatEachAloneDoes) {
  RunRecord alone;
  const auto expected = OneByOne(&alone);
  EXPECT_EQ(expected.size(), 5U);
  const ContentCache cache(temp_ / "cache");
  for (const bool first : {true, false}) {
    const CountedSource source(&judge_->files);
    const CountedSource checkpoint(&judge_->files);
    StreamScorer::Options options;
    const StreamScorer original(checkpoint, judge_->model.ends(), options);
    options.hook = Change;
    const StreamScorer model(source, judge_->model.ends(), options);
    RunRecord record;
    EvalContext context = Context(model, original, &record);
    context.cache = &cache;
    ExpectSame(EvaluateTogether(evaluators_, context), expected);
    EXPECT_EQ(source.read, kLayers);
    EXPECT_EQ(checkpoint.read, first ? kLayers : 0);  // then its states are in the cache
    ASSERT_EQ(record.arrays().size(), alone.arrays().size());
    for (const auto& [name, array] : alone.arrays()) {
      EXPECT_EQ(record.arrays().at(name).values, array.values) << name;
    }
  }
}

TEST_F(JointEvaluationTest, StatesOfABrokenFileAreMadeAgain) {
  RunRecord alone;
  const auto expected = OneByOne(&alone);
  const LanguageModel model(judge_->files, at::kFloat, Change);
  const MemoryScorer scorer(model);
  const ContentCache cache(temp_ / "cache");
  for (const int times : {1, 1, 0}) {  // nothing there, a broken file, a good one
    const CountedSource checkpoint(&judge_->files);
    const StreamScorer original(checkpoint, judge_->model.ends(), {});
    RunRecord record;
    EvalContext context = Context(scorer, original, &record);
    context.cache = &cache;
    ExpectSame(EvaluateTogether(evaluators_, context), expected);
    EXPECT_EQ(checkpoint.read, times * kLayers);
    if (!broken_) Break(temp_ / "cache");
    broken_ = true;
  }
}

TEST_F(JointEvaluationTest, InMemoryAndWithoutACacheIsTheSame) {
  RunRecord alone;
  const auto expected = OneByOne(&alone);
  RunRecord record;
  const LanguageModel model(judge_->files, at::kFloat, Change);
  const MemoryScorer scorer(model);
  ExpectSame(EvaluateTogether(evaluators_, Context(scorer, judge_->original, &record)), expected);
}

/// What was called, in order.
class Told : public Evaluation {
 public:
  Told(char name, std::size_t inputs, std::string* told)
      : name_(name), inputs_(inputs), told_(told) {}
  ~Told() override { *told_ += std::string("~") + name_ + " "; }
  std::vector<ScorerInput> Inputs() override {
    return std::vector<ScorerInput>(inputs_, at::zeros({1, 1}, at::kLong));
  }
  void Take(std::size_t i, const ScorerStates& /*states*/) override {
    *told_ += name_ + std::to_string(i) + " ";
  }
  std::vector<EvalResult> Finish() override { return {{std::string(1, name_), {}, {}}}; }

 private:
  const char name_;
  const std::size_t inputs_;
  std::string* const told_;
};

TEST(JointEvaluationOrderTest, APartIsGoneOnceItsInputsAreThrough) {
  std::string told;
  std::vector<std::unique_ptr<Evaluation>> parts;
  for (const auto& [name, inputs] :
       {std::pair{'a', 0U}, {'b', 2U}, {'c', 0U}, {'d', 0U}, {'e', 1U}, {'f', 0U}}) {
    parts.push_back(std::make_unique<Told>(name, inputs, &told));
  }
  JointEvaluation joint(std::move(parts));
  ASSERT_EQ(joint.Inputs().size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) joint.Take(i, {});
  EXPECT_EQ(told, "~a b0 b1 ~b ~c ~d e0 ");
  std::string names;
  for (const EvalResult& result : joint.Finish()) names += result.name;
  EXPECT_EQ(names, "abcdef");
}

}  // namespace
}  // namespace roundlab
