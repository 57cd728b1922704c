#include "core/kernels/bfloat16_tile.h"

#include <ATen/cpu/Utils.h>
#include <ATen/native/CPUBlas.h>

#include <bit>

#include "core/kernels/bfloat16_math.h"
#include "core/kernels/vector_math.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define ROUNDLAB_TILES __attribute__((target("amx-tile,amx-bf16")))
#define ROUNDLAB_BFLOAT16 __attribute__((target("avx512f,avx512bf16")))
#include <immintrin.h>
#endif

namespace roundlab {
namespace {

constexpr std::int64_t kTileSide = 16;  // rows of a tile; it is 64 bytes wide

#ifdef ROUNDLAB_TILES

/// GCC's tile operations don't say that they read and write memory.
inline void MemoryIsAsWritten() { asm volatile("" ::: "memory"); }

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

ROUNDLAB_TILES void EnterTiles(std::uint8_t* before) {
  const TileConfig config;
  MemoryIsAsWritten();
  _tile_storeconfig(before);
  _tile_loadconfig(&config);
  MemoryIsAsWritten();
}

ROUNDLAB_TILES void LeaveTiles(const std::uint8_t* before) {
  MemoryIsAsWritten();
  if (before[0] == 0) {
    _tile_release();
  } else {
    _tile_loadconfig(before);
  }
}

/// Tiles 0 to 3 are c's quarters, 4 and 5 the left factor's halves, 6 and 7 the right one's.
ROUNDLAB_TILES void MultiplyOnTiles(const UnitProduct& p) {
  MemoryIsAsWritten();
  const std::int64_t c_bytes = p.c_row * 4;
  float* const lower = p.c + kTileSide * p.c_row;
  if (p.add) {
    _tile_loadd(0, p.c, c_bytes);
    _tile_loadd(1, p.c + kTileSide, c_bytes);
    _tile_loadd(2, lower, c_bytes);
    _tile_loadd(3, lower + kTileSide, c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::int64_t left_bytes = p.left_row * 2;
  const std::int64_t right_bytes = p.right_row * 4;
  for (std::size_t i = 0; i < p.count; ++i) {
    const auto [left, right] = p.factors[i];
    for (std::int64_t k = 0; k < p.depth; k += kUnitSide) {
      _tile_loadd(4, left + k, left_bytes);
      _tile_loadd(6, right + k / 2 * p.right_row, right_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, right + k / 2 * p.right_row + kTileSide, right_bytes);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, left + kTileSide * p.left_row + k, left_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, p.c, c_bytes);
  _tile_stored(1, p.c + kTileSide, c_bytes);
  _tile_stored(2, lower, c_bytes);
  _tile_stored(3, lower + kTileSide, c_bytes);
  MemoryIsAsWritten();
}

/// Processors with tile units round to bfloat16, too; compilers don't find that in SplitPlainly.
ROUNDLAB_BFLOAT16 void SplitByUnits(const float* x, std::int64_t count, c10::BFloat16* high,
                                    c10::BFloat16* low) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m512 all = _mm512_loadu_ps(x + i);
    const auto upper = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(all));
    const __m512i widened = _mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16);
    const __m512 rest = _mm512_sub_ps(all, _mm512_castsi512_ps(widened));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + i), upper);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + i),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rest)));
  }
}

#else

void EnterTiles(std::uint8_t* /*before*/) {}
void LeaveTiles(const std::uint8_t* /*before*/) {}
void MultiplyOnTiles(const UnitProduct& /*product*/) {}
void SplitByUnits(const float* /*x*/, std::int64_t /*count*/, c10::BFloat16* /*high*/,
                  c10::BFloat16* /*low*/) {}

#endif

float Upper(Pair pair) { return std::bit_cast<float>(pair & 0xffff0000U); }
float Lower(Pair pair) { return std::bit_cast<float>(pair << 16); }

void MultiplyPlainly(const UnitProduct& p) {
  for (std::int64_t i = 0; i < kUnitSide; ++i) {
    float sums[kUnitSide] = {};
    for (std::size_t f = 0; f < p.count; ++f) {
      const UnitFactors& factors = p.factors[f];
      for (std::int64_t k = 0; k < p.depth; k += 2) {
        const c10::BFloat16* left = factors.left + i * p.left_row + k;
        const Pair* right = factors.right + k / 2 * p.right_row;
        for (std::int64_t j = 0; j < kUnitSide; ++j) {
          sums[j] += static_cast<float>(left[0]) * Lower(right[j]);
          sums[j] += static_cast<float>(left[1]) * Upper(right[j]);
        }
      }
    }
    float* const c = p.c + i * p.c_row;
    for (std::int64_t j = 0; j < kUnitSide; ++j) c[j] = p.add ? c[j] + sums[j] : sums[j];
  }
}

void SplitPlainly(const float* x, std::int64_t count, c10::BFloat16* high, c10::BFloat16* low) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t upper = Bfloat16Bits(x[i]);
    const std::uint32_t rest = Bfloat16Bits(x[i] - std::bit_cast<float>(upper));
    high[i].x = static_cast<std::uint16_t>(upper >> 16);
    low[i].x = static_cast<std::uint16_t>(rest >> 16);
  }
}

}  // namespace

bool HasTileUnits() {
#ifdef ROUNDLAB_TILES
  static const bool has = at::native::cpublas::could_pack(at::kBFloat16) && at::cpu::init_amx();
  return has;
#else
  return false;
#endif
}

TileScope::TileScope() {
  if (HasTileUnits()) EnterTiles(before_.data());
}

TileScope::~TileScope() {
  if (HasTileUnits()) LeaveTiles(before_.data());
}

void MultiplyUnit(const UnitProduct& product) {
  if (HasTileUnits()) {
    MultiplyOnTiles(product);
  } else {
    MultiplyPlainly(product);
  }
}

void Split(const float* x, std::int64_t count, c10::BFloat16* high, c10::BFloat16* low) {
  if (HasTileUnits()) {
    SplitByUnits(x, count, high, low);
  } else {
    SplitPlainly(x, count, high, low);
  }
}

ROUNDLAB_SIMD void SplitPairs(const float* first, const float* second, std::int64_t count,
                              std::int64_t panel, Pair* high, Pair* low) {
  for (std::int64_t begin = 0; begin < count; begin += kUnitSide, high += panel, low += panel) {
    for (std::int64_t i = 0; i < kUnitSide; ++i) {
      const float a = first[begin + i];
      const float b = second[begin + i];
      const std::uint32_t one = Bfloat16Bits(a);
      const std::uint32_t two = Bfloat16Bits(b);
      high[i] = one >> 16 | two;
      low[i] = Bfloat16Bits(a - std::bit_cast<float>(one)) >> 16 |
               Bfloat16Bits(b - std::bit_cast<float>(two));
    }
  }
}

}  // namespace roundlab
