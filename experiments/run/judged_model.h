#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/log.h"
#include "core/model/model.h"
#include "eval/scorer.h"

namespace roundlab {

/// What is judged, and how much memory that may take.
struct JudgedModelOptions {
  at::ScalarType dtype = at::kFloat;
  LanguageModel::BlockHook hook;  ///< as LanguageModel's
  std::int64_t memory_bytes = 0;  ///< of the device
  at::Device device = at::kCPU;
};

/// A model as evaluators see it: in memory where all of its weights fit there, else streamed block
/// by block, which the log tells. What is measured is the same to the last bit.
class JudgedModel {
 public:
  /// `original`: what divergence compares with; source itself, or what it was made of. All must
  /// outlive it.
  JudgedModel(const ModelSource& source, const ModelSource& original,
              const JudgedModelOptions& options, Log* log);

  const Scorer& model() const { return *model_; }
  /// The checkpoint as it is, always streamed; its ends are read when they are first asked for.
  const Scorer& original() const { return *original_; }

 private:
  std::optional<LanguageModel> in_memory_;
  std::unique_ptr<Scorer> model_;
  std::unique_ptr<Scorer> original_;
};

}  // namespace roundlab
