#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roundlab {

/// A weight to be rounded column by column, each group of columns on a grid that is given.
struct LdlqProblem {
  at::Tensor weight;   ///< [out, in], float32 or float64: all is computed in its dtype
  at::Tensor hessian;  ///< [in, in], positive definite
  at::Tensor scale;    ///< [out, groups], 0 for a group of zeros
  at::Tensor zero;     ///< as scale; need be no integer
  at::Tensor group;    ///< [in] int64, the group of each column
  double code_max = 3;
};

struct LdlqSolution {
  at::Tensor codes;  ///< [out, in] uint8; undefined where H has no factor
  double loss = 0;   ///< tr((W - W^) H (W - W^)^T)
};

/// LDLQ (QuIP, arXiv 2307.13304, section 3): with H = (U + 1) D (U + 1)^T, U strictly upper
/// triangular, column k is rounded to
///   w^_k = nearest(w_k + (W - W^) U_k),   code = clamp(round(w / s + z), 0, code_max)
/// from left to right. It finds what GPTQ finds on the same grids (the paper's theorem 6), without
/// an inverse of H. Products beyond a block of 128 columns are taken at once.
LdlqSolution SolveLdlq(const LdlqProblem& problem);

}  // namespace roundlab
