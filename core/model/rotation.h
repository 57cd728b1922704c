#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/model/source.h"

namespace roundlab {

/// Orthogonal matrices that the residual stream may be turned by.
enum class ResidualRotation {
  kNone,
  kHadamard,        ///< Walsh-Hadamard for a power of two, else see HadamardTransform
  kRandomHadamard,  ///< the same after random signs
  kRandom,          ///< drawn evenly from all orthogonal matrices
};

/// [size, size] float64, orthonormal. Hadamard: T of HadamardTransform, after random signs or
/// without.
at::Tensor RotationMatrix(ResidualRotation rotation, std::int64_t size, std::uint64_t seed);

/// How the residual stream's matrix is learned (rounding/tuner/rotation_learning.h).
struct RotationLearning {
  std::int64_t steps = 100;
  std::int64_t batch = 8;
  double lr = 1.5;
  std::int64_t bits = 4;
  void Fields(FieldVisitor& f);
};

/// How a model is turned before it is quantized.
struct RotationOptions {
  ResidualRotation residual = ResidualRotation::kRandomHadamard;
  bool heads = true;
  bool down = true;
  bool keys = true;
  std::int64_t seed = 0;
  std::optional<RotationLearning> learn;
  void Fields(FieldVisitor& f);
};

/// Why a model can't be turned so, or "".
std::string RotationProblem(const ModelDescription& model, const RotationOptions& options);

/// A model with the function of another, whose activations have their outliers spread over many
/// channels (QuaRot, arXiv 2404.00456; SpinQuant, arXiv 2405.16406).
///
/// Residual: x becomes Q^T x. Factors and biases of norms go into the layers that read them; those
/// layers become W Q, those that write to the stream Q^T W, embedding and head likewise. Norms that
/// subtract the mean become RMS norms of a stream whose mean is taken out of all that writes to it
/// (SliceGPT, arXiv 2401.15024, section 3.2). A tied head is one of its own then.
/// Heads: each head's values are turned by T of HadamardTransform in v, and back in the attention's
/// output layer; nothing is left to do when the model runs. Down: what down is fed is turned when
/// the model runs (LinearSlot::signs), and down's weight. Keys: they and the queries are turned
/// after rotary when the model runs; their products stay.
///
/// Throws Error where RotationProblem has something to say.
class RotatedSource : public ModelSource {
 public:
  RotatedSource(std::shared_ptr<const ModelSource> original, const RotationOptions& options);
  /// The residual stream is turned by `rotation`, an orthonormal [hidden, hidden] of float32
  /// values.
  RotatedSource(std::shared_ptr<const ModelSource> original, const RotationOptions& options,
                const at::Tensor& rotation);

  const ModelDescription& description() const override { return description_; }
  const std::string& path() const override { return original_->path(); }
  std::string Fingerprint() const override;
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override;
  ModelEnds LoadEnds() const override;
  std::vector<std::string> Unused() const override { return original_->Unused(); }
  /// Of the residual stream: [hidden, hidden] float64, or undefined.
  const at::Tensor& rotation() const { return rotation_; }

 private:
  void RotateResidual(DecoderBlock* block) const;
  at::Tensor Written(const at::Tensor& columns) const;

  std::shared_ptr<const ModelSource> original_;
  RotationOptions options_;
  ModelDescription description_;
  at::Tensor rotation_;
  std::string rotation_sha256_;  ///< of a rotation that was given; else ""
  bool centered_ = false;        ///< the stream's mean is taken out
};

}  // namespace roundlab
