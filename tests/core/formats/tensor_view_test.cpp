#include "core/formats/tensor_view.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>

#include "core/formats/half.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::Bytes;
using testing::ErrorOf;

TensorView View(ElementType type, std::vector<std::int64_t> shape, const std::string& bytes) {
  return {"w", type, std::move(shape), std::as_bytes(std::span(bytes)), "a.bin"};
}

std::vector<float> Decode(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.ElementCount()));
  DecodeToFloat(view, out);
  return out;
}

TEST(HalfTest, EveryHalfIsTheValueItsBitsSay) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const int mantissa = static_cast<int>(bits & 1023);
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    const float got = HalfToFloat(half);
    ASSERT_EQ(std::signbit(got), sign < 0) << bits;
    if (exponent == 31 && mantissa != 0) {
      ASSERT_TRUE(std::isnan(got)) << bits;
      ASSERT_NE(std::bit_cast<std::uint32_t>(got) & 0x00400000U, 0U) << "not quiet: " << bits;
    } else if (exponent == 31) {
      ASSERT_EQ(got, sign * std::numeric_limits<double>::infinity()) << bits;
    } else if (exponent == 0) {
      ASSERT_EQ(got, sign * std::ldexp(mantissa, -24)) << bits;
    } else {
      ASSERT_EQ(got, sign * std::ldexp(1024 + mantissa, exponent - 25)) << bits;
    }
  }
}

TEST(TensorViewTest, WidensFloatsExactly) {
  const std::vector<float> values = {0.5F, -1.25F, 3e-39F, 65504.0F};
  EXPECT_EQ(Decode(View(ElementType::kF32, {4}, Bytes(values))), values);
  EXPECT_EQ(Decode(View(ElementType::kF16, {2, 2},
                        Bytes<std::uint16_t>({0x3800, 0xbd00, 0x0001, 0x7bff}))),
            (std::vector<float>{0.5F, -1.25F, 0x1p-24F, 65504.0F}));
  EXPECT_EQ(Decode(View(ElementType::kBF16, {3}, Bytes<std::uint16_t>({0x3f00, 0xbfa0, 0x0001}))),
            (std::vector<float>{0.5F, -1.25F, 0x1p-133F}));
  EXPECT_EQ(Decode(View(ElementType::kF64, {2}, Bytes<double>({0.1, 1 + 0x1p-24}))),
            (std::vector<float>{0.1F, 1.0F}));
}

TEST(TensorViewTest, ReadsWhatIsNotAligned) {
  const std::string bytes = "x" + Bytes<float>({1.5F, 2.5F});
  const TensorView view{
      "w", ElementType::kF32, {2}, std::as_bytes(std::span(bytes)).subspan(1), "a.bin"};
  EXPECT_EQ(Decode(view), (std::vector<float>{1.5F, 2.5F}));
}

TEST(TensorViewTest, EmptyTensorDecodesToNothing) {
  EXPECT_TRUE(Decode(View(ElementType::kF32, {0, 3}, "")).empty());
  EXPECT_TRUE(Decode(View(ElementType::kQ4_0, {3, 0}, "")).empty());
}

TEST(TensorViewTest, ScalarHasOneElement) {
  EXPECT_EQ(View(ElementType::kF32, {}, "").ElementCount(), 1);
  EXPECT_EQ(Decode(View(ElementType::kF32, {}, Bytes(2.0F))), std::vector<float>{2.0F});
  EXPECT_EQ(ShapeText({}), "[]");
  EXPECT_EQ(ShapeText({2, 3}), "[2, 3]");
}

TEST(TensorViewTest, ByteSizesAreThoseOfTheBlocks) {
  EXPECT_EQ(ByteSize(ElementType::kF64, 3), 24);
  EXPECT_EQ(ByteSize(ElementType::kBool, 3), 3);
  EXPECT_EQ(ByteSize(ElementType::kQ4_0, 64), 36);
  EXPECT_EQ(ByteSize(ElementType::kQ4_1, 64), 40);
  EXPECT_EQ(ByteSize(ElementType::kQ5_0, 64), 44);
  EXPECT_EQ(ByteSize(ElementType::kQ5_1, 64), 48);
  EXPECT_EQ(ByteSize(ElementType::kQ8_0, 64), 68);
  EXPECT_EQ(ByteSize(ElementType::kQ2_K, 512), 168);
  EXPECT_EQ(ByteSize(ElementType::kQ3_K, 512), 220);
  EXPECT_EQ(ByteSize(ElementType::kQ4_K, 512), 288);
  EXPECT_EQ(ByteSize(ElementType::kQ5_K, 512), 352);
  EXPECT_EQ(ByteSize(ElementType::kQ6_K, 512), 420);
  EXPECT_EQ(ByteSize(ElementType::kIQ4_NL, 64), 36);
  EXPECT_EQ(ByteSize(ElementType::kIQ4_XS, 512), 272);
}

TEST(TensorViewTest, SizesThatDoNotWorkOutAreErrors) {
  EXPECT_EQ(ErrorOf([] { ByteSize(ElementType::kQ4_0, 33); }),
            "33 elements are not whole Q4_0 blocks of 32");
  EXPECT_EQ(ErrorOf([] { ByteSize(ElementType::kF32, INT64_MAX); }),
            "9223372036854775807 elements of F32 are more bytes than a file can hold");
  EXPECT_EQ(ErrorOf([] {
              ByteSize(View(ElementType::kF32, {2, -3}, ""));
            }),
            "a.bin: tensor 'w': shape [2, -3] has a negative dimension");
  EXPECT_EQ(ErrorOf([] {
              ByteSize(View(ElementType::kF32, {1LL << 32, 1LL << 31}, ""));
            }),
            "a.bin: tensor 'w': shape [4294967296, 2147483648] has more than 2^63 - 1 elements");
  EXPECT_EQ(ErrorOf([] {
              ByteSize(View(ElementType::kQ8_0, {32, 33}, ""));
            }),
            "a.bin: tensor 'w': shape [32, 33]: 33 elements are not whole Q8_0 blocks of 32");
}

TEST(TensorViewTest, IntegersAreNotWeights) {
  for (const ElementType type : {ElementType::kI64, ElementType::kI32, ElementType::kI16,
                                 ElementType::kI8, ElementType::kU8, ElementType::kBool}) {
    const std::string bytes(static_cast<std::size_t>(ByteSize(type, 1)), '\0');
    EXPECT_EQ(ErrorOf([&] { Decode(View(type, {1}, bytes)); }),
              std::string("a.bin: tensor 'w' is ") + ElementTypeName(type) +
                  ", expected weights (F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, "
                  "Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS)");
  }
}

TEST(TensorViewTest, WrongBufferIsAProgrammersError) {
  std::vector<float> two(2);
  EXPECT_THROW(DecodeToFloat(View(ElementType::kF32, {3}, Bytes<float>({1, 2, 3})), two),
               std::logic_error);
  EXPECT_THROW(DecodeToFloat(View(ElementType::kF32, {2}, Bytes<float>({1, 2, 3})), two),
               std::logic_error);
}

}  // namespace
}  // namespace roundlab
