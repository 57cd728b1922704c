#include "core/model/sample.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/random.h"
#include "core/quant/activation_quantizer.h"

namespace roundlab {
namespace {

/// Whether a token's keys and values stay what they are as its text grows, and are all that a text
/// leaves behind: not where ranges are of a whole text, nor where rotary angles depend on its
/// length, nor where something else than attention mixes tokens.
bool KeepsPast(const LanguageModel& model, std::int64_t tokens) {
  for (const auto& block : model.blocks()) {
    if (!block->RangesOfTexts().empty() || block->plan().mixer) return false;
  }
  // At position 1 a sine is as good as its frequency; cosines of slow ones are all 1.
  const RopeTable early = model.ends().Rope(2);
  const RopeTable late = model.ends().Rope(std::max<std::int64_t>(tokens, 2));
  const auto same = [](const at::Tensor& a, const at::Tensor& b) {
    return !a.defined() || at::equal(a[1], b[1]);
  };
  return same(early.sine, late.sine) && same(early.local.sine, late.local.sine);
}

/// Hidden states of the texts' last tokens, [batch, hidden], text growing by one token at a time.
class GrowingTexts {
 public:
  GrowingTexts(const LanguageModel& model, std::int64_t tokens)
      : model_(model), keeps_(KeepsPast(model, tokens)) {
    if (!keeps_) return;
    rope_ = model.ends().Rope(tokens);
    for (const auto& block : model.blocks()) block->cache.past = std::make_shared<KeyValues>();
  }
  ~GrowingTexts() {
    for (const auto& block : model_.blocks()) block->cache.past.reset();
  }
  GrowingTexts(const GrowingTexts&) = delete;
  GrowingTexts& operator=(const GrowingTexts&) = delete;

  at::Tensor Last(const at::Tensor& tokens) const {
    const std::int64_t last = tokens.size(1) - 1;
    if (!keeps_) return model_.Hidden(tokens).select(1, last);
    const at::Tensor place = at::full({1}, last, at::kLong);
    const RopeTable rope = rope_.Select(place.to(model_.device()));
    at::Tensor hidden = model_.ends().Embed(tokens.narrow(1, last, 1), place).to(model_.dtype());
    for (const auto& block : model_.blocks()) hidden = block->Forward(hidden, rope);
    return model_.ends().Final(hidden).select(1, 0);
  }

 private:
  const LanguageModel& model_;
  bool keeps_;
  RopeTable rope_;
};

}  // namespace

at::Tensor SampleTokens(const LanguageModel& model, const SampleOptions& options) {
  const at::NoGradGuard no_grad;
  const std::int64_t most = model.description().max_positions;
  if (options.tokens < 1 || options.tokens > most) {
    throw Error("sample: " + std::to_string(options.tokens) +
                " tokens a document; the model's context is " + std::to_string(most));
  }
  std::vector<at::Generator> draws;
  std::vector<at::Tensor> starts;
  const std::int64_t vocabulary = model.ends().embedding.size(0);
  for (std::int64_t i = 0; i < options.documents; ++i) {
    const std::string stream = "sample/" + std::to_string(options.first + i);
    draws.push_back(at::detail::createCPUGenerator(StreamSeed(options.seed, stream)));
    starts.push_back(
        at::randint(0, vocabulary, {1, 1}, draws.back(), at::TensorOptions(at::kLong)));
  }
  at::Tensor tokens = at::cat(starts);
  const GrowingTexts texts(model, options.tokens);
  while (tokens.size(1) < options.tokens) {
    const at::Tensor logits = model.ends().head().Logits(texts.Last(tokens));
    if (tokens.size(1) <= options.greedy) {
      tokens = at::cat({tokens, logits.argmax(1, true).cpu()}, 1);
    } else {
      const at::Tensor shares = logits.cpu().to(at::kDouble).softmax(1);
      std::vector<at::Tensor> drawn;
      for (std::int64_t i = 0; i < options.documents; ++i) {
        drawn.push_back(at::multinomial(shares[i], 1, false, draws[static_cast<std::size_t>(i)]));
      }
      tokens = at::cat({tokens, at::stack(drawn)}, 1);
    }
    CheckInterrupt();
  }
  return tokens;
}

}  // namespace roundlab
