#include "core/formats/scaled_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/formats/half.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

/// By the definition of the format (OCP 8-bit floating point, revision 1.0).
double ByDefinition(int code) {
  const int exponent = code >> 3 & 15;
  const int fraction = code & 7;
  const double sign = code < 128 ? 1 : -1;
  if (exponent == 15 && fraction == 7) return NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -9);
  return sign * std::ldexp(8 + fraction, exponent - 10);
}

TEST(ScaledBlocksTest, EveryValueIsThatOfTheFormat) {
  for (int code = 0; code < 256; ++code) {
    const float value = E4M3ToFloat(static_cast<std::uint8_t>(code));
    if (std::isnan(ByDefinition(code))) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(value, ByDefinition(code)) << code;
      EXPECT_EQ(std::signbit(value), code >= 128) << code;
    }
  }
}

/// A matrix whose code at (r, c) is (7 r + c) mod 127, and factors 2^(block row) 3^(block column).
class ScaledMatrix {
 public:
  ScaledMatrix(std::int64_t rows, std::int64_t columns) {
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      codes_.push_back(static_cast<std::byte>((7 * (i / columns) + i % columns) % 127));
    }
    values_ = {"w", ElementType::kF8E4M3, {rows, columns}, codes_, "f"};
    const std::int64_t down = (rows + 127) / 128;
    const std::int64_t right = (columns + 127) / 128;
    for (std::int64_t i = 0; i < down * right; ++i) {
      numbers_.push_back(
          static_cast<float>(std::exp2(i / right) * std::pow(3, static_cast<double>(i % right))));
    }
    factors_ = {
        "w_scale_inv", ElementType::kF32, {down, right}, std::as_bytes(std::span(numbers_)), "f"};
  }
  float Expected(std::int64_t row, std::int64_t column) const {
    const auto code = static_cast<std::uint8_t>((7 * row + column) % 127);
    return E4M3ToFloat(code) * static_cast<float>(std::exp2(row / 128) *
                                                  std::pow(3, static_cast<double>(column / 128)));
  }
  TensorView& values() { return values_; }
  TensorView& factors() { return factors_; }

 private:
  std::vector<std::byte> codes_;
  std::vector<float> numbers_;
  TensorView values_;
  TensorView factors_;
};

TEST(ScaledBlocksTest, EachBlockHasItsFactor) {
  for (const auto& [rows, columns] : {std::pair{1, 1}, std::pair{128, 128}, std::pair{130, 300}}) {
    ScaledMatrix matrix(rows, columns);
    std::vector<float> out(static_cast<std::size_t>(rows * columns));
    DecodeScaledBlocks(matrix.values(), matrix.factors(), out);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        ASSERT_EQ(out[static_cast<std::size_t>(row * columns + column)],
                  matrix.Expected(row, column))
            << row << ", " << column;
      }
    }
  }
}

TEST(ScaledBlocksTest, ShapesThatDoNotFitAreTold) {
  ScaledMatrix matrix(130, 300);
  std::vector<float> out(130 * 300);
  matrix.factors().shape = {3, 2};
  EXPECT_EQ(
      testing::ErrorOf([&] { DecodeScaledBlocks(matrix.values(), matrix.factors(), out); }),
      "f: tensor 'w' of 8 bits has shape [130, 300] and 'w_scale_inv' [3, 2], expected [2, 3]: a "
      "factor for each block of 128 x 128");
  matrix.values().shape = {1, 130, 300};
  EXPECT_EQ(testing::ErrorOf([&] { DecodeScaledBlocks(matrix.values(), matrix.factors(), out); }),
            "f: tensor 'w' of 8 bits has shape [1, 130, 300], expected a matrix");
}

}  // namespace
}  // namespace roundlab
