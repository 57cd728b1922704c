#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/metrics/run_record.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/perplexity.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/shared_data.h"

namespace roundlab::testing {

/// A model with what an evaluator needs.
struct Judge {
  explicit Judge(const std::string& folder)
      : tokenizer(LoadTokenizer(folder)), files(folder), model(files, at::kFloat) {}
  EvalResult Measure(const Perplexity::Options& options) { return Measure(Perplexity(options)); }
  EvalResult Measure(const Evaluator& evaluator) { return Measure(evaluator, scorer); }
  EvalResult Measure(const Evaluator& evaluator, const Scorer& other) {
    record = RunRecord();
    return evaluator.Evaluate({&other, &original, tokenizer.get(), &record, &log}).front();
  }
  /// An array that the last Measure left.
  const std::vector<double>& Array(const std::string& name) const {
    return record.arrays().at("eval/" + name).values;
  }

  std::unique_ptr<Tokenizer> tokenizer;
  ModelFiles files;
  LanguageModel model;
  const MemoryScorer scorer{model};
  const StreamScorer original{files, model.ends(), {}};
  RunRecord record;
  Log log{"", true};
};

/// The name of a parameterized test: its parameter without what a name can't have.
inline std::string NameOf(std::string text) {
  for (char& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return text;
}

/// A judge with a small real model, and a text of short lines.
class SmallTextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ROUNDLAB_SHARED_OR_SKIP(folder, "models/stories260K");
    judge_ = std::make_unique<Judge>(folder);
    std::string text;
    for (int i = 0; i < 40; ++i) text += "Once there were " + std::to_string(i) + " cats.\n";
    data_.path = temp_.Write("t.txt", text);
    data_.format = DataFormat::kLines;
  }
  std::vector<std::int32_t> Encode(const std::string& text,
                                   SpecialTokens special = SpecialTokens::kDefault) const {
    return judge_->tokenizer->Encode(text, special);
  }
  /// Negative log-likelihoods of ids[1], ids[2], ... from the model's logits, one sequence alone.
  std::vector<double> Nll(const std::vector<std::int32_t>& ids) const {
    const at::Tensor tokens = at::tensor(at::ArrayRef<std::int32_t>(ids), at::kInt).to(at::kLong);
    const at::Tensor logits = judge_->model.Logits(tokens.unsqueeze(0))[0].to(at::kDouble);
    const at::Tensor log_p = at::log_softmax(logits, 1);
    std::vector<double> nll;
    for (std::size_t i = 1; i < ids.size(); ++i) {
      nll.push_back(-log_p[static_cast<std::int64_t>(i) - 1][ids[i]].item<double>());
    }
    return nll;
  }

  const TempFolder temp_;
  std::unique_ptr<Judge> judge_;
  DataSource data_;
};

}  // namespace roundlab::testing
