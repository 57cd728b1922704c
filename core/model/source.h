#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/model/description.h"
#include "core/model/ends.h"

namespace roundlab {

/// Where a model's weights come from. Blocks are made one by one when asked for, so that a model
/// need never lie in memory as a whole.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  virtual const ModelDescription& description() const = 0;
  /// What it is called in messages: the folder or file, where there is one.
  virtual const std::string& path() const = 0;
  /// Equal for equal weights only.
  virtual std::string Fingerprint() const = 0;
  virtual std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const = 0;
  virtual ModelEnds LoadEnds() const = 0;
  /// Where the weights of loaded blocks and ends lie.
  virtual at::Device device() const { return at::kCPU; }
  /// Tensors that are stored but have no place in the model, sorted.
  virtual std::vector<std::string> Unused() const { return {}; }
};

}  // namespace roundlab
