#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/base/log.h"
#include "core/model/model.h"
#include "core/model/packed_tokens.h"

namespace roundlab {

/// Tokens that go through a model at once: sequences of one length, int64 [batch, seq], or packed
/// ones.
using ScorerInput = std::variant<at::Tensor, PackedTokens>;

/// What a model makes of one input.
struct ScorerStates {
  /// Inputs of the head: [batch, seq, width] or [rows, width] float32, on the model's device.
  at::Tensor hidden;
  /// The first place whose output holds a number that is not finite: "the embedding", "block 3",
  /// "the final norm"; empty: there is none.
  std::string not_finite;
};

/// Whether no number is NaN or infinite.
bool AllFinite(const at::Tensor& x);

/// Runs token sequences through a model: all that an evaluator needs of one. Where its weights lie
/// and in which order the work is done can't be seen, and changes no bit.
class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual const ModelDescription& description() const = 0;
  virtual const LogitHead& head() const = 0;
  using Use = std::function<void(std::size_t, const ScorerStates&)>;
  /// `use` gets the place and the states of each input, in order. Throws Interrupted between steps.
  virtual void Run(const std::vector<ScorerInput>& inputs, const Use& use) const = 0;
};

/// Of a model in memory, which must outlive it: one input after the other.
class MemoryScorer : public Scorer {
 public:
  explicit MemoryScorer(const LanguageModel& model);
  const ModelDescription& description() const override { return model_.description(); }
  const LogitHead& head() const override { return model_.ends().head(); }
  void Run(const std::vector<ScorerInput>& inputs, const Use& use) const override;

 private:
  const LanguageModel& model_;
};

/// Of a model whose blocks are read one by one: as many inputs as `bytes` allow (one at least) go
/// through the first block, then through the second, and so on, before the next ones follow. In
/// memory are both ends, one block, the next one, which is read meanwhile, and the inputs' hidden
/// states.
class StreamScorer : public Scorer {
 public:
  struct Options {
    std::int64_t bytes = std::int64_t{128} << 20;  ///< of hidden states between blocks
    at::ScalarType dtype = at::kFloat;             ///< of products and hidden states
    LanguageModel::BlockHook hook;                 ///< as LanguageModel's
    const Log* log = nullptr;                      ///< for a progress line a pass over the blocks
  };
  /// Of the source's blocks between these ends; both must outlive it. Works where the ends are.
  StreamScorer(const ModelSource& source, const ModelEnds& ends, const Options& options);
  const ModelDescription& description() const override { return source_.description(); }
  const LogitHead& head() const override { return ends_.head(); }
  void Run(const std::vector<ScorerInput>& inputs, const Use& use) const override;

 private:
  void RunGroup(const std::vector<ScorerInput>& inputs, std::size_t first, std::size_t end,
                const Use& use) const;

  const ModelSource& source_;
  const Options options_;
  const ModelEnds& ends_;
};

}  // namespace roundlab
