#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "eval/finite_guard.h"
#include "eval/protocol.h"

namespace roundlab {

/// Perplexity of a text by a named protocol (eval/protocol.h).
///
/// Metrics of all: perplexity = exp(nll_sum / tokens), a token; stderr, its standard error; nll_sum
/// (nats); tokens (scored); windows; context_least and context_mean, tokens before a scored one in
/// its window (BOS and prefix count). Of sums that have spread among windows of n tokens each,
/// stderr = perplexity * RatioStandardError. Beside them:
/// * all but lmeval_rolling: windows_available.
/// * sliding: perplexity_hf_doc, what the script on the transformers page prints: it weights a
///   window's mean by one less than the tokens that the window adds.
/// * llama_cpp: stderr as llama.cpp gives it, from the spread among tokens, taken for independent:
///   perplexity * sqrt((mean of nll^2 - mean^2) / (tokens - 1)).
/// * lmeval_rolling: word_perplexity = exp(nll_sum / words), byte_perplexity, bits_per_byte =
///   nll_sum / bytes / log(2), words and bytes of the documents before they were detokenized,
///   documents; standard errors <metric>_stderr to first order from the spread among documents
///   (lm-evaluation-harness draws bootstrap samples of them).
/// Arrays: nll and tokens a window; lmeval_rolling: document (its index) a window, and
/// document_nll, document_tokens, document_words, document_bytes a document.
/// Provenance: data, protocol, settings, bos, rule, tokens_sha256, tokenizer; not_finite, see
/// FiniteGuard. A metric that too few windows leave undefined, such as the error of one, is not
/// there.
class Perplexity : public Evaluator {
 public:
  struct Options : ProtocolOptions {
    std::int64_t batch_tokens = 2048;
    OnNan on_nan = OnNan::kStop;
    void Fields(FieldVisitor& f);
  };
  explicit Perplexity(const Options& options);
  std::vector<std::string> Names() const override { return {options_.Name()}; }
  std::vector<std::string> MetricNames() const override;
  std::vector<std::string> Files() const override { return options_.data.Files(); }
  void Check(const ModelDescription* model, const Tokenizer* tokenizer) const override;
  std::int64_t Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const override;
  std::unique_ptr<Evaluation> Begin(const EvalContext& context) const override;

 private:
  Options options_;
};

}  // namespace roundlab
