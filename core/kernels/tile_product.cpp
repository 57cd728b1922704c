#include "core/kernels/tile_product.h"

#include <cstddef>

namespace roundlab {
namespace {

/// Floats of one register, and the same in memory, where they need no alignment. (The attribute
/// takes no parameter of a template.)
struct Floats4 {
  static constexpr std::int64_t kCount = 4;
  using Lanes = float __attribute__((vector_size(16)));
  using InMemory = float __attribute__((vector_size(16), aligned(4), may_alias));
};
struct Floats8 {
  static constexpr std::int64_t kCount = 8;
  using Lanes = float __attribute__((vector_size(32)));
  using InMemory = float __attribute__((vector_size(32), aligned(4), may_alias));
};
struct Floats16 {
  static constexpr std::int64_t kCount = 16;
  using Lanes = float __attribute__((vector_size(64)));
  using InMemory = float __attribute__((vector_size(64), aligned(4), may_alias));
};

constexpr int kAcross = 2;  // registers of a part's row

/// A part of the tile: so many rows of kAcross registers, from `row` and `column` on. Its sums must
/// stay in registers: machines have 16 of up to 8 floats, or 32 of 16. Each sum is in the order of
/// depth, whatever the part.
template <class Floats, int rows>
[[gnu::always_inline]] inline void MultiplyPart(const TileProduct& t, std::int64_t row,
                                                std::int64_t column) {
  using Lanes = typename Floats::Lanes;
  using InMemory = typename Floats::InMemory;
  Lanes sums[static_cast<std::size_t>(rows)][kAcross] = {};
  const float* left = t.a + row * t.a_row;
  const float* right = t.b + column;
  for (std::int64_t k = 0; k < t.depth; ++k, left += t.a_step, right += t.ldb) {
    Lanes across[kAcross];
#pragma GCC unroll 2
    for (int j = 0; j < kAcross; ++j) {
      across[j] = *reinterpret_cast<const InMemory*>(right + Floats::kCount * j);
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const float one = left[i * t.a_row];
#pragma GCC unroll 2
      for (int j = 0; j < kAcross; ++j) sums[i][j] += one * across[j];
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < kAcross; ++j) {
      float* const place = t.c + (row + i) * t.ldc + column + Floats::kCount * j;
      auto* const out = reinterpret_cast<InMemory*>(place);
      *out = t.add ? *out + sums[i][j] : sums[i][j];
    }
  }
}

template <class Floats, int rows>
[[gnu::always_inline]] inline void MultiplyParts(const TileProduct& t) {
  constexpr std::int64_t kColumns = kAcross * Floats::kCount;
  for (std::int64_t row = 0; row < kTileRows; row += rows) {
    for (std::int64_t column = 0; column < kTileColumns; column += kColumns) {
      MultiplyPart<Floats, rows>(t, row, column);
    }
  }
}

void MultiplyPlain(const TileProduct& t) { MultiplyParts<Floats4, 4>(t); }

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"))) void MultiplyAvx2(const TileProduct& t) {
  MultiplyParts<Floats8, 4>(t);
}
__attribute__((target("avx512f"))) void MultiplyAvx512(const TileProduct& t) {
  MultiplyParts<Floats16, 8>(t);
}
#endif

}  // namespace

std::vector<MultiplyTiles> TileMultipliers() {
  std::vector<MultiplyTiles> all;
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512f")) all.push_back(MultiplyAvx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(MultiplyAvx2);
#endif
  all.push_back(MultiplyPlain);
  return all;
}

void MultiplyTile(const TileProduct& t) {
  static const MultiplyTiles best = TileMultipliers().front();
  best(t);
}

}  // namespace roundlab
