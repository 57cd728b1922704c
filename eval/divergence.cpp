#include "eval/divergence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/base/statistics.h"
#include "core/config/optional_field.h"
#include "core/text/data/calibration.h"
#include "eval/logit_divergence.h"
#include "eval/metric_name.h"
#include "eval/original_states.h"
#include "eval/score_windows.h"

namespace roundlab {
namespace {

using Values = std::vector<double>;
using DivergenceMetrics = std::map<std::string, double>;

/// f(a, b) of each pair.
template <class F>
Values Combine(const Values& a, const Values& b, const F& f) {
  Values values;
  for (std::size_t i = 0; i < a.size(); ++i) values.push_back(f(a[i], b[i]));
  return values;
}

/// Between the two nearest of the sorted values, at fraction * (n - 1).
double Percentile(const Values& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return (1 - part) * sorted[below] + part * sorted[above];
}

void AddKl(Values kl, DivergenceMetrics* metrics) {
  (*metrics)["kl_mean"] = Mean(kl);
  (*metrics)["kl_mean_stderr"] = StandardError(kl);
  const bool finite = std::isfinite(Mean(kl));
  if (finite) std::sort(kl.begin(), kl.end());  // NaN has no place in an order
  const std::pair<const char*, double> places[] = {
      {"kl_max", 1},      {"kl_p99.9", 0.999}, {"kl_p99", 0.99}, {"kl_p95", 0.95}, {"kl_p90", 0.9},
      {"kl_median", 0.5}, {"kl_p10", 0.1},     {"kl_p5", 0.05},  {"kl_p1", 0.01},  {"kl_min", 0}};
  for (const auto& [name, fraction] : places) {
    (*metrics)[name] = finite ? Percentile(kl, fraction) : kUndefined;
  }
}

void AddProbabilities(const LogitDivergence& found, DivergenceMetrics* metrics) {
  const double same = Mean(found.same_top);
  (*metrics)["same_top"] = same;
  (*metrics)["same_top_stderr"] =
      std::sqrt(same * (1 - same) / (static_cast<double>(found.same_top.size()) - 1));
  const Values delta = Combine(found.nll, found.nll_base, [](double nll, double base) {
    return std::exp(-nll) - std::exp(-base);
  });
  const Values squares = Combine(delta, delta, [](double a, double b) { return a * b; });
  const double rms = std::sqrt(Mean(squares));
  (*metrics)["delta_p_mean"] = Mean(delta);
  (*metrics)["delta_p_mean_stderr"] = StandardError(delta);
  (*metrics)["delta_p_rms"] = rms;
  // d sqrt(x) = dx / (2 sqrt(x)); where all are 0 there is no spread either.
  (*metrics)["delta_p_rms_stderr"] =
      rms > 0 ? StandardError(squares) / (2 * rms) : StandardError(squares);
}

void AddPerplexities(const LogitDivergence& found, DivergenceMetrics* metrics) {
  const double perplexity = std::exp(Mean(found.nll));
  const double base = std::exp(Mean(found.nll_base));
  const double error = StandardError(found.nll);
  const double base_error = StandardError(found.nll_base);
  const Values gaps = Combine(found.nll, found.nll_base, std::minus<>());
  const double gap_error = StandardError(gaps);
  const Values scaled = Combine(found.nll, found.nll_base, [&](double nll, double base_nll) {
    return perplexity * nll - base * base_nll;
  });
  DivergenceMetrics& m = *metrics;
  m["perplexity"] = perplexity;
  m["perplexity_stderr"] = perplexity * error;
  m["base_perplexity"] = base;
  m["base_perplexity_stderr"] = base * base_error;
  m["log_perplexity_ratio"] = Mean(gaps);
  m["log_perplexity_ratio_stderr"] = gap_error;
  m["log_perplexity_correlation"] =
      (error * error + base_error * base_error - gap_error * gap_error) / (2 * error * base_error);
  m["perplexity_ratio"] = std::exp(Mean(gaps));
  m["perplexity_ratio_stderr"] = std::exp(Mean(gaps)) * gap_error;
  m["perplexity_difference"] = perplexity - base;
  m["perplexity_difference_stderr"] = StandardError(scaled);
}

DivergenceMetrics MeasureDivergence(const LogitDivergence& found, const CutText& cut) {
  DivergenceMetrics metrics = {{"tokens", static_cast<double>(found.kl.size())},
                               {"windows", static_cast<double>(cut.windows.list.size())},
                               {"windows_available", static_cast<double>(cut.available)}};
  AddKl(found.kl, &metrics);
  AddProbabilities(found, &metrics);
  AddPerplexities(found, &metrics);
  return metrics;
}

/// Compares a model with its checkpoint, window by window.
class DivergenceOf : public Evaluation {
 public:
  DivergenceOf(const ProtocolOptions& text, std::int64_t batch_tokens, OnNan on_nan,
               const EvalContext& context)
      : text_(text),
        context_(context),
        cut_(Cut(text, context.model->description(), *context.tokenizer)),
        batches_(EqualLengthBatches(cut_.windows.list, batch_tokens)),
        originals_(context, BatchInputs(cut_.windows, batches_)),
        guard_(text.name, on_nan),
        progress_(*context.log, "divergence", "windows",
                  static_cast<std::int64_t>(cut_.windows.list.size())) {}

  std::vector<ScorerInput> Inputs() override { return BatchInputs(cut_.windows, batches_); }

  void Take(std::size_t i, const ScorerStates& states) override {
    Compare(batches_[i], originals_.Of(i), states);
    progress_.Advance(static_cast<std::int64_t>(batches_[i].size()));
  }

  std::vector<EvalResult> Finish() override {
    const auto tokens = static_cast<std::int64_t>(found_.kl.size());
    EvalResult result;
    result.name = text_.name;
    result.metrics = MeasureDivergence(found_, cut_);
    const std::string folder = "eval/" + result.name + "/";
    context_.sink->Array(folder + "kl", {tokens}, found_.kl);
    context_.sink->Array(folder + "same_top", {tokens}, found_.same_top);
    context_.sink->Array(folder + "nll", {tokens}, found_.nll);
    context_.sink->Array(folder + "base_nll", {tokens}, found_.nll_base);
    context_.sink->Array(folder + "tokens", {std::ssize(windows_)}, windows_);
    for (const char* told : {"data", "settings", "bos"}) {
      result.provenance[told] = cut_.told.at(told);
    }
    result.provenance["tokens_sha256"] = TokenFingerprint(cut_.windows.ids);
    result.provenance["tokenizer"] = context_.tokenizer->Kind();
    guard_.Finish(&result, context_.log);
    return {result};
  }

 private:
  void Compare(const WindowBatch& batch, const ScorerStates& original, const ScorerStates& states) {
    const at::Tensor tokens = BatchTokens(cut_.windows, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const auto& [begin, length, scored, document] = cut_.windows.list[batch[i]];
      const std::int64_t first = length - 1 - scored;
      windows_.push_back(static_cast<double>(scored));
      LogitDivergence own;
      AppendDivergence({original.hidden[row].narrow(0, first, scored), context_.original->head()},
                       {states.hidden[row].narrow(0, first, scored), context_.model->head()},
                       tokens[row].narrow(0, first + 1, scored), &own);
      const std::string place = "window " + std::to_string(batch[i]);
      const bool base_good = CheckWindow({place + " of the original", length, own.nll_base,
                                          original.hidden[row], original.not_finite},
                                         &guard_);
      const bool good =
          CheckWindow({place, length, own.nll, states.hidden[row], states.not_finite}, &guard_);
      const bool finite = base_good && good && CheckDivergence(place, length, own.kl);
      for (const auto& [all, part] : {std::pair{&found_.kl, &own.kl},
                                      {&found_.same_top, &own.same_top},
                                      {&found_.nll_base, &own.nll_base},
                                      {&found_.nll, &own.nll}}) {
        for (const double value : *part) all->push_back(finite ? value : kUndefined);
      }
    }
  }

  /// Of finite likelihoods: a token that only the original can say has an infinite divergence.
  bool CheckDivergence(const std::string& place, std::int64_t length,
                       const std::vector<double>& kl) {
    for (std::size_t i = 0; i < kl.size(); ++i) {
      if (std::isfinite(kl[i])) continue;
      const auto token = length - std::ssize(kl) + static_cast<std::int64_t>(i);
      guard_.Tell(place + ": divergence at token " + std::to_string(token), kl[i], "");
      return false;
    }
    return true;
  }

  const ProtocolOptions& text_;
  const EvalContext& context_;
  const CutText cut_;
  const std::vector<WindowBatch> batches_;
  OriginalStates originals_;
  FiniteGuard guard_;
  LateProgress progress_;
  LogitDivergence found_;
  Values windows_;  // tokens scored in each, in the order of found_
};

}  // namespace

void Divergence::Options::Fields(FieldVisitor& f) {
  DataField data_field(&data);
  f.Value("data", data_field, "the text", Presence::kRequired);
  f.String("name", &name, "name of the metrics; by default that of the data and '_divergence'");
  OptionalInt seqlen_field(&seqlen, AtLeast(3));
  f.Value("seqlen", seqlen_field, "tokens a window; the second half is compared; none: 512");
  f.Int("windows", &windows, AtLeast(0), "at most the first so many windows; 0 all");
  f.Int("documents", &documents, AtLeast(0), "at most the first so many documents; 0 all");
  f.Int("batch_tokens", &batch_tokens, AtLeast(1), "tokens a forward pass takes");
  OnNanField on_nan_field(&on_nan);
  f.Value("on_nan", on_nan_field, kOnNanHelp);
  f.Rule([this] {  // no rule, but what the others leave open
    if (name.empty()) name = NameOfFile(data, "_divergence");
    return std::string();
  });
}

Divergence::Divergence(const Options& options)
    : batch_tokens_(options.batch_tokens), on_nan_(options.on_nan) {
  text_.data = options.data;
  text_.name = options.name.empty() ? options.data.Label() + "_divergence" : options.name;
  text_.protocol = ProtocolKind::kLlamaCpp;
  text_.seqlen = options.seqlen;
  text_.windows = options.windows;
  text_.documents = options.documents;
}

void Divergence::Check(const ModelDescription* model, const Tokenizer* tokenizer) const {
  CheckCut(text_, model, tokenizer);
}

std::vector<std::string> Divergence::MetricNames() const {
  return FullNames({text_.name, MeasureDivergence({{1}, {1}, {1}, {1}}, {}), {}});
}

std::int64_t Divergence::Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const {
  return 2 * TokensOf(Cut(text_, model, tokenizer).windows);  // the original's too
}

std::unique_ptr<Evaluation> Divergence::Begin(const EvalContext& context) const {
  return std::make_unique<DivergenceOf>(text_, batch_tokens_, on_nan_, context);
}

}  // namespace roundlab
