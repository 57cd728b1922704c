#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/quant/grid.h"

namespace roundlab {

/// How codes stand for activations, see ActivationGrid.
enum class CodeKind { kAsym, kSym, kSymRestricted, kCentered };
/// Values that share a scale and zero point.
enum class RangePer {
  kTensor,   ///< all; with dynamic ranges all of a text
  kToken,    ///< of keys and values: a token's in one head
  kGroup,    ///< `group_size` neighbouring channels of a token (dynamic) or of all (static)
  kHead,     ///< of keys and values: a head's over all tokens
  kChannel,  ///< a channel over all tokens
  kCluster,  ///< channels of like range, over all tokens; they need not be neighbours
};

const EnumNames<CodeKind>& CodeKindNames();
const EnumNames<RangePer>& RangePerNames();

/// How a tensor of activations is put on integers.
struct ActivationSpec {
  std::int64_t bits = 8;
  CodeKind grid = CodeKind::kSym;
  RangePer per = RangePer::kToken;
  std::int64_t group_size = 128;  ///< of kGroup
  double threshold = 0;           ///< above 0: see SplitOutliers

  double LowestCode() const;
  double HighestCode() const;
  bool operator==(const ActivationSpec&) const = default;
};

/// Scale and zero point (float32, of the range's shape) of signed codes round(x / scale) + zero,
/// from a range [low, high] as it was seen. With m the larger of |low| and |high|:
///   sym             scale = m / ((2^bits - 1) / 2), zero = 0, codes -2^(bits-1) .. 2^(bits-1) - 1
///                   (compressed-tensors: the value of largest magnitude is on a tie of two codes)
///   sym_restricted  scale = max(m, 1e-5) / (2^(bits-1) - 1), zero = 0, codes -+ (2^(bits-1) - 1)
///                   (mit-han-lab/smoothquant fake_quant.py, LLM-QAT)
///   asym            of the range with 0 in it: scale = (high - low) / (2^bits - 1), zero =
///                   round(clamp(-2^(bits-1) - low / scale)), codes -2^(bits-1) .. 2^(bits-1) - 1
///                   (compressed-tensors)
///   centered        scale = max((high - low) / 2^bits, 1e-4), zero = -round((high + low) / (2
///                   scale)), the same codes (hahnyuan/RPTQ4LLM quantizer.py)
/// A scale that is 0 becomes float32's epsilon, and its zero point 0.
AffineGrid ActivationGrid(const GroupRange& range, const ActivationSpec& spec);

/// Puts what a linear layer is fed, or keys or values, on integers and back, in float32: the values
/// are those that integer arithmetic would work with. Ranges are dynamic (of the tensor itself,
/// min-max) where `scale` is undefined, else static. One struct, so that it can be kept in a file.
struct ActivationQuantizer {
  ActivationSpec spec;
  /// Static: [groups, width], each 1 or full, float32; channel c is [c / width, c % width] of a
  /// tensor's last dimensions: [1, channels], of keys and values [heads, head_dim].
  at::Tensor scale = {};
  at::Tensor zero = {};
  /// Static, or undefined for nearest: [3, channels] float32, b0, b1, b2 of a channel's border; a
  /// code is ceil(p - sigmoid(b0 + b1 u + b2 u^2)) with p = x / scale, u = p / HighestCode().
  at::Tensor border = {};

  bool Dynamic() const { return !scale.defined(); }
  /// Whether a token's values depend on other tokens of its text.
  bool SpansTokens() const;
  /// x: [rows, channels], [batch, tokens, channels], or keys and values [batch, tokens, heads,
  /// head_dim]; any floating dtype, which comes back. Straight-through gradient: 1 inside of what
  /// the codes reach, else 0; where scale or border require grad (static), theirs is LSQ's (arXiv
  /// 1902.08153, eq. 3): that of scale (clamp(p + 1/2 - border, codes) - zero), rounding as 1.
  at::Tensor Apply(const at::Tensor& x) const;
  /// The same of a view (ActivationView), float32, without gradient.
  at::Tensor ApplyToView(const at::Tensor& view) const;
  /// The codes themselves, of x's shape, float32.
  at::Tensor Codes(const at::Tensor& x) const;
  /// Scale and zero point that a view (ActivationView) gets, of a shape that broadcasts to it.
  AffineGrid GridOf(const at::Tensor& view) const;

  struct Part {
    const char* name;
    at::Tensor* tensor;
  };
  std::vector<Part> Parts();  ///< float32; absent ones too
  ActivationQuantizer To(const at::Device& device) const;
};

/// What LLM.int8() does to a view (arXiv 2208.07339; bitsandbytes 0.50): a channel is an outlier
/// where one of its values in the text has |x| >= threshold, x rounded to float16. It stays as it
/// is; of the other values of a token, with m the largest |x| below the threshold,
///   code = round(x (1 / m) T),   x^ = code m / T,   T = 2^(bits-1) - 1
struct OutlierSplit {
  at::Tensor columns;  ///< [batch, 1, groups, width] bool
  at::Tensor codes;    ///< as the view, float32, 0 in those columns
  at::Tensor largest;  ///< m: [batch, tokens, 1, 1] float32
};
OutlierSplit SplitOutliers(const at::Tensor& view, const ActivationSpec& spec);

/// x as [batch, tokens, groups, width], the values of a token that share a range in one group: what
/// ranges are measured on.
at::Tensor ActivationView(const at::Tensor& x, const ActivationSpec& spec);
/// Dimensions of that view over which a range goes: with `over_texts` of all texts and tokens
/// together (static), else of each text or token.
std::vector<std::int64_t> RangeDims(RangePer per, bool over_texts);
/// Min and max of a view over those, kept as dimensions of 1.
GroupRange ActivationRange(const at::Tensor& view, RangePer per, bool over_texts);

/// "8 asym group 32": bits, grid, per, group size, and a threshold where there is one; what a file
/// says of a quantizer.
std::string SpecText(const ActivationSpec& spec);
/// Throws Error, beginning with `place`, for another text.
ActivationSpec ReadActivationSpec(const std::string& text, const std::string& place);

}  // namespace roundlab
