#pragma once

#include <memory>
#include <string>

#include "core/model/source.h"
#include "rounding/quantized_model.h"

namespace roundlab {

/// What `model:` names.
struct OpenedModel {
  /// The checkpoint; of what a run has left, the one that it rounded.
  std::shared_ptr<const ModelSource> original;
  /// What is evaluated and quantized: the original, or what a run has made of it.
  std::shared_ptr<const ModelSource> model;
  std::string tokenizer;  ///< folder or file to take it from
};

/// name: of the catalogue, a folder or file, or the folder of a complete run, which has left
/// weights.safetensors, or "random:SHAPE" for random weights of a published shape (NamedShapes),
/// whose texts the built-in tokenizer reads. Throws Error for what is missing, broken, or, of a
/// run, made of other weights than its model has now.
OpenedModel OpenModel(const std::string& name);

/// Folder or file whose tokenizer belongs to `name`; looks at no weights.
std::string TokenizerOf(const std::string& name);

/// What OpenModel's model looks like; a file's weights are not read, only whether it is whole.
/// Throws Error for what is missing or cut off.
ModelDescription DescribeModel(const std::string& name);

/// Writes weights.safetensors into a run's folder. name, fingerprint: of the model that was
/// rounded.
void LeaveWeights(const std::string& folder, const QuantizedModel& rounded, const std::string& name,
                  const std::string& fingerprint);

}  // namespace roundlab
