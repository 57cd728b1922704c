#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/model/description.h"

namespace roundlab {

/// Which tensor of a checkpoint is which of the model's. Names in the file may have the prefix of
/// the model without head ("model.", "transformer.") once more or not at all, and those prefixes
/// that CheckpointNames lists, as transformers takes them.
class StoredNames {
 public:
  /// Throws Error naming file and tensor where one is there that would change what the model
  /// computes if it were used: a bias or norm that config.json does not tell of, a block too many.
  /// Known buffers (causal masks, rotary frequencies) are passed over.
  StoredNames(const Checkpoint& checkpoint, const ModelDescription& description);

  /// The name in the file; empty where there is none.
  const std::string& Find(const std::string& name) const;
  /// Tensors that nothing reads, sorted, then other parts of a larger model, a line each:
  /// "model.vision_tower.* (437 tensors)".
  const std::vector<std::string>& Unused() const { return unused_; }

 private:
  void CheckUnused(const TensorView& tensor, const ModelDescription& description) const;

  std::map<std::string, std::string, std::less<>> stored_;  // the model's name -> the file's
  std::vector<std::string> unused_;
};

/// A tensor as a checkpoint must have it.
struct StoredPlan {
  std::string name;                 ///< the model's own
  std::vector<std::int64_t> shape;  ///< empty: of several forms, which loading tells apart
  bool optional = false;
};

/// All tensors of the model.
std::vector<StoredPlan> StoredPlans(const ModelDescription& description);

}  // namespace roundlab
