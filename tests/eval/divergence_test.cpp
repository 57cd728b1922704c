#include "eval/divergence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/eval/judge.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using Values = std::vector<double>;

/// On a random model and text.
class DivergenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModel().Write(temp_ / "m");
    judge_ = std::make_unique<testing::Judge>(temp_ / "m");
    options_.data.path = temp_.Write("t.txt", testing::RandomText(700, 1));
    options_.name = "d";
    options_.seqlen = 32;
  }
  /// What `model` is found to be beside its checkpoint.
  std::map<std::string, double> Measure(const LanguageModel& model) {
    record_ = RunRecord();
    const MemoryScorer scorer(model);
    StreamScorer::Options streamed;
    streamed.dtype = model.blocks().front()->Slot(0).weight.scalar_type();
    const StreamScorer original(judge_->files, model.ends(), streamed);
    return Divergence(options_)
        .Evaluate({&scorer, &original, judge_->tokenizer.get(), &record_, &judge_->log})
        .front()
        .metrics;
  }
  const Values& Array(const std::string& name) const {
    return record_.arrays().at("eval/d/" + name).values;
  }
  std::vector<std::int32_t> Encode(const std::string& text) const {
    return judge_->tokenizer->Encode(text, SpecialTokens::kDefault);
  }
  /// The model with every weight matrix changed a little.
  LanguageModel Noisy() const {
    return {judge_->files, at::kFloat, [](DecoderBlock* block) {
              for (LinearSlot* slot : block->Linears()) {
                const at::Tensor noise = testing::RandomTensor(slot->weight.sizes(), 5, 0.1);
                slot->effective = slot->weight * (1 + noise);
              }
            }};
  }

  const testing::TempFolder temp_;
  std::unique_ptr<testing::Judge> judge_;
  Divergence::Options options_;
  RunRecord record_;
};

TEST_F(DivergenceTest, OfTheUnquantizedModelIsZero) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const LanguageModel model(judge_->files, dtype);
    const auto metrics = Measure(model);
    EXPECT_EQ(metrics.at("same_top"), 1);
    EXPECT_EQ(metrics.at("same_top_stderr"), 0);
    for (const char* zero :
         {"kl_mean", "kl_mean_stderr", "kl_max", "kl_min", "delta_p_mean", "delta_p_rms",
          "delta_p_rms_stderr", "log_perplexity_ratio", "log_perplexity_ratio_stderr",
          "perplexity_difference", "perplexity_difference_stderr"}) {
      EXPECT_EQ(metrics.at(zero), 0) << zero;
    }
    EXPECT_EQ(metrics.at("perplexity"), metrics.at("base_perplexity"));
    EXPECT_NEAR(metrics.at("log_perplexity_correlation"), 1, 1e-12);
  }
}

/// A value a token: of the divergence, of both models' nll, and whether their tops agree.
struct Tokens {
  Values kl, nll, base, same;
  double count() const { return static_cast<double>(kl.size()); }
};

double Sum(const Values& a, const Values& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Mean and uncertainty as llama.cpp has them, from sums of values and squares.
struct Estimate {
  explicit Estimate(const Values& x) {
    const auto n = static_cast<double>(x.size());
    mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    error = std::sqrt((Sum(x, x) / n - mean * mean) / (n - 1));
  }
  double mean = 0;
  double error = 0;
};

std::map<std::string, double> KlByHand(Values kl) {
  const Estimate estimate(kl);
  std::map<std::string, double> metrics = {{"kl_mean", estimate.mean},
                                           {"kl_mean_stderr", estimate.error}};
  std::sort(kl.begin(), kl.end());
  metrics["kl_max"] = kl.back();
  metrics["kl_min"] = kl.front();
  const std::map<std::string, double> fractions = {
      {"kl_p99.9", 0.999}, {"kl_p99", 0.99}, {"kl_p95", 0.95}, {"kl_p90", 0.9},
      {"kl_median", 0.5},  {"kl_p10", 0.1},  {"kl_p5", 0.05},  {"kl_p1", 0.01}};
  for (const auto& [name, fraction] : fractions) {
    const double place = fraction * static_cast<double>(kl.size() - 1);
    const auto i = static_cast<std::size_t>(place);
    metrics[name] =
        kl[i] + (place - std::floor(place)) * (kl[std::min(i + 1, kl.size() - 1)] - kl[i]);
  }
  return metrics;
}

/// By llama.cpp's formulas, with the covariance of the two models' nll.
std::map<std::string, double> RestByHand(const Tokens& tokens) {
  const double n = tokens.count();
  const Estimate q(tokens.nll);
  const Estimate p(tokens.base);
  const double covariance = (Sum(tokens.nll, tokens.base) / n - q.mean * p.mean) / (n - 1);
  const double ratio_error = std::sqrt(q.error * q.error + p.error * p.error - 2 * covariance);
  const double ppl = std::exp(q.mean);
  const double base = std::exp(p.mean);
  Values delta;
  Values squares;
  for (std::size_t i = 0; i < tokens.nll.size(); ++i) {
    delta.push_back(std::exp(-tokens.nll[i]) - std::exp(-tokens.base[i]));
    squares.push_back(delta[i] * delta[i]);
  }
  const Estimate moved(delta);
  const Estimate square(squares);
  const double same = Estimate(tokens.same).mean;
  return {{"tokens", n},
          {"same_top", same},
          {"same_top_stderr", std::sqrt(same * (1 - same) / (n - 1))},
          {"delta_p_mean", moved.mean},
          {"delta_p_mean_stderr", moved.error},
          {"delta_p_rms", std::sqrt(square.mean)},
          {"delta_p_rms_stderr", 0.5 / std::sqrt(square.mean) * square.error},
          {"perplexity", ppl},
          {"perplexity_stderr", ppl * q.error},
          {"base_perplexity", base},
          {"base_perplexity_stderr", base * p.error},
          {"log_perplexity_ratio", q.mean - p.mean},
          {"log_perplexity_ratio_stderr", ratio_error},
          {"log_perplexity_correlation", covariance / (q.error * p.error)},
          {"perplexity_ratio", ppl / base},
          {"perplexity_ratio_stderr", ppl / base * ratio_error},
          {"perplexity_difference", ppl - base},
          {"perplexity_difference_stderr",
           std::sqrt(ppl * ppl * q.error * q.error + base * base * p.error * p.error -
                     2 * ppl * base * covariance)}};
}

TEST_F(DivergenceTest, IsWhatLogitsInWholeGive) {
  const LanguageModel noisy = Noisy();
  const auto metrics = Measure(noisy);
  const auto ids = Encode(testing::RandomText(700, 1));
  Tokens tokens;
  for (std::size_t begin = 0; begin + 32 <= ids.size(); begin += 32) {
    const at::Tensor window =
        at::tensor(at::ArrayRef<std::int32_t>(ids).slice(begin, 32), at::kInt).to(at::kLong);
    const auto log_softmax = [&](const LanguageModel& model) {
      return at::log_softmax(model.Logits(window.unsqueeze(0))[0].to(at::kDouble), 1);
    };
    const at::Tensor p = log_softmax(judge_->model);
    const at::Tensor q = log_softmax(noisy);
    for (std::int64_t i = 16; i < 31; ++i) {
      const auto target = window[i + 1].item<std::int64_t>();
      tokens.kl.push_back((p[i].exp() * (p[i] - q[i])).sum().item<double>());
      tokens.base.push_back(-p[i][target].item<double>());
      tokens.nll.push_back(-q[i][target].item<double>());
      tokens.same.push_back(p[i].argmax().equal(q[i].argmax()) ? 1 : 0);
    }
  }
  ASSERT_EQ(Array("kl").size(), tokens.kl.size());
  EXPECT_EQ(Array("same_top"), tokens.same);
  EXPECT_EQ(Array("tokens"), Values(ids.size() / 32, 15));
  // Logits are float32, some 1e-6 of 10 apart by way of computing.
  for (std::size_t i = 0; i < tokens.kl.size(); ++i) {
    EXPECT_NEAR(Array("kl")[i], tokens.kl[i], 1e-5);
    EXPECT_NEAR(Array("nll")[i], tokens.nll[i], 1e-5);
    EXPECT_NEAR(Array("base_nll")[i], tokens.base[i], 1e-5);
  }
  auto expected = KlByHand(tokens.kl);
  expected.merge(RestByHand(tokens));
  for (const auto& [name, value] : expected) {
    EXPECT_NEAR(metrics.at(name), value, 1e-5 + 1e-4 * std::fabs(value)) << name;
  }
  EXPECT_EQ(metrics.size(), expected.size() + 2);  // windows, windows_available
  EXPECT_GT(metrics.at("kl_mean"), 1e-3);
  EXPECT_LT(metrics.at("same_top"), 1);
}

TEST_F(DivergenceTest, BatchingAndWindowsDoNotChangeATokensValue) {
  const LanguageModel noisy = Noisy();
  Measure(noisy);
  const Values all = Array("kl");
  options_.batch_tokens = 1;
  options_.windows = 3;
  EXPECT_EQ(Measure(noisy).at("windows"), 3);
  ASSERT_EQ(Array("kl").size(), 45U);
  for (std::size_t i = 0; i < 45; ++i) EXPECT_NEAR(Array("kl")[i], all[i], 1e-6);
}

TEST_F(DivergenceTest, PerplexityIsThatOfProtocolLlamaCpp) {
  Perplexity::Options same;
  same.data = options_.data;
  same.seqlen = 32;
  same.protocol = ProtocolKind::kLlamaCpp;
  const auto perplexity = judge_->Measure(same);
  const EvalResult found = judge_->Measure(Divergence(options_));
  for (const auto& [name, other] :
       {std::pair{"perplexity", "perplexity"}, {"perplexity_stderr", "stderr"}}) {
    const double expected = perplexity.metrics.at(other);
    EXPECT_NEAR(found.metrics.at(name), expected, 1e-6 * expected);
  }
  EXPECT_EQ(found.metrics.at("tokens"), perplexity.metrics.at("tokens"));
  for (const char* told : {"data", "settings", "bos", "tokens_sha256", "tokenizer"}) {
    EXPECT_EQ(found.provenance.at(told), perplexity.provenance.at(told)) << told;
  }
}

TEST_F(DivergenceTest, NameIsByDefaultThatOfTheData) {
  EXPECT_EQ(Divergence(options_).Names(), std::vector<std::string>{"d"});
  options_.name = "";
  EXPECT_EQ(Divergence(options_).Names(),
            std::vector<std::string>{options_.data.path + "_divergence"});
}

TEST_F(DivergenceTest, CheckFindsWhatStopsEvaluate) {
  const auto error = [&] {
    return ErrorOf(
        [&] { Divergence(options_).Check(&judge_->files.description(), judge_->tokenizer.get()); });
  };
  EXPECT_EQ(error(), "");
  options_.seqlen = 65;
  EXPECT_EQ(error(), "eval d: seqlen 65 is longer than the model's context of 64");
  options_.seqlen = 64;
  const auto tokens = std::to_string(Encode("Once").size());
  options_.data.path = temp_.Write("short.txt", "Once");
  EXPECT_EQ(error(),
            options_.data.path + ": has " + tokens + " tokens, fewer than two windows of 64");
  options_.data.path = temp_ / "none.txt";
  const std::string missing = ErrorOf([&] { LoadDataset(options_.data); });
  EXPECT_NE(missing, "");
  EXPECT_EQ(ErrorOf([&] { Divergence(options_).Check(nullptr, nullptr); }), missing);
}

}  // namespace
}  // namespace roundlab
