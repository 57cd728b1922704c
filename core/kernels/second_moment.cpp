#include "core/kernels/second_moment.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "core/kernels/bfloat16_tile.h"

namespace roundlab {
namespace {

/// Of a symmetric sum little more than half is computed: blocks of rows from the diagonal on.
void AddByBlocks(at::Tensor* sum, const at::Tensor& x) {
  constexpr std::int64_t kColumns = 256;
  const std::int64_t in = x.size(1);
  for (std::int64_t begin = 0; begin < in; begin += kColumns) {
    const std::int64_t count = std::min(kColumns, in - begin);
    const at::Tensor right = x.narrow(1, begin, in - begin);
    sum->narrow(0, begin, count)
        .narrow(1, begin, in - begin)
        .addmm_(right.narrow(1, 0, count).t(), right);
  }
}

/// x^T x of some tokens on tile units; `in` is a multiple of their side.
class TokenBlock {
 public:
  /// As many tokens as leave two panels of 32 columns in the first-level cache.
  static constexpr std::int64_t kTokens = 512;

  explicit TokenBlock(std::int64_t in) : in_(in) {}

  void Load(const c10::BFloat16* x, std::int64_t tokens) {
    depth_ = UnitWidth(tokens);
    turned_.resize(static_cast<std::size_t>(in_ * depth_));
    pairs_.resize(turned_.size() / 2);
    at::parallel_for(0, in_ / kUnitSide, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) LoadColumns(x, tokens, unit * kUnitSide);
    });
  }

  void AddTo(float* sum) const {
    const std::int64_t units = in_ / kUnitSide;
    // The first rows have the most to do: they are dealt out one by one.
    const std::int64_t parts = at::get_num_threads();
    at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      const TileScope tiles;
      for (std::int64_t part = begin; part < end; ++part) {
        for (std::int64_t row = part; row < units; row += parts) AddRow(row * kUnitSide, sum);
      }
    });
  }

 private:
  void LoadColumns(const c10::BFloat16* x, std::int64_t tokens, std::int64_t column) {
    Pair* const panel = pairs_.data() + column * depth_ / 2;
    c10::BFloat16* const turned = turned_.data() + column * depth_;
    std::fill_n(panel, depth_ / 2 * kUnitSide, Pair{0});
    std::fill_n(turned, depth_ * kUnitSide, c10::BFloat16(0));
    for (std::int64_t i = 0; i < tokens; ++i) {
      const c10::BFloat16* from = x + i * in_ + column;
      PutRow(from, i, kUnitSide, panel);
      for (std::int64_t c = 0; c < kUnitSide; ++c) turned[c * depth_ + i] = from[c];
    }
  }

  void AddRow(std::int64_t row, float* sum) const {
    for (std::int64_t column = row; column < in_; column += kUnitSide) {
      MultiplyUnit({{{{turned_.data() + row * depth_, pairs_.data() + column * depth_ / 2}}},
                    1,
                    depth_,
                    kUnitSide,
                    depth_,
                    sum + row * in_ + column,
                    in_,
                    true});
    }
  }

  std::int64_t in_;
  std::int64_t depth_ = 0;
  std::vector<c10::BFloat16> turned_;  // [in_, depth_]
  std::vector<Pair> pairs_;            // panels [depth_ / 2, 32] of 32 columns
};

void AddOnTiles(at::Tensor* sum, const at::Tensor& x) {
  TokenBlock block(x.size(1));
  const auto* from = x.const_data_ptr<c10::BFloat16>();
  for (std::int64_t i = 0; i < x.size(0); i += TokenBlock::kTokens) {
    block.Load(from + i * x.size(1), std::min(TokenBlock::kTokens, x.size(0) - i));
    block.AddTo(sum->mutable_data_ptr<float>());
  }
}

}  // namespace

void AddSecondMoment(at::Tensor* sum, const at::Tensor& x) {
  const bool narrow = x.scalar_type() == at::kBFloat16;
  const std::int64_t in = x.size(1);
  if (!sum->defined()) {
    *sum = at::zeros({in, in}, narrow ? x.options().dtype(at::kFloat) : x.options());
  }
  if (narrow && in % kUnitSide == 0 && HasTileUnits()) {
    AddOnTiles(sum, x.contiguous());
  } else {
    AddByBlocks(sum, narrow ? x.to(at::kFloat) : x);
  }
}

}  // namespace roundlab
