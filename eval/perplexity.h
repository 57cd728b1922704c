#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/text/dataset.h"
#include "eval/evaluator.h"

namespace roundlab {

/// Perplexity of a text. Protocol `gptq` (IST-DASLab/gptq, arXiv 2210.17323; auto-round's
/// eval/utils.py): all documents joined, encoded by one call with the special tokens that the
/// tokenizer adds, cut into windows of `seqlen` tokens that do not overlap, the rest dropped; a
/// window scores its last seqlen - 1 tokens;  perplexity = exp(mean over windows of the mean nll).
/// Metrics: perplexity, nll_sum (nats), tokens (scored), windows, windows_available, stderr (of the
/// perplexity, from the windows' spread: perplexity * s / sqrt(n)). Arrays: nll, tokens a window.
class Perplexity : public Evaluator {
 public:
  struct Options {
    DataSource data;
    std::string name;
    std::string protocol = "gptq";
    std::int64_t seqlen = 2048;
    std::int64_t windows = 0;
    std::int64_t documents = 0;
    std::string join = "default";
    std::int64_t batch_tokens = 2048;
    void Fields(FieldVisitor& f);
  };
  explicit Perplexity(const Options& options);
  std::vector<std::string> Names() const override { return {Name()}; }
  void Check(const ModelDescription* model, const Tokenizer* tokenizer) const override;
  std::vector<EvalResult> Evaluate(const EvalContext& context) const override;

 private:
  std::string Name() const;
  Dataset Text() const;
  std::vector<std::int32_t> Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const;

  Options options_;
};

}  // namespace roundlab
