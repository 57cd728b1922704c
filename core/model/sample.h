#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/model/model.h"

namespace roundlab {

struct SampleOptions {
  std::int64_t documents = 1;
  std::int64_t first = 0;  ///< number of the first document: each has a random stream of its own
  std::int64_t tokens = 128;
  std::int64_t greedy = 4;  ///< tokens after the first that are the most likely ones
  std::uint64_t seed = 0;
};

/// Text of a model, as LLM-QAT makes its training data (arXiv 2305.17888, section 2.1): a random
/// first token of the vocabulary, some most likely ones (the paper: 3 to 5), then draws from the
/// next-token distribution. int64 [documents, tokens]. Throws Error where tokens is not between 1
/// and the model's context.
at::Tensor SampleTokens(const LanguageModel& model, const SampleOptions& options);

}  // namespace roundlab
