#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "eval/finite_guard.h"
#include "eval/protocol.h"

namespace roundlab {

/// How far a model has moved from the checkpoint that it was made of, over the tokens that protocol
/// llama_cpp scores; what llama.cpp's `perplexity --kl-divergence` reports (ggml-org/llama.cpp
/// tools/perplexity at 050fc7f3). Two differences: the original's probabilities are recomputed in
/// full (there they are kept in 16 bits, and those below e^-16 are left out), and the model's own
/// compute dtype serves for both. p: the original's probabilities, q: the model's.
///
/// Metrics; X_stderr is the standard error over tokens, taken for independent:
/// * kl_mean, kl_mean_stderr, kl_median, kl_max, kl_p99.9, kl_p99, kl_p95, kl_p90, kl_p10, kl_p5,
///   kl_p1, kl_min: of sum(p log(p / q)) a token, nats; percentiles are interpolated linearly.
/// * same_top, same_top_stderr = sqrt(s (1 - s) / (n - 1)): share of tokens at which both find the
///   same next token likeliest.
/// * delta_p_mean, delta_p_rms with errors: of q - p of the true token.
/// * perplexity, base_perplexity, perplexity_difference, perplexity_ratio and its logarithm
///   log_perplexity_ratio with errors; those of the last three take in that both models find the
///   same tokens hard: they are those of differences token by token.
///   log_perplexity_correlation is that between the two models' nll.
/// * tokens, windows, windows_available.
/// Arrays, a token: kl, same_top (1 or 0), nll, base_nll; a window: tokens, how many it scores.
///
/// A window of which a number is not finite is NaN in whole.
///
/// Nothing of [tokens, vocab] is kept. The original goes first; see OriginalStates.
class Divergence : public Evaluator {
 public:
  struct Options {
    DataSource data;
    std::string name;
    std::optional<std::int64_t> seqlen;
    std::int64_t windows = 0;
    std::int64_t documents = 0;
    std::int64_t batch_tokens = 2048;
    OnNan on_nan = OnNan::kStop;
    void Fields(FieldVisitor& f);
  };
  explicit Divergence(const Options& options);
  std::vector<std::string> Names() const override { return {text_.name}; }
  std::vector<std::string> MetricNames() const override;
  std::vector<std::string> Files() const override { return text_.data.Files(); }
  void Check(const ModelDescription* model, const Tokenizer* tokenizer) const override;
  std::int64_t Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const override;
  bool Compares() const override { return true; }
  std::unique_ptr<Evaluation> Begin(const EvalContext& context) const override;

 private:
  ProtocolOptions text_;
  std::int64_t batch_tokens_;
  OnNan on_nan_;
};

}  // namespace roundlab
