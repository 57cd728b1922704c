#include "core/formats/mxfp4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/formats/checkpoint.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

/// By the definition of E2M1 (OCP Microscaling Formats 1.0, section 5.3.3).
double FourBits(int code) {
  const int exponent = code >> 1 & 3;
  const int fraction = code & 1;
  const double magnitude =
      exponent == 0 ? 0.5 * fraction : std::ldexp(1 + 0.5 * fraction, exponent - 1);
  return code < 8 ? magnitude : -magnitude;
}

/// Two rows of two blocks; byte i is (7 i) mod 256, and the blocks' exponents are told.
struct Stored {
  explicit Stored(const std::vector<int>& exponents) {
    for (int i = 0; i < 64; ++i) bytes.push_back(static_cast<std::byte>(7 * i % 256));
    for (const int exponent : exponents) powers.push_back(static_cast<std::byte>(exponent));
    blocks.bytes = bytes;
    scales.bytes = powers;
  }
  std::vector<std::byte> bytes;
  std::vector<std::byte> powers;
  TensorView blocks = {"w_blocks", ElementType::kU8, {2, 2, 16}, {}, "f"};
  TensorView scales = {"w_scales", ElementType::kU8, {2, 2}, {}, "f"};
};

TEST(MxFp4Test, EachBlockIsItsCodesByItsPowerOfTwo) {
  const std::vector<int> exponents = {127, 120, 1, 252};
  const Stored stored(exponents);
  std::vector<float> out(128);
  DecodeMxFp4(MxFp4View(stored.blocks, stored.scales, "w"), out);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int byte = static_cast<int>(7 * (i / 2) % 256);
    const int code = i % 2 == 0 ? byte & 15 : byte >> 4;
    EXPECT_EQ(out[i], std::ldexp(FourBits(code), exponents[i / 32] - 127)) << i;
    EXPECT_EQ(std::signbit(out[i]), code >= 8) << i;
  }
}

TEST(MxFp4Test, TheExponentOfNanIsToldAsNan) {
  const Stored stored({127, 127, 255, 127});
  std::vector<float> out(128);
  const TensorView view = MxFp4View(stored.blocks, stored.scales, "w");
  EXPECT_EQ(view.shape, (std::vector<std::int64_t>{2, 64}));
  EXPECT_EQ(testing::ErrorOf([&] { ReadFinite(view, out); }),
            "f: tensor 'w' holds NaN at element 64");
}

TEST(MxFp4Test, ShapesThatDoNotFitAreTold) {
  Stored stored({127, 127, 127, 127});
  stored.scales.shape = {4, 1};
  EXPECT_EQ(testing::ErrorOf([&] { MxFp4View(stored.blocks, stored.scales, "w"); }),
            "f: tensor 'w_blocks' has shape [2, 2, 16] and 'w_scales' [4, 1], expected [2, 2]: a "
            "factor for each block of 32");
  stored.blocks.shape = {2, 32};
  EXPECT_EQ(testing::ErrorOf([&] { MxFp4View(stored.blocks, stored.scales, "w"); }),
            "f: tensor 'w_blocks' has shape [2, 32], expected [..., rows, columns / 32, 16]");
}

}  // namespace
}  // namespace roundlab
