#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "core/base/log.h"
#include "core/model/rotation.h"

namespace roundlab {

/// One step of gradient descent on the orthogonal matrices (Cayley SGD; Li, Li and Todorovic 2020,
/// arXiv 2002.01113, algorithm 1). With the gradient G = dL/dX and Y = -G X^T:
///   W^ = Y - 1/2 X X^T Y,   W = W^ - W^^T,   a = min(lr, 1 / |W|_1)
///   X <- (I - a/2 W)^-1 (I + a/2 W) X
/// x, gradient: [n, n] float64; x orthogonal -> so is what comes back. Where we differ: the Cayley
/// transform is solved for, not iterated towards; no momentum.
at::Tensor CayleyStep(const at::Tensor& x, const at::Tensor& gradient, double lr);

/// What a rotation of the residual stream is learned on.
struct RotationTask {
  const RotatedSource* start = nullptr;  ///< turned by the start; all of it is in memory
  at::Tensor tokens;                     ///< int64 [rows, seq], more than one a row
  RotationLearning options;
  at::Device device = at::kCPU;
};

struct LearnedRotation {
  at::Tensor rotation;     ///< [hidden, hidden] float64 of float32 values: the residual stream's
  double loss_before = 0;  ///< mean nll over all tokens, with the start
  double loss_after = 0;   ///< with `rotation`
};

/// SpinQuant's R1 (arXiv 2405.16406, section 3): the start's matrix, moved by Cayley SGD to where
/// the model loses least with what its linear layers are fed in few bits (a scale a token,
/// sym_restricted, straight-through gradient) and weights as they are; the loss is that of the next
/// token. Rows of a step: the next `batch` ones, round and round; the learning rate falls linearly
/// to 0. Never worse than the start on all rows: where the end is, the start is kept.
/// Where we differ: a head's own rotation (R2) stays a Hadamard matrix; caches are not quantized.
/// Throws Diverged where a loss is not finite; may throw Interrupted.
LearnedRotation LearnRotation(const RotationTask& task, Log* log);

}  // namespace roundlab
