#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/model/rotation.h"
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
  at::Tensor rotation;    ///< of the residual stream, where it was learned: see RotatedSource
};

/// name: of the catalogue, a folder or file, or the folder of a complete run, which has left
/// weights.safetensors, or "random:SHAPE" for random weights of a published shape (NamedShapes),
/// whose texts the built-in tokenizer reads, made on `device`; turned where `rotate` says so, by
/// `rotation` where that is defined and by the matrix that learning starts from else. Throws Error
/// for what is missing, broken, can't be turned, or, of a run, made of other weights than its model
/// has now, or with another config.json or tokenizer beside them.
OpenedModel OpenModel(const std::string& name, const std::optional<RotationOptions>& rotate = {},
                      const at::Tensor& rotation = {}, const at::Device& device = at::kCPU);

/// Whether `name` is the folder of a run; throws Error where no such model is.
bool IsRun(const std::string& name);

/// Folder or file whose tokenizer belongs to `name`; looks at no weights.
std::string TokenizerOf(const std::string& name);

/// What OpenModel's model looks like; a file's weights are not read, only whether it is whole.
/// Throws Error for what is missing or cut off.
ModelDescription DescribeModel(const std::string& name);

/// The model that a run has rounded.
struct RoundedFrom {
  std::string name;
  std::optional<RotationOptions> rotate;
  at::Tensor rotation;  ///< that was learned, or undefined
  std::string fingerprint;
  std::string files_sha256;  ///< ModelFilesSha256
};

/// Writes weights.safetensors into a run's folder.
void LeaveWeights(const std::string& folder, const QuantizedModel& rounded, RoundedFrom from);

}  // namespace roundlab
