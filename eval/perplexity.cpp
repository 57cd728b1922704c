#include "eval/perplexity.h"

#include <cmath>
#include <numeric>

#include "core/base/statistics.h"
#include "core/metrics/run_record.h"
#include "core/text/data/calibration.h"
#include "eval/score_windows.h"

namespace roundlab {
namespace {

using Metrics = std::map<std::string, double>;

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// exp(sum(nll) / sum(weights)) and its standard error.
void AddPerplexity(const std::string& name, const std::vector<double>& nll,
                   const std::vector<double>& weights, Metrics* metrics) {
  const double perplexity = std::exp(Sum(nll) / Sum(weights));
  (*metrics)[name] = perplexity;
  (*metrics)[name == "perplexity" ? "stderr" : name + "_stderr"] =
      perplexity * RatioStandardError(nll, weights);
}

double HfDocPerplexity(const std::vector<TokenWindow>& windows, const WindowScores& scores) {
  double nll = 0;
  double tokens = 0;
  std::int64_t reached = 0;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const std::int64_t end = windows[i].begin + windows[i].length;
    const auto weight = static_cast<double>(end - reached - 1);
    nll += weight * scores.nll[i] / scores.tokens[i];
    tokens += weight;
    reached = end;
  }
  return std::exp(nll / tokens);
}

/// perplexity * sqrt((mean of squares - mean^2) / (n - 1)).
double StandardErrorOverTokens(const WindowScores& scores) {
  const double tokens = Sum(scores.tokens);
  const double mean = Sum(scores.nll) / tokens;
  const double variance = Sum(scores.squares) / tokens - mean * mean;
  return std::exp(mean) * std::sqrt(variance / (tokens - 1));
}

/// Sums of `values` a document.
std::vector<double> ByDocument(const CutText& cut, const std::vector<double>& values) {
  std::vector<double> sums(cut.words.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums[static_cast<std::size_t>(cut.windows.list[i].document)] += values[i];
  }
  return sums;
}

/// Hands arrays of one evaluator on.
class Arrays {
 public:
  Arrays(MetricSink* sink, const std::string& name) : sink_(sink), folder_("eval/" + name + "/") {}
  void Add(const std::string& name, const std::vector<double>& values) const {
    sink_->Array(folder_ + name, {static_cast<std::int64_t>(values.size())}, values);
  }

 private:
  MetricSink* sink_;
  std::string folder_;
};

void AddDocuments(const CutText& cut, const WindowScores& scores, const Arrays& arrays,
                  Metrics* metrics) {
  const std::vector<double> nll = ByDocument(cut, scores.nll);
  const std::vector<double> tokens = ByDocument(cut, scores.tokens);
  AddPerplexity("perplexity", nll, tokens, metrics);
  AddPerplexity("word_perplexity", nll, cut.words, metrics);
  AddPerplexity("byte_perplexity", nll, cut.bytes, metrics);
  const double bytes = Sum(cut.bytes);
  (*metrics)["bits_per_byte"] = Sum(nll) / bytes / std::log(2.0);
  (*metrics)["bits_per_byte_stderr"] = RatioStandardError(nll, cut.bytes) / std::log(2.0);
  (*metrics)["words"] = Sum(cut.words);
  (*metrics)["bytes"] = bytes;
  (*metrics)["documents"] = static_cast<double>(nll.size());
  std::vector<double> places;
  for (const TokenWindow& window : cut.windows.list) {
    places.push_back(static_cast<double>(window.document));
  }
  arrays.Add("document", places);
  arrays.Add("document_nll", nll);
  arrays.Add("document_tokens", tokens);
  arrays.Add("document_words", cut.words);
  arrays.Add("document_bytes", cut.bytes);
}

Metrics Measure(const ProtocolOptions& options, const CutText& cut, const WindowScores& scores,
                const Arrays& arrays) {
  const ContextSeen seen = ContextOf(cut.windows.list);
  Metrics metrics = {{"nll_sum", Sum(scores.nll)},
                     {"tokens", Sum(scores.tokens)},
                     {"windows", static_cast<double>(cut.windows.list.size())},
                     {"context_least", static_cast<double>(seen.least)},
                     {"context_mean", seen.mean}};
  arrays.Add("nll", scores.nll);
  arrays.Add("tokens", scores.tokens);
  if (options.protocol == ProtocolKind::kLmEvalRolling) {
    AddDocuments(cut, scores, arrays, &metrics);
  } else {
    AddPerplexity("perplexity", scores.nll, scores.tokens, &metrics);
    metrics["windows_available"] = static_cast<double>(cut.available);
  }
  if (options.protocol == ProtocolKind::kLlamaCpp)
    metrics["stderr"] = StandardErrorOverTokens(scores);
  if (options.protocol == ProtocolKind::kSliding) {
    metrics["perplexity_hf_doc"] = HfDocPerplexity(cut.windows.list, scores);
  }
  return metrics;
}

class PerplexityOf : public Evaluation {
 public:
  PerplexityOf(const Perplexity::Options& options, const EvalContext& context)
      : options_(options),
        context_(context),
        cut_(Cut(options, context.model->description(), *context.tokenizer)),
        guard_(options.Name(), options.on_nan),
        scoring_(*context.model, cut_.windows, options.batch_tokens, &guard_, context.log) {}

  std::vector<ScorerInput> Inputs() override { return scoring_.Inputs(); }
  void Take(std::size_t i, const ScorerStates& states) override { scoring_.Take(i, states); }

  std::vector<EvalResult> Finish() override {
    EvalResult result;
    result.name = options_.Name();
    result.metrics = Measure(options_, cut_, scoring_.scores(), Arrays(context_.sink, result.name));
    result.provenance = cut_.told;
    result.provenance["tokens_sha256"] = TokenFingerprint(cut_.windows.ids);
    result.provenance["tokenizer"] = context_.tokenizer->Kind();
    guard_.Finish(&result, context_.log);
    return {result};
  }

 private:
  const Perplexity::Options& options_;
  const EvalContext& context_;
  const CutText cut_;
  FiniteGuard guard_;
  WindowScoring scoring_;
};

}  // namespace

void Perplexity::Options::Fields(FieldVisitor& f) {
  ProtocolOptions::Fields(f);
  f.Int("batch_tokens", &batch_tokens, AtLeast(1), "tokens a forward pass takes");
  OnNanField on_nan_field(&on_nan);
  f.Value("on_nan", on_nan_field, kOnNanHelp);
}

Perplexity::Perplexity(const Options& options) : options_(options) {}

void Perplexity::Check(const ModelDescription* model, const Tokenizer* tokenizer) const {
  CheckCut(options_, model, tokenizer);
}

std::vector<std::string> Perplexity::MetricNames() const {
  CutText cut;  // of one window
  cut.windows.list.emplace_back();
  cut.words = cut.bytes = {1};
  RunRecord none;
  return FullNames({options_.Name(),
                    Measure(options_, cut, {{1}, {1}, {1}}, Arrays(&none, options_.Name())),
                    {}});
}

std::int64_t Perplexity::Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const {
  return TokensOf(Cut(options_, model, tokenizer).windows);
}

std::unique_ptr<Evaluation> Perplexity::Begin(const EvalContext& context) const {
  return std::make_unique<PerplexityOf>(options_, context);
}

}  // namespace roundlab
