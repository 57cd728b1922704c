#include "eval/divergence.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
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
  Comparison(const EvalContext& context, const TokenWindows& windows)
      : context_(context),
        model_(*context.model),
        windows_(windows),
        // Weights are cast as they are loaded, and hidden states have the weights' dtype.
        dtype_(model_.blocks().front()->Slot(0).weight.scalar_type()),
        progress_(*context.log, "divergence", "windows",
                  static_cast<std::int64_t>(windows.list.size())) {}

  LogitDivergence Run(std::int64_t batch_tokens) {
    const auto batches = EqualLengthBatches(windows_.list, batch_tokens);
    const auto batch = static_cast<std::int64_t>(batches.front().size());
    const std::int64_t bytes = batch * windows_.list.front().length * model_.description().hidden *
                               static_cast<std::int64_t>(c10::elementSize(dtype_));
    const auto group = static_cast<std::size_t>(std::max<std::int64_t>(1, kKeptBytes / bytes));
    for (std::size_t first = 0; first < batches.size(); first += group) {
      const std::size_t end = std::min(first + group, batches.size());
      CompareGroup({batches.begin() + static_cast<std::ptrdiff_t>(first),
                    batches.begin() + static_cast<std::ptrdiff_t>(end)});
    }
    return std::move(found_);
  }

 private:
  void CompareGroup(const std::vector<WindowBatch>& batches) {
    std::vector<at::Tensor> tokens;
    for (const WindowBatch& batch : batches) tokens.push_back(BatchTokens(windows_, batch));
    const std::vector<at::Tensor> originals = CachedOriginals(tokens);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      CheckInterrupt();
      Compare(batches[i], tokens[i], originals[i]);
      progress_.Advance(static_cast<std::int64_t>(batches[i].size()));
    }
  }

  static at::Tensor Inputs(const at::Tensor& tokens) {
    return tokens.narrow(1, 0, tokens.size(1) - 1);
  }

  /// OriginalHidden, from the cache where another run has left it there.
  std::vector<at::Tensor> CachedOriginals(const std::vector<at::Tensor>& tokens) {
    if (context_.cache == nullptr) return OriginalHidden(tokens);
    const std::string key = OriginalsKey(tokens);
    const auto kept = context_.cache->Find(key);
    std::vector<at::Tensor> hidden = kept ? Unpack(*kept, tokens) : OriginalHidden(tokens);
    if (!kept) context_.cache->Keep(key, Pack(hidden));
    return hidden;
  }

  /// What the states depend on, in their last bit too.
  std::string OriginalsKey(const std::vector<at::Tensor>& tokens) {
    if (model_sha256_.empty()) model_sha256_ = context_.source->Fingerprint();
    std::string key = "hidden states 1\n" + model_sha256_ + "\n" + c10::toString(dtype_) + "\n" +
                      std::to_string(at::get_num_threads()) + "\n";
    for (const at::Tensor& batch : tokens) {
      key += std::to_string(batch.size(0)) + " " + Sha256Hex(Pack({batch})) + "\n";
    }
    return key;
  }

  static std::string Pack(const std::vector<at::Tensor>& tensors) {
    std::string bytes;
    for (const at::Tensor& tensor : tensors) {
      const at::Tensor whole = tensor.contiguous();
      bytes.append(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes());
    }
    return bytes;
  }

  std::vector<at::Tensor> Unpack(const std::string& bytes,
                                 const std::vector<at::Tensor>& tokens) const {
    std::vector<at::Tensor> tensors;
    std::size_t at = 0;
    for (const at::Tensor& batch : tokens) {
      tensors.push_back(
          at::empty({batch.size(0), batch.size(1) - 1, model_.description().hidden}, dtype_));
      const std::size_t size = tensors.back().nbytes();
      ROUNDLAB_CHECK(at + size <= bytes.size(), "the key tells the size");
      std::memcpy(tensors.back().mutable_data_ptr(), bytes.data() + at, size);
      at += size;
    }
    return tensors;
  }

  /// Hidden states before the final norm, as the checkpoint's blocks make them.
  std::vector<at::Tensor> OriginalHidden(const std::vector<at::Tensor>& tokens) const {
    std::vector<at::Tensor> hidden;
    for (const at::Tensor& batch : tokens) {
      hidden.push_back(model_.ends().Embed(Inputs(batch)).to(dtype_));
    }
    const RopeTable rope = model_.ends().Rope(hidden.front().size(1));
    for (std::int64_t i = 0; i < model_.description().layers; ++i) {
      CheckInterrupt();
      const auto block = context_.source->LoadBlock(i);
      for (LinearSlot* slot : block->Linears()) slot->weight = slot->weight.to(dtype_);
      for (at::Tensor& batch : hidden) batch = block->Forward(batch, rope);
    }
    return hidden;
  }

  void Compare(const WindowBatch& batch, const at::Tensor& tokens, const at::Tensor& original) {
    const at::Tensor base = model_.ends().Final(original);
    const at::Tensor hidden = model_.Hidden(Inputs(tokens));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      const std::int64_t scored = windows_.list[batch[i]].scored;
      const std::int64_t first = hidden.size(1) - scored;
      AppendDivergence(base[row].narrow(0, first, scored), hidden[row].narrow(0, first, scored),
                       model_.ends().head(), tokens[row].narrow(0, first + 1, scored), &found_);
    }
  }

  const at::NoGradGuard no_grad_;
  const EvalContext& context_;
  const LanguageModel& model_;
  const TokenWindows& windows_;
  const at::ScalarType dtype_;
  Progress progress_;
  std::string model_sha256_;
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
  std::sort(kl.begin(), kl.end());
  const std::pair<const char*, double> places[] = {
      {"kl_max", 1},      {"kl_p99.9", 0.999}, {"kl_p99", 0.99}, {"kl_p95", 0.95}, {"kl_p90", 0.9},
      {"kl_median", 0.5}, {"kl_p10", 0.1},     {"kl_p5", 0.05},  {"kl_p1", 0.01},  {"kl_min", 0}};
  for (const auto& [name, fraction] : places) (*metrics)[name] = Percentile(kl, fraction);
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
}

Divergence::Divergence(const Options& options) : batch_tokens_(options.batch_tokens) {
  text_.data = options.data;
  text_.name = options.name.empty() ? options.data.Label() + "_divergence" : options.name;
  text_.protocol = "llama_cpp";
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
  const LogitDivergence found = Comparison(context, cut.windows).Run(batch_tokens_);
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
  return {result};
}

}  // namespace roundlab
