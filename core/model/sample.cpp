#include "core/model/sample.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/random.h"

namespace roundlab {

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
  while (tokens.size(1) < options.tokens) {
    const at::Tensor hidden = model.Hidden(tokens);
    const at::Tensor logits = model.ends().head().Logits(hidden.select(1, hidden.size(1) - 1));
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
