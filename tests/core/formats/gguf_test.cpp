#include "core/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"

namespace roundlab {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::GgufBuilder;
using testing::TempFolder;

TEST(GgufTest, ReadsMetadataOfEveryType) {
  const TempFolder folder;
  GgufBuilder builder;
  builder.Key("u8", 0, Bytes<std::uint8_t>(200))
      .Key("i8", 1, Bytes<std::int8_t>(-5))
      .Key("u16", 2, Bytes<std::uint16_t>(60000))
      .Key("i16", 3, Bytes<std::int16_t>(-300))
      .Key("u32", 4, Bytes<std::uint32_t>(4000000000U))
      .Key("i32", 5, Bytes<std::int32_t>(-70000))
      .Key("f32", 6, Bytes(0.5F))
      .Key("bool", 7, Bytes<std::uint8_t>(1))
      .Text("string", "text")
      .Key("u64", 10, Bytes<std::uint64_t>(std::numeric_limits<std::uint64_t>::max()))
      .Key("i64", 11, Bytes<std::int64_t>(-5000000000LL))
      .Key("f64", 12, Bytes(0.1));
  const GgufFile file(folder.Write("a.gguf", builder.Build()));
  EXPECT_EQ(file.metadata().size(), 12U);
  EXPECT_EQ(file.Integer("u8"), 200);
  EXPECT_EQ(file.Integer("i8"), -5);
  EXPECT_EQ(file.Integer("u16"), 60000);
  EXPECT_EQ(file.Integer("i16"), -300);
  EXPECT_EQ(file.Integer("u32"), 4000000000);
  EXPECT_EQ(file.Integer("i32"), -70000);
  EXPECT_EQ(file.Integer("i64"), -5000000000LL);
  EXPECT_EQ(std::get<std::uint64_t>(file.metadata().at("u64")),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(file.Real("f32"), 0.5);
  EXPECT_EQ(file.Real("f64"), 0.1);
  EXPECT_EQ(file.Real("i8"), -5.0);
  EXPECT_TRUE(file.Bool("bool"));
  EXPECT_EQ(file.String("string"), "text");
  EXPECT_TRUE(file.Has("u8"));
  EXPECT_FALSE(file.Has("u"));
}

TEST(GgufTest, ReadsArraysOfEveryType) {
  const TempFolder folder;
  GgufBuilder builder;
  builder.Array("u8", 0, 2, Bytes<std::uint8_t>({1, 200}))
      .Array("i8", 1, 2, Bytes<std::int8_t>({1, -2}))
      .Array("u16", 2, 1, Bytes<std::uint16_t>(60000))
      .Array("i16", 3, 1, Bytes<std::int16_t>(-2))
      .Array("u32", 4, 1, Bytes<std::uint32_t>(4000000000U))
      .Array("i32", 5, 1, Bytes<std::int32_t>(-2))
      .Array("f32", 6, 2, Bytes<float>({0.5F, -1.0F}))
      .Array("bool", 7, 2, std::string("\1\0", 2))
      .Array("string", 8, 2, GgufBuilder::String("a") + GgufBuilder::String(""))
      .Array("u64", 10, 1, Bytes<std::uint64_t>(7))
      .Array("i64", 11, 0, "")
      .Array("f64", 12, 1, Bytes(0.1));
  const GgufFile file(folder.Write("a.gguf", builder.Build()));
  EXPECT_THAT(file.Integers("u8"), ElementsAre(1, 200));
  EXPECT_THAT(file.Integers("i8"), ElementsAre(1, -2));
  EXPECT_THAT(file.Integers("u16"), ElementsAre(60000));
  EXPECT_THAT(file.Integers("i16"), ElementsAre(-2));
  EXPECT_THAT(file.Integers("u32"), ElementsAre(4000000000));
  EXPECT_THAT(file.Integers("i32"), ElementsAre(-2));
  EXPECT_THAT(file.Reals("f32"), ElementsAre(0.5, -1.0));
  EXPECT_THAT(std::get<std::vector<bool>>(file.metadata().at("bool")), ElementsAre(true, false));
  EXPECT_THAT(file.Strings("string"), ElementsAre("a", ""));
  EXPECT_THAT(file.Integers("u64"), ElementsAre(7));
  EXPECT_THAT(file.Integers("i64"), ElementsAre());
  EXPECT_THAT(file.Reals("f64"), ElementsAre(0.1));
}

TEST(GgufTest, ReadsTensorsWithShapesOutermostFirst) {
  for (const std::uint32_t version : {2U, 3U}) {
    const TempFolder folder;
    GgufBuilder builder;
    builder.version = version;
    builder.Tensor("w", {3, 2}, 0, Bytes<float>({1, 2, 3, 4, 5, 6}))
        .Tensor("b", {2}, 1, Bytes<std::uint16_t>({0x3c00, 0xbc00}));
    const GgufFile file(folder.Write("a.gguf", builder.Build()));
    ASSERT_EQ(file.tensors().size(), 2U);
    EXPECT_EQ(file.tensors()[0].name, "b");
    const TensorView* w = file.Find("w");
    ASSERT_NE(w, nullptr);
    EXPECT_THAT(w->shape, ElementsAre(2, 3));
    EXPECT_EQ(w->file, file.path());
    std::vector<float> values(6);
    DecodeToFloat(*w, values);
    EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(file.Find("x"), nullptr);
  }
}

TEST(GgufTest, KnowsTheTypesThatElementTypeLists) {
  const std::vector<std::pair<std::uint32_t, ElementType>> numbers = {
      {0, ElementType::kF32},     {1, ElementType::kF16},     {2, ElementType::kQ4_0},
      {3, ElementType::kQ4_1},    {6, ElementType::kQ5_0},    {7, ElementType::kQ5_1},
      {8, ElementType::kQ8_0},    {10, ElementType::kQ2_K},   {11, ElementType::kQ3_K},
      {12, ElementType::kQ4_K},   {13, ElementType::kQ5_K},   {14, ElementType::kQ6_K},
      {20, ElementType::kIQ4_NL}, {23, ElementType::kIQ4_XS}, {24, ElementType::kI8},
      {25, ElementType::kI16},    {26, ElementType::kI32},    {27, ElementType::kI64},
      {28, ElementType::kF64},    {30, ElementType::kBF16}};
  for (const auto& [number, type] : numbers) {
    const TempFolder folder;
    GgufBuilder builder;
    const auto size = static_cast<std::size_t>(ByteSize(type, 256));
    builder.Tensor("w", {256}, number, std::string(size, '\0'));
    const GgufFile file(folder.Write("a.gguf", builder.Build()));
    EXPECT_EQ(file.Find("w")->type, type) << number;
    EXPECT_EQ(file.Find("w")->bytes.size(), size) << number;
  }
}

TEST(GgufTest, HonoursTheAlignmentItIsTold) {
  const TempFolder folder;
  for (const std::uint32_t alignment : {1U, 8U, 64U}) {
    GgufBuilder builder;
    builder.alignment = alignment;
    builder.U32("general.alignment", alignment)
        .Tensor("a", {1}, 0, Bytes(1.0F))
        .Tensor("b", {1}, 0, Bytes(2.0F));
    const GgufFile file(folder.Write("a.gguf", builder.Build()));
    float value = 0;
    DecodeToFloat(*file.Find("b"), {&value, 1});
    EXPECT_EQ(value, 2.0F) << alignment;
  }
}

TEST(GgufTest, PaddingAfterTheLastTensorAndTrailingBytesAreFine) {
  const TempFolder folder;
  GgufBuilder builder;
  builder.Tensor("w", {1}, 0, Bytes(1.0F));
  const GgufFile file(folder.Write("a.gguf", builder.Build() + std::string(28, '\0')));
  EXPECT_EQ(file.tensors().size(), 1U);
}

TEST(GgufTest, KeyOfAnotherKindIsAnError) {
  const TempFolder folder;
  GgufBuilder builder;
  builder.Text("text", "x")
      .U32("number", 1)
      .Key("big", 10, Bytes<std::uint64_t>(std::numeric_limits<std::uint64_t>::max()))
      .Key("real", 6, Bytes(1.0F))
      .Key("flag", 7, std::string(1, '\0'))
      .Key("negative", 11, Bytes<std::int64_t>(-1))
      .Array("integers", 4, 0, "")
      .Array("reals", 6, 0, "")
      .Array("flags", 7, 0, "")
      .Array("texts", 8, 0, "");
  const GgufFile file(folder.Write("a.gguf", builder.Build()));
  const std::string at = folder / "a.gguf: ";
  EXPECT_EQ(ErrorOf([&] { file.Integer("none"); }), at + "has no key 'none'");
  EXPECT_EQ(ErrorOf([&] { file.Integer("text"); }),
            at + "key 'text' is a string, expected an integer");
  EXPECT_EQ(ErrorOf([&] { file.Integer("real"); }),
            at + "key 'real' is a number, expected an integer");
  EXPECT_EQ(ErrorOf([&] { file.Integer("big"); }),
            at + "key 'big' is 18446744073709551615, allowed below 2^63");
  EXPECT_EQ(ErrorOf([&] { file.Real("flag"); }), at + "key 'flag' is a bool, expected a number");
  EXPECT_EQ(ErrorOf([&] { file.Bool("number"); }),
            at + "key 'number' is an integer, expected a bool");
  EXPECT_EQ(ErrorOf([&] { file.String("negative"); }),
            at + "key 'negative' is an integer, expected a string");
  EXPECT_EQ(ErrorOf([&] { file.Strings("integers"); }),
            at + "key 'integers' is an array of integers, expected an array of strings");
  EXPECT_EQ(ErrorOf([&] { file.Integers("reals"); }),
            at + "key 'reals' is an array of numbers, expected an array of integers");
  EXPECT_EQ(ErrorOf([&] { file.Reals("flags"); }),
            at + "key 'flags' is an array of bools, expected an array of numbers");
  EXPECT_EQ(ErrorOf([&] { file.Reals("texts"); }),
            at + "key 'texts' is an array of strings, expected an array of numbers");
}

}  // namespace
}  // namespace roundlab
