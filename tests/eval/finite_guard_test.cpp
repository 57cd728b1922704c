#include "eval/finite_guard.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "core/base/diverged.h"
#include "core/base/statistics.h"
#include "eval/divergence.h"
#include "eval/zero_shot.h"
#include "tests/eval/judge.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(FiniteGuardTest, StopsAtTheFirstAndSaysWhatItIs) {
  FiniteGuard guard("t", OnNan::kStop);
  EXPECT_EQ(ErrorOf([&] { guard.Tell("window 3: log-likelihood of token 17", kUndefined, ""); }),
            "t: window 3: log-likelihood of token 17 is nan");
  EXPECT_EQ(ErrorOf([&] { guard.Tell("x", -kInfinity, "block 2"); }),
            "t: x is -inf; the first output that is not finite is that of block 2");
  EXPECT_EQ(ErrorOf([&] { guard.TellStates("window 3", "block 2"); }),
            "t: window 3: hidden states are not finite; the first such output is that of block 2");
}

TEST(FiniteGuardTest, RecordsHowManyAndTheFirst) {
  FiniteGuard guard("t", OnNan::kRecord);
  guard.Tell("x", kInfinity, "");
  guard.Tell("y", kUndefined, "block 2");
  EvalResult result{"t", {{"perplexity", kUndefined}, {"tokens", 3}}, {}};
  Log log("", true);
  guard.Finish(&result, &log);
  EXPECT_EQ(result.provenance.at("not_finite"), "2 not finite; the first: x is inf");
  EXPECT_EQ(result.metrics.size(), 2U);
}

TEST(FiniteGuardTest, OfFiniteNumbersWhatIsUndefinedIsLeftOutAndWhatIsInfiniteTold) {
  Log log("", true);
  EvalResult result{"t", {{"perplexity", 7}, {"stderr", kUndefined}}, {}};
  FiniteGuard("t", OnNan::kStop).Finish(&result, &log);
  EXPECT_EQ(result.metrics, (std::map<std::string, double>{{"perplexity", 7}}));
  EXPECT_TRUE(result.provenance.empty());
  result.metrics["perplexity"] = kInfinity;
  EXPECT_EQ(ErrorOf([&] { FiniteGuard("t", OnNan::kStop).Finish(&result, &log); }),
            "t: perplexity is inf");
  FiniteGuard("t", OnNan::kRecord).Finish(&result, &log);
  EXPECT_EQ(result.provenance.at("not_finite"), "1 not finite; the first: perplexity is inf");
}

/// Each evaluator on a model whose last block's output is beyond its dtype.
class NotFiniteModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModel{.loud = 1e38F}.Write(temp_ / "loud");
    testing::TinyModel().Write(temp_ / "quiet");
    data_.path = temp_.Write("t.txt", testing::RandomText(700, 1));
  }
  /// What it answers to an evaluator that stops.
  static std::string Stopped(testing::Judge* judge, const Evaluator& evaluator) {
    try {
      judge->Measure(evaluator);
    } catch (const Diverged& e) {
      return e.what();
    }
    return "";
  }

  static constexpr const char* kAt = "; the first output that is not finite is that of block 1";

  const testing::TempFolder temp_;
  DataSource data_;
};

TEST_F(NotFiniteModelTest, PerplexityInAllProtocols) {
  temp_.Write("loud/tokenizer_config.json", R"({"eos_token": "a"})");  // lmeval_rolling needs one
  testing::Judge judge(temp_ / "loud");
  for (const auto& [protocol, name] : ProtocolNames()) {
    SCOPED_TRACE(name);
    Perplexity::Options options;
    options.data = data_;
    options.name = "t";
    options.protocol = protocol;
    options.seqlen = 32;
    if (options.protocol == ProtocolKind::kGptqC4) options.windows = 3;
    const bool half = options.protocol == ProtocolKind::kLlamaCpp;
    EXPECT_EQ(Stopped(&judge, Perplexity(options)),
              std::string("t: window 0: log-likelihood of token ") + (half ? "17" : "1") +
                  " is nan" + kAt);
    options.on_nan = OnNan::kRecord;
    const EvalResult result = judge.Measure(options);
    EXPECT_TRUE(std::isnan(result.metrics.at("perplexity")));
    EXPECT_TRUE(std::isnan(result.metrics.at("nll_sum")));
    if (options.protocol == ProtocolKind::kLmEvalRolling) {
      for (const char* metric : {"word_perplexity", "byte_perplexity", "bits_per_byte"}) {
        EXPECT_TRUE(std::isnan(result.metrics.at(metric))) << metric;
      }
    }
    EXPECT_GT(result.metrics.at("tokens"), 0);
    EXPECT_THAT(result.provenance.at("not_finite"), HasSubstr(" not finite; the first: window 0"));
    for (const double nll : judge.Array("t/nll")) EXPECT_TRUE(std::isnan(nll));
  }
}

TEST_F(NotFiniteModelTest, ZeroShotGivesNoAccuracy) {
  testing::Judge judge(temp_ / "loud");
  temp_.Write("rows.jsonl",
              "{\"q\": \"ab\", \"c\": [\"c\", \"d\"], \"a\": 0}\n"
              "{\"q\": \"e\", \"c\": [\"f\", \"gh\", \"i\"], \"a\": 1}\n");
  ZeroShot::Options options;
  options.protocol = Harness::kLmEval04;
  options.tasks = {temp_.Write("quiz.yaml", "data: {path: " + temp_ / "rows.jsonl" +
                                                "}\nfields: {q: q, c: c, a: a}\n"
                                                "context: '{q}'\nchoices: '{c}'\n"
                                                "gold: '{a}'\nmetrics: [acc, acc_norm]\n")};
  const std::string stopped = Stopped(&judge, ZeroShot(options));
  EXPECT_THAT(stopped, StartsWith("quiz: "));
  EXPECT_THAT(stopped, HasSubstr("rows.jsonl"));
  EXPECT_THAT(stopped, HasSubstr(": choice 0: log-likelihood of token "));
  EXPECT_THAT(stopped, HasSubstr(std::string(" is nan") + kAt));
  options.on_nan = OnNan::kRecord;
  const EvalResult result = judge.Measure(ZeroShot(options));
  for (const char* metric : {"acc", "acc_norm", "acc_stderr"}) {
    EXPECT_TRUE(std::isnan(result.metrics.at(metric))) << metric;
  }
  EXPECT_EQ(result.metrics.at("documents"), 2);
  EXPECT_THAT(result.provenance.at("not_finite"), StartsWith("5 not finite; the first: "));
  for (const char* array : {"quiz/correct", "quiz/correct_norm", "quiz/prediction"}) {
    for (const double value : judge.Array(array)) EXPECT_TRUE(std::isnan(value)) << array;
  }
  EXPECT_EQ(judge.Array("quiz/not_finite"), (std::vector<double>{1, 1}));
}

TEST_F(NotFiniteModelTest, DivergenceSaysWhichOfTheTwoModelsItIs) {
  testing::Judge judge(temp_ / "loud");
  testing::Judge quiet(temp_ / "quiet");
  Divergence::Options options;
  options.data = data_;
  options.name = "d";
  options.seqlen = 32;
  const std::string token = ": log-likelihood of token 17 is nan";
  EXPECT_EQ(Stopped(&judge, Divergence(options)), "d: window 0 of the original" + token + kAt);
  EXPECT_EQ(ErrorOf([&] { quiet.Measure(Divergence(options), judge.scorer); }),
            "d: window 0" + token + kAt);
  options.on_nan = OnNan::kRecord;
  const EvalResult result = quiet.Measure(Divergence(options), judge.scorer);
  for (const char* metric : {"kl_mean", "kl_median", "kl_max", "same_top", "perplexity"}) {
    EXPECT_TRUE(std::isnan(result.metrics.at(metric))) << metric;
  }
  for (const double value : quiet.Array("d/same_top")) EXPECT_TRUE(std::isnan(value));
  EXPECT_THAT(result.provenance.at("not_finite"), HasSubstr("the first: window 0" + token));
}

/// Passes on what a model makes, with one number of the hidden states infinite.
class BrokenScorer : public Scorer {
 public:
  BrokenScorer(const Scorer& model, std::int64_t position) : model_(model), position_(position) {}
  const ModelDescription& description() const override { return model_.description(); }
  const LogitHead& head() const override { return model_.head(); }
  void Run(const std::vector<ScorerInput>& inputs, const Use& use) const override {
    model_.Run(inputs, [&](std::size_t i, const ScorerStates& states) {
      const at::NoGradGuard no_grad;
      ScorerStates broken{states.hidden.clone(), "block 0"};
      broken.hidden[0][position_][3].fill_(kInfinity);
      use(i, broken);
    });
  }

 private:
  const Scorer& model_;
  const std::int64_t position_;
};

TEST_F(NotFiniteModelTest, HiddenStatesThatNoScoredTokenIsMadeOfCountToo) {
  testing::Judge judge(temp_ / "quiet");
  const BrokenScorer broken(judge.scorer, 2);
  Perplexity::Options options;
  options.data = data_;
  options.name = "t";
  options.protocol = ProtocolKind::kLlamaCpp;  // scores the second half of a window
  options.seqlen = 32;
  options.batch_tokens = 64;
  EXPECT_EQ(ErrorOf([&] { judge.Measure(Perplexity(options), broken); }),
            "t: window 0: hidden states are not finite; the first such output is that of block 0");
  judge.Measure(options);
  const std::vector<double> whole = judge.Array("t/nll");
  options.on_nan = OnNan::kRecord;
  EXPECT_TRUE(std::isnan(judge.Measure(Perplexity(options), broken).metrics.at("perplexity")));
  const std::vector<double>& nll = judge.Array("t/nll");
  ASSERT_EQ(nll.size(), whole.size());
  for (std::size_t i = 0; i < nll.size(); ++i) {
    if (i % 2 == 0) {  // the first of its batch of two
      EXPECT_TRUE(std::isnan(nll[i])) << i;
    } else {
      EXPECT_EQ(nll[i], whole[i]) << i;
    }
  }
}

}  // namespace
}  // namespace roundlab
