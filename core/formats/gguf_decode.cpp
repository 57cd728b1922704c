#include "core/formats/gguf_decode.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/formats/half.h"

namespace roundlab {
namespace {

constexpr std::size_t kHalfBlock = 16;
using Byte = std::uint8_t;

float LoadHalf(const Byte* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof half);
  return HalfToFloat(half);
}

// A block of 32: element i of the first half is a low nibble, of the second half a high one; for
// the 5-bit formats, bit i of a little-endian 32-bit word is the fifth bit of element i.

void DecodeQ4_0(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const Byte* codes = block + 2;
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    out[i] = d * static_cast<float>((codes[i] & 15) - 8);
    out[i + kHalfBlock] = d * static_cast<float>((codes[i] >> 4) - 8);
  }
}

void DecodeQ4_1(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  const Byte* codes = block + 4;
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    out[i] = d * static_cast<float>(codes[i] & 15) + m;
    out[i + kHalfBlock] = d * static_cast<float>(codes[i] >> 4) + m;
  }
}

/// The 5-bit codes of a block: `high` points to the word of fifth bits, the nibbles follow it.
std::array<int, 32> FiveBitCodes(const Byte* high) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, high, sizeof bits);
  const Byte* low = high + 4;
  std::array<int, 32> codes{};
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    codes[i] = (low[i] & 15) | static_cast<int>(((bits >> i) & 1U) << 4);
    codes[i + kHalfBlock] = (low[i] >> 4) | static_cast<int>(((bits >> (i + 16)) & 1U) << 4);
  }
  return codes;
}

void DecodeQ5_0(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const std::array<int, 32> codes = FiveBitCodes(block + 2);
  for (std::size_t i = 0; i < codes.size(); ++i) out[i] = d * static_cast<float>(codes[i] - 16);
}

void DecodeQ5_1(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  const std::array<int, 32> codes = FiveBitCodes(block + 4);
  for (std::size_t i = 0; i < codes.size(); ++i) out[i] = d * static_cast<float>(codes[i]) + m;
}

void DecodeQ8_0(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const Byte* codes = block + 2;
  for (std::size_t i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(codes[i])) * d;
  }
}

/// Scale and minimum of sub-block j of 8, 6 bits each in 12 bytes: those of 0-3 are the low 6 bits
/// of bytes 0-3 and 4-7; those of 4-7 have their low 4 bits in bytes 8-11, the high 2 on top of
/// 0-7.
std::pair<float, float> ScaleAndMin(const Byte* packed, std::size_t j) {
  if (j < 4) {
    return {static_cast<float>(packed[j] & 63), static_cast<float>(packed[j + 4] & 63)};
  }
  const int scale = (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4);
  const int min = (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4);
  return {static_cast<float>(scale), static_cast<float>(min)};
}

/// Runs of 32 two-bit codes: run r of a half is bit pair r of the half's 32 bytes.
int TwoBits(const Byte* codes, std::size_t run, std::size_t i) {
  return (codes[32 * (run / 4) + i] >> (2 * (run % 4))) & 3;
}

// scales[16]: 4 bits of scale, then of minimum; codes[64]; float16 d, dmin.
void DecodeQ2_K(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block + 80);
  const float dmin = LoadHalf(block + 82);
  for (std::size_t part = 0; part < 16; ++part) {
    const float scale = d * static_cast<float>(block[part] & 15);
    const float min = dmin * static_cast<float>(block[part] >> 4);
    for (std::size_t i = 0; i < kHalfBlock; ++i) {
      const int code = TwoBits(block + 16, part / 2, 16 * (part % 2) + i);
      out[16 * part + i] = scale * static_cast<float>(code) - min;
    }
  }
}

/// Scale of sub-block j of 16: the low 4 bits are nibble j / 8 of byte j % 8, the high 2 are bit
/// pair j / 4 of byte 8 + j % 4.
int SixBitScale(const Byte* packed, std::size_t j) {
  const int low = (packed[j % 8] >> (4 * (j / 8))) & 15;
  const int high = (packed[8 + j % 4] >> (2 * (j / 4))) & 3;
  return (low | (high << 4)) - 32;
}

// high[32]: bit r of byte i is set where element i of run r is not lowered by 4; codes[64] of two
// bits; scales[12]; float16 d.
void DecodeQ3_K(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block + 108);
  for (std::size_t part = 0; part < 16; ++part) {
    const float scale = d * static_cast<float>(SixBitScale(block + 96, part));
    const std::size_t run = part / 2;
    for (std::size_t i = 0; i < kHalfBlock; ++i) {
      const std::size_t at = 16 * (part % 2) + i;
      const int lowered = ((block[at] >> run) & 1) != 0 ? 0 : 4;
      out[16 * part + i] = scale * static_cast<float>(TwoBits(block + 32, run, at) - lowered);
    }
  }
}

void DecodeQ4_K(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  for (std::size_t pair = 0; pair < 4; ++pair) {  // low nibbles: sub-block 2 pair, high: the next
    const Byte* codes = block + 16 + 32 * pair;
    float* low_out = out + 64 * pair;
    const auto [low_scale, low_min] = ScaleAndMin(block + 4, 2 * pair);
    const auto [high_scale, high_min] = ScaleAndMin(block + 4, 2 * pair + 1);
    const float low_d = d * low_scale;
    const float low_m = dmin * low_min;
    const float high_d = d * high_scale;
    const float high_m = dmin * high_min;
    for (std::size_t i = 0; i < 32; ++i) {
      low_out[i] = low_d * static_cast<float>(codes[i] & 15) - low_m;
      low_out[i + 32] = high_d * static_cast<float>(codes[i] >> 4) - high_m;
    }
  }
}

// As Q4_K, with a fifth bit: bit r of high[i] is that of element i of sub-block r.
void DecodeQ5_K(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  const Byte* high = block + 16;
  for (std::size_t run = 0; run < 8; ++run) {
    const Byte* codes = block + 48 + 32 * (run / 2);
    const auto [scale, min] = ScaleAndMin(block + 4, run);
    const float run_d = d * scale;
    const float run_m = dmin * min;
    for (std::size_t i = 0; i < 32; ++i) {
      const int low = (codes[i] >> (4 * (run % 2))) & 15;
      const int fifth = ((high[i] >> run) & 1) << 4;
      out[32 * run + i] = run_d * static_cast<float>(low | fifth) - run_m;
    }
  }
}

// ql[128]: low nibbles, qh[64]: two high bits, int8 scales[16], float16 d. Each half of 128
// elements is four runs of 32: run r takes nibble r / 2 of ql[32 (r % 2) + i] and bit pair r of
// qh[i].
void DecodeQ6_K(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block + 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const Byte* high = block + 128 + 32 * half;
    for (std::size_t run = 0; run < 4; ++run) {
      const Byte* low = block + 64 * half + 32 * (run % 2);
      const Byte* scales = block + 192 + 8 * half + 2 * run;
      const int low_shift = run < 2 ? 0 : 4;
      const int high_shift = static_cast<int>(2 * run);
      float* run_out = out + 128 * half + 32 * run;
      for (std::size_t part = 0; part < 2; ++part) {
        const float scale = d * static_cast<float>(static_cast<std::int8_t>(scales[part]));
        for (std::size_t i = 16 * part; i < 16 * part + 16; ++i) {
          const int code = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
          run_out[i] = scale * static_cast<float>(code - 32);
        }
      }
    }
  }
}

// ggml's kvalues_iq4nl: levels of a 4-bit grid that is finer near zero.
constexpr std::array<float, 16> kUnevenLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                 1,    13,   25,  38,  53,  69,  89,  113};

void DecodeUneven(const Byte* __restrict codes, float scale, float* __restrict out) {
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    out[i] = scale * kUnevenLevels[codes[i] & 15];
    out[i + kHalfBlock] = scale * kUnevenLevels[codes[i] >> 4];
  }
}

void DecodeIQ4_NL(const Byte* __restrict block, float* __restrict out) {
  DecodeUneven(block + 2, LoadHalf(block), out);
}

// float16 d; high[2]: two bits of each sub-block's scale; low[4]: four more; codes[128].
void DecodeIQ4_XS(const Byte* __restrict block, float* __restrict out) {
  const float d = LoadHalf(block);
  for (std::size_t part = 0; part < 8; ++part) {
    const int low = (block[4 + part / 2] >> (4 * (part % 2))) & 15;
    const int high = (block[2 + part / 4] >> (2 * (part % 4))) & 3;
    const float scale = d * static_cast<float>((low | (high << 4)) - 32);
    DecodeUneven(block + 8 + 16 * part, scale, out + 32 * part);
  }
}

template <void (*decode)(const Byte*, float*)>
void DecodeAll(ElementType type, std::span<const std::byte> bytes, std::span<float> out) {
  const BlockLayout layout = LayoutOf(type);
  const auto block_bytes = static_cast<std::size_t>(layout.bytes);
  const auto block_elements = static_cast<std::size_t>(layout.elements);
  const std::size_t blocks = bytes.size() / block_bytes;
  ROUNDLAB_CHECK(
      blocks * block_bytes == bytes.size() && blocks * block_elements == out.size(),
      std::to_string(bytes.size()) + " bytes, " + std::to_string(out.size()) + " elements");
  const Byte* source = reinterpret_cast<const Byte*>(bytes.data());
  for (std::size_t i = 0; i < blocks; ++i) {
    decode(source + i * block_bytes, out.data() + i * block_elements);
  }
}

}  // namespace

void DecodeBlocks(ElementType type, std::span<const std::byte> bytes, std::span<float> out) {
  switch (type) {
    case ElementType::kQ4_0:
      return DecodeAll<DecodeQ4_0>(type, bytes, out);
    case ElementType::kQ4_1:
      return DecodeAll<DecodeQ4_1>(type, bytes, out);
    case ElementType::kQ5_0:
      return DecodeAll<DecodeQ5_0>(type, bytes, out);
    case ElementType::kQ5_1:
      return DecodeAll<DecodeQ5_1>(type, bytes, out);
    case ElementType::kQ8_0:
      return DecodeAll<DecodeQ8_0>(type, bytes, out);
    case ElementType::kQ2_K:
      return DecodeAll<DecodeQ2_K>(type, bytes, out);
    case ElementType::kQ3_K:
      return DecodeAll<DecodeQ3_K>(type, bytes, out);
    case ElementType::kQ4_K:
      return DecodeAll<DecodeQ4_K>(type, bytes, out);
    case ElementType::kQ5_K:
      return DecodeAll<DecodeQ5_K>(type, bytes, out);
    case ElementType::kQ6_K:
      return DecodeAll<DecodeQ6_K>(type, bytes, out);
    case ElementType::kIQ4_NL:
      return DecodeAll<DecodeIQ4_NL>(type, bytes, out);
    case ElementType::kIQ4_XS:
      return DecodeAll<DecodeIQ4_XS>(type, bytes, out);
    default:
      ROUNDLAB_CHECK(false, std::string(ElementTypeName(type)) + " is not a block format");
  }
}

}  // namespace roundlab
