#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/model/block.h"

namespace roundlab::testing {

/// What a block is beside its tensors.
struct BlockShape {
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  double norm_eps = 1e-5;
  double rope_theta = 10000;
};

/// Heads of keys and values: the file's, or as many as there are of queries, each copied to all
/// that share it.
enum class KeyHeads { kShared, kCopied };

/// A golden file's block, built from its tensors PREFIX + "X", "Y", "W.<linear>", "norm1" and
/// "norm2" and its metadata. What those and the configuration of the model that they name (SHARED/
/// models) don't tell of the block's shape is what reproduces the file's outputs best.
class GoldenBlock {
 public:
  GoldenBlock(const SafetensorsFile& file, const std::string& prefix,
              KeyHeads heads = KeyHeads::kShared);

  /// Of the linear layers within a block: "self_attn.q_proj", ...
  static std::vector<std::string> Names();
  static std::size_t Place(const std::string& linear);

  at::Tensor Inputs() const { return inputs_; }
  at::Tensor Targets() const { return targets_; }
  at::Tensor Forward(const at::Tensor& x) const { return block_->Forward(x, rope_); }
  /// Of the original weights.
  at::Tensor Outputs() const { return Forward(inputs_); }
  DecoderBlock& Block() { return *block_; }
  std::unique_ptr<DecoderBlock> TakeBlock() { return std::move(block_); }
  const RopeTable& Rope() const { return rope_; }

 private:
  at::Tensor Golden(const std::string& key) const;
  ModelDescription Description(const BlockShape& shape) const;
  void Build(const BlockShape& shape);
  /// What a block may be: one value where the file or the model that it names tells, else the
  /// usual.
  struct ShapeChoices {
    std::vector<std::pair<std::int64_t, std::int64_t>> heads;  ///< of queries, of keys
    std::vector<double> norm_eps;
    std::vector<double> rope_theta;
  };
  ShapeChoices Choices() const;
  std::optional<BlockShape> ShapeOfModel() const;
  BlockShape Shape();
  void CopyKeyHeads(BlockShape shape);

  const SafetensorsFile& file_;
  std::string prefix_;
  at::Tensor inputs_;
  at::Tensor targets_;
  std::unique_ptr<DecoderBlock> block_;
  RopeTable rope_;
};

}  // namespace roundlab::testing
