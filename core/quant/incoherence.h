#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roundlab {

/// T x along the last dimension of x, in its dtype (sums of 16 bits in float32).
/// T is orthonormal and symmetric, hence its own
/// inverse, and its entries are of like size, at most sqrt(2 / n): with n = 2^k m, m odd,
///   T = F (x) H / sqrt(n),   F_ij = cos(2 pi i j / m) + sin(2 pi i j / m), H Sylvester's Hadamard
/// matrix of 2^k; F is Hartley's matrix (1 for m = 1). With random signs before it, T spreads what
/// lies in few places over all (QuIP#, arXiv 2402.04396, section 3, whose Fourier variant this is
/// where n is no power of two).
at::Tensor HadamardTransform(const at::Tensor& x);

/// A basis in which weights are incoherent: rows and columns with random signs, mixed by T.
struct IncoherentBasis {
  at::Tensor row_signs;     ///< [out] uint8, 1 for a sign of -1
  at::Tensor column_signs;  ///< [in] uint8
  at::Tensor column_scale;  ///< [in], > 0: D's diagonal; undefined for ones
};

/// Random signs for a weight [out, in], without column scales.
IncoherentBasis RandomBasis(std::int64_t out, std::int64_t in, std::uint64_t seed);

/// W [out, in] -> T S_out W D S_in T, and back. In W's dtype.
at::Tensor ToIncoherent(const at::Tensor& weight, const IncoherentBasis& basis);
at::Tensor FromIncoherent(const at::Tensor& mixed, const IncoherentBasis& basis);

/// The second moment [in, in] of inputs of a weight that went ToIncoherent: T S_in D^-1 H D^-1 S_in
/// T.
at::Tensor MomentInBasis(const at::Tensor& moment, const IncoherentBasis& basis);

}  // namespace roundlab
