#include "eval/perplexity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/statistics.h"
#include "core/text/calibration.h"

namespace roundlab {
namespace {

struct Windows {
  std::vector<double> nll;  ///< sum over a window's scored tokens, nats
  std::int64_t available = 0;
};

Windows ScoreWindows(const Perplexity::Options& o, const std::vector<std::int32_t>& ids,
                     const EvalContext& context) {
  Windows windows;
  windows.available = static_cast<std::int64_t>(ids.size()) / o.seqlen;
  const std::int64_t count =
      o.windows == 0 ? windows.available : std::min(o.windows, windows.available);
  const at::Tensor all = at::tensor(at::ArrayRef<std::int32_t>(ids), at::kInt).to(at::kLong);
  const std::int64_t batch = std::max<std::int64_t>(1, o.batch_tokens / o.seqlen);
  Progress progress(*context.log, "perplexity", "windows", count);
  for (std::int64_t first = 0; first < count; first += batch) {
    CheckInterrupt();
    const std::int64_t rows = std::min(batch, count - first);
    const at::Tensor tokens =
        all.narrow(0, first * o.seqlen, rows * o.seqlen).view({rows, o.seqlen});
    const at::Tensor sums = context.model->Nll(tokens).to(at::kDouble).sum(1);
    for (std::int64_t i = 0; i < rows; ++i) windows.nll.push_back(sums[i].item<double>());
    progress.Advance(rows);
  }
  return windows;
}

}  // namespace

void Perplexity::Options::Fields(FieldVisitor& f) {
  DataField data_field(&data);
  f.Value("data", data_field, "the text", Presence::kRequired);
  f.String("name", &name, "name of the metrics; by default that of the data");
  f.Choice("protocol", &protocol, {"gptq"}, "how the text is cut and averaged");
  f.Int("seqlen", &seqlen, AtLeast(2), "tokens a window");
  f.Int("windows", &windows, AtLeast(0), "at most the first so many windows; 0 all");
  f.Int("documents", &documents, AtLeast(0), "at most the first so many documents; 0 all");
  f.String("join", &join,
           "text between documents; 'default' as the data set says; 'tokens' encodes each document "
           "by itself, with its own BOS, and concatenates the ids");
  f.Int("batch_tokens", &batch_tokens, AtLeast(1), "tokens a forward pass takes");
}

Perplexity::Perplexity(const Options& options) : options_(options) {}

std::string Perplexity::Name() const {
  return options_.name.empty() ? options_.data.Label() : options_.name;
}

Dataset Perplexity::Text() const {
  const Options& o = options_;
  Dataset data = LoadDataset(o.data, o.documents);
  if (o.join == "tokens") data.join_tokens = true;
  if (o.join != "tokens" && o.join != "default") {
    data.join_tokens = false;
    data.join = o.join;
  }
  return data;
}

std::vector<std::int32_t> Perplexity::Tokens(const ModelDescription& model,
                                             const Tokenizer& tokenizer) const {
  const Options& o = options_;
  if (o.seqlen > model.max_positions) {
    throw Error("eval " + Name() + ": seqlen " + std::to_string(o.seqlen) +
                " is longer than the model's context of " + std::to_string(model.max_positions));
  }
  const Dataset data = Text();
  std::vector<std::int32_t> ids = TokenStream(data, tokenizer);
  if (static_cast<std::int64_t>(ids.size()) < o.seqlen) {
    throw Error(data.file + ": has " + std::to_string(ids.size()) +
                " tokens, fewer than one window of " + std::to_string(o.seqlen));
  }
  return ids;
}

void Perplexity::Check(const ModelDescription* model, const Tokenizer* tokenizer) const {
  if (model == nullptr || tokenizer == nullptr) {
    Text();
  } else {
    Tokens(*model, *tokenizer);
  }
}

std::vector<EvalResult> Perplexity::Evaluate(const EvalContext& context) const {
  const Options& o = options_;
  const std::vector<std::int32_t> ids = Tokens(context.model->description(), *context.tokenizer);
  const Windows windows = ScoreWindows(o, ids, context);
  const auto count = static_cast<std::int64_t>(windows.nll.size());
  const auto scored = static_cast<double>(o.seqlen - 1);
  std::vector<double> means;
  double sum = 0;
  for (const double nll : windows.nll) {
    sum += nll;
    means.push_back(nll / scored);
  }
  const double perplexity = std::exp(Mean(means));
  context.sink->Array("eval/" + Name() + "/nll", {count}, windows.nll);
  context.sink->Array("eval/" + Name() + "/tokens", {count},
                      std::vector<double>(windows.nll.size(), scored));
  EvalResult result;
  result.name = Name();
  result.metrics = {{"perplexity", perplexity},
                    {"stderr", perplexity * StandardError(means)},
                    {"nll_sum", sum},
                    {"tokens", scored * static_cast<double>(count)},
                    {"windows", static_cast<double>(count)},
                    {"windows_available", static_cast<double>(windows.available)}};
  result.provenance = {{"tokens_sha256", TokenFingerprint(ids)},
                       {"tokenizer", context.tokenizer->Kind()}};
  return {result};
}

}  // namespace roundlab
