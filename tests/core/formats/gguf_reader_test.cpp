#include "core/formats/gguf_reader.h"

#include <gtest/gtest.h>

#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"

namespace roundlab {
namespace {

using testing::Bytes;
using testing::ErrorOf;
using testing::GgufBuilder;

GgufReader ReaderOf(const std::string& bytes) {
  return {std::as_bytes(std::span(bytes)), "a.gguf"};
}

TEST(GgufReaderTest, ReadsFrontToBack) {
  const std::string bytes = Bytes<std::uint16_t>(515) + GgufBuilder::String("né") + Bytes(0.5);
  GgufReader reader = ReaderOf(bytes);
  EXPECT_EQ(reader.Scalar<std::uint16_t>("number"), 515);
  EXPECT_EQ(reader.position(), 2U);
  EXPECT_EQ(reader.String("text"), "né");
  EXPECT_EQ(reader.remaining(), 8U);
  EXPECT_EQ(reader.Scalar<double>("real"), 0.5);
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(GgufReaderTest, ValuesKeepTheirKind) {
  const std::string bytes =
      Bytes<std::uint32_t>(1) + Bytes<std::int8_t>(-7) + Bytes<std::uint32_t>(10) +
      Bytes<std::uint64_t>(~0ULL) + Bytes<std::uint32_t>(7) + Bytes<std::uint8_t>(1) +
      Bytes<std::uint32_t>(9) + Bytes<std::uint32_t>(3) + Bytes<std::uint64_t>(2) +
      Bytes<std::int16_t>(-1) + Bytes<std::int16_t>(2);
  GgufReader reader = ReaderOf(bytes);
  EXPECT_EQ(reader.Value("a"), GgufValue(std::int64_t{-7}));
  EXPECT_EQ(reader.Value("b"), GgufValue(std::uint64_t{~0ULL}));
  EXPECT_EQ(reader.Value("c"), GgufValue(true));
  EXPECT_EQ(reader.Value("d"), GgufValue(std::vector<std::int64_t>{-1, 2}));
}

TEST(GgufReaderTest, NothingIsReadPastTheEnd) {
  const std::string three = "abc";
  GgufReader reader = ReaderOf(three);
  EXPECT_EQ(ErrorOf([&] { reader.Scalar<std::uint32_t>("the magic"); }),
            "a.gguf: truncated in the magic: 4 bytes expected at offset 0, 3 are left");
  EXPECT_EQ(reader.position(), 0U);
  const std::string text = Bytes<std::uint64_t>(4) + "abc";
  GgufReader strings = ReaderOf(text);
  EXPECT_EQ(ErrorOf([&] { strings.String("key 0"); }),
            "a.gguf: truncated in key 0: 4 bytes expected at offset 8, 3 are left");
  // A count whose bytes would not fit into 64 bits.
  const std::string array = Bytes<std::uint32_t>(9) + Bytes<std::uint32_t>(10) +
                            Bytes<std::uint64_t>(1ULL << 61) + Bytes<std::uint64_t>(1);
  GgufReader arrays = ReaderOf(array);
  EXPECT_EQ(ErrorOf([&] { arrays.Value("key 'a'"); }),
            "a.gguf: truncated in key 'a': 2305843009213693952 elements of 8 bytes expected, 8 "
            "bytes are left");
}

TEST(GgufReaderTest, ValuesThatLieAreErrors) {
  const auto error = [](const std::string& bytes) {
    return ErrorOf([&] { ReaderOf(bytes).Value("key 'a'"); });
  };
  const std::string array = Bytes<std::uint32_t>(9);
  EXPECT_EQ(error(Bytes<std::uint32_t>(13)), "a.gguf: key 'a': value type is 13, allowed 0 to 12");
  EXPECT_EQ(error(Bytes<std::uint32_t>(7) + Bytes<std::uint8_t>(2)),
            "a.gguf: key 'a': bool is 2, expected 0 or 1");
  EXPECT_EQ(error(array + Bytes<std::uint32_t>(9) + Bytes<std::uint64_t>(0)),
            "a.gguf: key 'a': arrays of arrays are not supported");
  EXPECT_EQ(error(array + Bytes<std::uint32_t>(99) + Bytes<std::uint64_t>(0)),
            "a.gguf: key 'a': array element type is 99, allowed 0 to 12");
  EXPECT_EQ(error(array + Bytes<std::uint32_t>(10) + Bytes<std::uint64_t>(1) +
                  Bytes<std::uint64_t>(1ULL << 63)),
            "a.gguf: key 'a': element 0 is 9223372036854775808, allowed below 2^63");
}

}  // namespace
}  // namespace roundlab
