#pragma once

#include <c10/util/BFloat16.h>

#include <array>
#include <cstdint>

// Products of bfloat16 with sums in float32 on a processor's tile units (AMX): an eighth of the
// time of float32's. A product of two bfloat16 is exact in float32, so that nothing is lost where
// both factors have that type; a float32 factor goes in as the sum of two bfloat16 (Split), which
// is right to 2^-17 of it. Not for other folders but through what is built of it.

namespace roundlab {

constexpr std::int64_t kUnitSide = 32;  ///< rows and columns of a product, and steps of its depth

/// Whether the processor has tile units and libtorch would use them (ONEDNN_MAX_CPU_ISA and its
/// like count). Where it has none MultiplyUnit is a plain loop, for tests.
bool HasTileUnits();

/// Sets up this thread's tiles, and leaves them as they were: libtorch's own kernels set them too.
class TileScope {
 public:
  TileScope();
  ~TileScope();
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

 private:
  alignas(64) std::array<std::uint8_t, 64> before_ = {};
};

constexpr std::int64_t UnitWidth(std::int64_t n) {
  return (n + kUnitSide - 1) / kUnitSide * kUnitSide;
}

/// Two numbers of one column, of rows 2i and 2i + 1, the first in the lower half.
using Pair = std::uint32_t;

/// Puts row `place` of `width` columns into pairs [rows / 2, width].
inline void PutRow(const c10::BFloat16* row, std::int64_t place, std::int64_t width, Pair* pairs) {
  const int shift = place % 2 == 0 ? 0 : 16;
  Pair* const to = pairs + place / 2 * width;
  for (std::int64_t i = 0; i < width; ++i) {
    to[i] = (to[i] & ~(0xffffU << shift)) | static_cast<Pair>(row[i].x) << shift;
  }
}

/// Puts column `place`, of `depth` rows, an even number, into panels [depth / 2, 32] of pairs, of
/// 32 columns each: those from `first` on, a multiple of 32, lie at panels + first * depth / 2.
inline void PutColumn(const c10::BFloat16* column, std::int64_t place, std::int64_t depth,
                      Pair* panels) {
  const std::int64_t lane = place % kUnitSide;
  Pair* to = panels + (place - lane) * depth / 2 + lane;
  for (std::int64_t i = 0; i < depth; i += 2, to += kUnitSide) {
    *to = column[i].x | static_cast<Pair>(column[i + 1].x) << 16;
  }
}

/// Matrices [32, depth] and [depth / 2, 32] of pairs.
struct UnitFactors {
  const c10::BFloat16* left;
  const Pair* right;
};

/// c[32][32] = or += the sum of the factors' products. Rows lie `..._row` numbers, or pairs, apart;
/// powers of two there, from 1024 on, are slow: such rows share their place in the cache.
struct UnitProduct {
  std::array<UnitFactors, 2> factors;
  std::size_t count;  ///< of factors
  std::int64_t left_row;
  std::int64_t right_row;
  std::int64_t depth;  ///< a multiple of 32
  float* c;
  std::int64_t c_row;
  bool add = false;
};

/// Within a TileScope.
void MultiplyUnit(const UnitProduct& product);

/// x[i] = high[i] + low[i] to 2^-17 of it; `count` is a multiple of 32.
void Split(const float* x, std::int64_t count, c10::BFloat16* high, c10::BFloat16* low);

/// The same of two rows of `count` columns, a multiple of 32, as pairs: 32 of them, those of the
/// next 32 columns `panel` further on.
void SplitPairs(const float* first, const float* second, std::int64_t count, std::int64_t panel,
                Pair* high, Pair* low);

}  // namespace roundlab
