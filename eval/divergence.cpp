#include "eval/divergence.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/statistics.h"
#include "core/config/optional_field.h"
#include "core/text/data/calibration.h"
#include "eval/logit_divergence.h"
#include "eval/score_windows.h"

namespace roundlab {
namespace {

constexpr std::int64_t kKeptBytes = std::int64_t{128} << 20;

/// Compares a model with its checkpoint, some batches of windows at a time.
class Comparison {
 public:
  Comparison(const EvalContext& context, const TokenWindows& windows, FiniteGuard* guard)
      : context_(context),
        windows_(windows),
        guard_(guard),
        progress_(*context.log, "divergence", "windows",
                  static_cast<std::int64_t>(windows.list.size())) {}

  LogitDivergence Run(std::int64_t batch_tokens) {
    const auto batches = EqualLengthBatches(windows_.list, batch_tokens);
    const auto batch = static_cast<std::int64_t>(batches.front().size());
    const std::int64_t bytes =
        batch * windows_.list.front().length * Width() * static_cast<std::int64_t>(sizeof(float));
    const auto group = static_cast<std::size_t>(std::max<std::int64_t>(1, kKeptBytes / bytes));
    for (std::size_t first = 0; first < batches.size(); first += group) {
      const std::size_t end = std::min(first + group, batches.size());
      CompareGroup({batches.begin() + static_cast<std::ptrdiff_t>(first),
                    batches.begin() + static_cast<std::ptrdiff_t>(end)});
    }
    return std::move(found_);
  }

 private:
  std::int64_t Width() const { return context_.model->head().weight.size(1); }

  void CompareGroup(const std::vector<WindowBatch>& batches) {
    const std::vector<ScorerInput> inputs = BatchInputs(windows_, batches);
    const std::vector<ScorerStates> originals = CachedOriginals(inputs);
    context_.model->Run(inputs, [&](std::size_t i, const ScorerStates& states) {
      Compare(batches[i], originals[i], states);
      progress_.Advance(static_cast<std::int64_t>(batches[i].size()));
    });
  }

  /// What the checkpoint makes of the inputs, from the cache where another run has left it there.
  std::vector<ScorerStates> CachedOriginals(const std::vector<ScorerInput>& inputs) {
    const std::string key = context_.cache == nullptr ? "" : OriginalsKey(inputs);
    const auto kept = context_.cache == nullptr ? std::nullopt : context_.cache->Find(key);
    if (kept) return Unpack(*kept, inputs);
    std::vector<ScorerStates> originals(inputs.size());
    context_.original->Run(inputs, [&](std::size_t i, const ScorerStates& states) {
      originals[i] = {states.hidden.cpu(), states.not_finite};
    });
    const bool finite = std::all_of(originals.begin(), originals.end(),
                                    [](const auto& states) { return states.not_finite.empty(); });
    if (context_.cache != nullptr && finite) context_.cache->Keep(key, Pack(originals));
    return originals;
  }

  std::string OriginalsKey(const std::vector<ScorerInput>& inputs) const {
    std::string key = "states 2\n" + context_.original_key + "\n";
    for (const ScorerInput& input : inputs) {
      const at::Tensor tokens = std::get<at::Tensor>(input).contiguous();
      key += std::to_string(tokens.size(0)) + " " + Sha256Hex(BytesOf(tokens)) + "\n";
    }
    return key;
  }

  static std::string_view BytesOf(const at::Tensor& whole) {
    return {static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()};
  }

  static std::string Pack(const std::vector<ScorerStates>& originals) {
    std::string bytes;
    for (const ScorerStates& states : originals) bytes += BytesOf(states.hidden.contiguous());
    return bytes;
  }

  std::vector<ScorerStates> Unpack(const std::string& bytes,
                                   const std::vector<ScorerInput>& inputs) const {
    std::vector<ScorerStates> originals;
    std::size_t at = 0;
    for (const ScorerInput& input : inputs) {
      const auto& tokens = std::get<at::Tensor>(input);
      at::Tensor hidden = at::empty({tokens.size(0), tokens.size(1), Width()}, at::kFloat);
      ROUNDLAB_CHECK(at + hidden.nbytes() <= bytes.size(), "the key tells the size");
      std::memcpy(hidden.mutable_data_ptr(), bytes.data() + at, hidden.nbytes());
      at += hidden.nbytes();
      originals.push_back({std::move(hidden), ""});
    }
    return originals;
  }

  void Compare(const WindowBatch& batch, const ScorerStates& original, const ScorerStates& states) {
    const at::Tensor tokens = BatchTokens(windows_, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const auto& [begin, length, scored, document] = windows_.list[batch[i]];
      const std::int64_t first = length - 1 - scored;
      LogitDivergence own;
      AppendDivergence({original.hidden[row].narrow(0, first, scored), context_.original->head()},
                       {states.hidden[row].narrow(0, first, scored), context_.model->head()},
                       tokens[row].narrow(0, first + 1, scored), &own);
      const std::string place = "window " + std::to_string(batch[i]);
      const bool base_good = CheckWindow({place + " of the original", length, own.nll_base,
                                          original.hidden[row], original.not_finite},
                                         guard_);
      const bool good =
          CheckWindow({place, length, own.nll, states.hidden[row], states.not_finite}, guard_);
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
      guard_->Tell(place + ": divergence at token " + std::to_string(token), kl[i], "");
      return false;
    }
    return true;
  }

  const EvalContext& context_;
  const TokenWindows& windows_;
  FiniteGuard* const guard_;
  Progress progress_;
  LogitDivergence found_;
};

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

std::vector<EvalResult> Divergence::Evaluate(const EvalContext& context) const {
  const CutText cut = Cut(text_, context.model->description(), *context.tokenizer);
  FiniteGuard guard(text_.name, on_nan_);
  const LogitDivergence found = Comparison(context, cut.windows, &guard).Run(batch_tokens_);
  const auto tokens = static_cast<std::int64_t>(found.kl.size());
  EvalResult result;
  result.name = text_.name;
  result.metrics = MeasureDivergence(found, cut);
  const std::string folder = "eval/" + result.name + "/";
  context.sink->Array(folder + "kl", {tokens}, found.kl);
  context.sink->Array(folder + "same_top", {tokens}, found.same_top);
  context.sink->Array(folder + "nll", {tokens}, found.nll);
  context.sink->Array(folder + "base_nll", {tokens}, found.nll_base);
  for (const char* told : {"data", "settings", "bos"}) {
    result.provenance[told] = cut.told.at(told);
  }
  result.provenance["tokens_sha256"] = TokenFingerprint(cut.windows.ids);
  result.provenance["tokenizer"] = context.tokenizer->Kind();
  guard.Finish(&result, context.log);
  return {result};
}

}  // namespace roundlab
