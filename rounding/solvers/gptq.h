#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "core/quant/grid.h"

namespace roundlab {

enum class GptqOrder {
  kColumns,     ///< as they lie
  kActivation,  ///< act-order: by falling diagonal of H; groups are formed in that order
  /// By falling diagonal inside each group, the groups by their largest: groups stay what they are
  /// in storage (GPTQModel's act_group_aware, quantization/gar.py at 00e0b83).
  kGroupAware,
};

struct GptqSettings {
  std::int64_t group_size = 128;  ///< as in QuantSpec
  double code_max = 15;
  GptqOrder order = GptqOrder::kColumns;
  /// Grids of all groups from the given weights and columns as they lie, before any is rounded.
  bool static_groups = false;
  /// A group's grid is taken from weights that lack the updates of the block of columns it begins
  /// in, as the original code's is; matters where groups begin inside a block.
  bool stale_groups = true;
  std::int64_t block_size = 128;  ///< columns between updates of all columns on the right
  double damp = 0.01;             ///< added to the diagonal of H, as a part of its mean
  /// Where H has no Cholesky factor, damp grows by this while it is below 1; 0: one try.
  double damp_increment = 0.01;
  double asymmetric_alpha = 0.25;  ///< factor on the cross moment
};

struct GptqProblem {
  at::Tensor weight;   ///< [out, in], float32 or float64: all is computed in its dtype
  at::Tensor hessian;  ///< [in, in], any factor times sum x x^T over tokens
  /// [in, in], the same factor times sum (x_fp - x_q) x_q^T; undefined for the symmetric method.
  at::Tensor cross;
  /// Weights of one group a row, [rows, width], and the places of a row's columns in the matrix,
  /// int64 [width], -> the grid of each row.
  std::function<AffineGrid(const at::Tensor& groups, const at::Tensor& columns)> grid;
};

struct GptqSolution {
  at::Tensor codes;       ///< [out, in] uint8
  at::Tensor scale;       ///< [out, groups] of the weight's dtype ([1, 1] for a whole tensor)
  at::Tensor zero;        ///< as scale
  at::Tensor g_idx;       ///< [in] int32, the group of each column
  at::Tensor losses;      ///< [in] float64: sum over rows of e^2 / 2; zeros after a fallback
  double damp = 0;        ///< the one used, or the last one tried
  std::int64_t dead = 0;  ///< columns that no token was seen in
  bool fallback = false;  ///< codes are nearest ones, see SolveGptq
  std::string reason;     ///< of a fallback: "no token reached it"
};

/// GPTQ (arXiv 2210.17323; IST-DASLab/gptq gptq.py). With H damped and U upper triangular,
/// U^T U = H^-1, each column i is rounded to its group's grid in turn and its error
///   e = (w_i - w^_i) / U_ii,   w_j <- w_j - e U_ij   (j > i)
/// handed on, lazily beyond the block of block_size columns. Columns j with H_jj = 0 are dead:
/// their weights become 0 and H_jj 1, before grids and damping as the original has it (there the
/// one grid of a row is taken earlier).
///
/// With `cross` the asymmetric method (GPTAQ, arXiv 2504.02692; gptaq_utils.py at 883afc6), which
/// matches outputs on unquantized inputs: P = alpha triu(cross U^T, 1) U and also
///   w_j <- w_j + w_i P_ij, beyond the block with w^_i for w_i, as that code has it.
///
/// Failures. Where H is not finite, has no factor with any damp below 1, or all columns are dead,
/// codes are nearest ones on the grids of the weights as they were given, without feedback. A
/// weight that is not finite is a programmer's error (checked).
GptqSolution SolveGptq(const GptqProblem& problem, const GptqSettings& settings);

}  // namespace roundlab
