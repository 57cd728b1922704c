#include "eval/scorer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <optional>

#include "core/base/interrupt.h"
#include "core/model/forward_pass.h"
#include "core/model/unit_loader.h"

namespace roundlab {
namespace {

/// A pass that is watched for the first place where its hidden states are not finite.
class WatchedPass {
 public:
  WatchedPass(const ModelEnds& ends, const ScorerInput& input, at::ScalarType dtype)
      : pass_(std::visit([&](const auto& tokens) { return ForwardPass(ends, tokens, dtype); },
                         input)) {
    Look(pass_.hidden(), "the embedding");
  }

  void Through(const DecoderBlock& block) {
    pass_.Through(block);
    Look(pass_.hidden(), "block " + std::to_string(block.index));
  }

  ScorerStates Finish() {
    at::Tensor last = pass_.Finish();
    Look(last, "the final norm");
    return {std::move(last), std::move(not_finite_)};
  }

 private:
  void Look(const at::Tensor& states, const std::string& place) {
    if (not_finite_.empty() && !AllFinite(states)) not_finite_ = place;
  }

  ForwardPass pass_;
  std::string not_finite_;
};

/// Of the hidden states of an input.
std::int64_t StateBytes(const ScorerInput& input, std::int64_t width, at::ScalarType dtype) {
  const auto* tokens = std::get_if<at::Tensor>(&input);
  const std::int64_t rows =
      tokens == nullptr ? std::get<PackedTokens>(input).rows() : tokens->numel();
  return rows * width * static_cast<std::int64_t>(c10::elementSize(dtype));
}

}  // namespace

bool AllFinite(const at::Tensor& x) {
  // One pass over the numbers where all are finite, which is the rule.
  return std::isfinite(x.sum(at::kFloat).item<double>()) || at::isfinite(x).all().item<bool>();
}

MemoryScorer::MemoryScorer(const LanguageModel& model) : model_(model) {}

void MemoryScorer::Run(const std::vector<ScorerInput>& inputs, const Use& use) const {
  const at::NoGradGuard no_grad;
  // Weights are cast as they are loaded, and hidden states have the weights' dtype.
  const at::ScalarType dtype = model_.blocks().front()->Slot(0).weight.scalar_type();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CheckInterrupt();
    WatchedPass pass(model_.ends(), inputs[i], dtype);
    for (const auto& block : model_.blocks()) pass.Through(*block);
    use(i, pass.Finish());
  }
}

StreamScorer::StreamScorer(const ModelSource& source, const ModelEnds& ends, const Options& options)
    : source_(source), options_(options), ends_(ends) {}

void StreamScorer::Run(const std::vector<ScorerInput>& inputs, const Use& use) const {
  const at::NoGradGuard no_grad;
  std::size_t first = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::int64_t own = StateBytes(inputs[i], description().hidden, options_.dtype);
    if (i > first && bytes + own > options_.bytes) {
      RunGroup(inputs, first, i, use);
      first = i;
      bytes = 0;
    }
    bytes += own;
  }
  if (first < inputs.size()) RunGroup(inputs, first, inputs.size(), use);
}

void StreamScorer::RunGroup(const std::vector<ScorerInput>& inputs, std::size_t first,
                            std::size_t end, const Use& use) const {
  std::vector<WatchedPass> passes;
  passes.reserve(end - first);
  for (std::size_t i = first; i < end; ++i) passes.emplace_back(ends_, inputs[i], options_.dtype);
  std::optional<Progress> progress;
  if (options_.log != nullptr) {
    progress.emplace(*options_.log, "streaming", "blocks", description().layers);
  }
  UnitLoader loader(source_, PlanUnits(description().layers, 1), ends_.embedding.device(),
                    {options_.dtype, options_.hook});
  for (std::int64_t layer = 0; layer < description().layers; ++layer) {
    const UnitBlocks unit = loader.Next();
    for (WatchedPass& pass : passes) {
      CheckInterrupt();
      pass.Through(*unit.front());
    }
    if (progress) progress->Advance();
  }
  for (std::size_t i = first; i < end; ++i) use(i, passes[i - first].Finish());
}

}  // namespace roundlab
