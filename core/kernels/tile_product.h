#pragma once

#include <cstdint>
#include <vector>

// The float32 products that attention is made of; not for other folders.

namespace roundlab {

constexpr std::int64_t kTileRows = 8;
constexpr std::int64_t kTileColumns = 32;

/// c[8][32] = or += a[8][depth] b[depth][32]: a is at a + i * a_row + k * a_step, b and c have rows
/// ldb and ldc apart.
struct TileProduct {
  const float* a;
  std::int64_t a_row;
  std::int64_t a_step;
  const float* b;
  std::int64_t ldb;
  std::int64_t depth;
  float* c;
  std::int64_t ldc;
  bool add = false;
};

/// Each sum is in the order of depth; whether a product and its sum are rounded once is the
/// machine's.
void MultiplyTile(const TileProduct& t);

/// The ways of doing so that this machine has, by the width of its registers; the first is what
/// MultiplyTile takes.
using MultiplyTiles = void (*)(const TileProduct& t);
std::vector<MultiplyTiles> TileMultipliers();

}  // namespace roundlab
