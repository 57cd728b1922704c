#include <gtest/gtest.h>

#include "core/formats/gguf.h"
#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"

namespace roundlab {
namespace {

using testing::Bytes;
using testing::ErrorOf;
using testing::GgufBuilder;
using testing::TempFolder;

/// The message, without "<path>: " in front, of opening a file of these bytes; "" where it opens.
std::string GgufMessage(const std::string& bytes) {
  const TempFolder folder;
  const std::string path = folder.Write("a.gguf", bytes);
  const std::string message = ErrorOf([&] { GgufFile file(path); });
  if (message.empty()) return "";
  EXPECT_EQ(message.substr(0, path.size() + 2), path + ": ");
  return message.substr(path.size() + 2);
}
std::string GgufMessage(const GgufBuilder& builder) { return GgufMessage(builder.Build()); }

TEST(GgufErrorsTest, HeadMustBeThatOfGguf) {
  EXPECT_EQ(GgufMessage(""), "truncated in the magic: 4 bytes expected at offset 0, 0 are left");
  EXPECT_EQ(GgufMessage("GGML12345678"), "not a GGUF file: it does not begin with 'GGUF'");
  EXPECT_EQ(GgufMessage("GGUF"),
            "truncated in the version: 4 bytes expected at offset 4, 0 are left");
  EXPECT_EQ(GgufMessage("GGUF" + Bytes(1U)), "GGUF version is 1, allowed 2 and 3");
  EXPECT_EQ(GgufMessage("GGUF" + Bytes(4U)), "GGUF version is 4, allowed 2 and 3");
  EXPECT_EQ(GgufMessage("GGUF" + Bytes(0U)), "GGUF version is 0, allowed 2 and 3");
  EXPECT_EQ(GgufMessage("GGUF" + std::string("\0\0\0\3", 4)), "big-endian GGUF is not supported");
  EXPECT_EQ(GgufMessage("GGUF" + Bytes(3U)),
            "truncated in the number of tensors: 8 bytes expected at offset 8, 0 are left");
  EXPECT_EQ(GgufMessage("GGUF" + Bytes(3U) + std::string(8, '\0')),
            "truncated in the number of keys: 8 bytes expected at offset 16, 0 are left");
}

TEST(GgufErrorsTest, CountsThatLieAreErrors) {
  GgufBuilder keys;
  keys.key_count = UINT64_MAX;
  EXPECT_EQ(GgufMessage(keys), "truncated in key 0: 8 bytes expected at offset 24, 0 are left");
  GgufBuilder tensors;
  tensors.tensor_count = UINT64_MAX;
  EXPECT_EQ(GgufMessage(tensors),
            "truncated in the name of tensor 0: 8 bytes expected at offset 24, 0 are left");
}

TEST(GgufErrorsTest, StringsLongerThanTheFileAreErrors) {
  GgufBuilder builder;
  builder.key_count = 1;
  EXPECT_EQ(GgufMessage(builder.Build() + Bytes(UINT64_MAX) + "abc"),
            "truncated in key 0: 18446744073709551615 bytes expected at offset 32, 3 are left");
  EXPECT_EQ(GgufMessage(GgufBuilder().Key("k", 8, Bytes<std::uint64_t>(9) + "abc")),
            "truncated in key 'k': 9 bytes expected at offset 45, 3 are left");
}

TEST(GgufErrorsTest, ValuesMustBeOfAKnownTypeAndWhole) {
  EXPECT_EQ(GgufMessage(GgufBuilder().Key("k", 13, "")),
            "key 'k': value type is 13, allowed 0 to 12");
  EXPECT_EQ(GgufMessage(GgufBuilder().Key("k", 7, "\x02")), "key 'k': bool is 2, expected 0 or 1");
  EXPECT_EQ(GgufMessage(GgufBuilder().Key("k", 12, "1234")),
            "truncated in key 'k': 8 bytes expected at offset 37, 4 are left");
  EXPECT_EQ(GgufMessage(GgufBuilder().Text("k", "a").U32("k", 1)), "has key 'k' twice");
}

TEST(GgufErrorsTest, ArraysMustBeFlatAndWhole) {
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 9, 1, Bytes(4U) + Bytes<std::uint64_t>(0))),
            "key 'k': arrays of arrays are not supported");
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 13, 0, "")),
            "key 'k': array element type is 13, allowed 0 to 12");
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 4, UINT64_MAX, "1234")),
            "truncated in key 'k': 18446744073709551615 elements of 4 bytes expected, 4 bytes are "
            "left");
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 8, UINT64_MAX, "")),
            "truncated in key 'k': 8 bytes expected at offset 49, 0 are left");
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 7, 2, "\x01")),
            "truncated in key 'k': 1 bytes expected at offset 50, 0 are left");
  EXPECT_EQ(GgufMessage(GgufBuilder().Array("k", 10, 2, Bytes<std::uint64_t>({1, UINT64_MAX}))),
            "key 'k': element 1 is 18446744073709551615, allowed below 2^63");
}

TEST(GgufErrorsTest, AlignmentMustBeAPowerOfTwo) {
  for (const std::uint32_t alignment : {0U, 24U}) {
    EXPECT_EQ(GgufMessage(GgufBuilder().U32("general.alignment", alignment)),
              "key 'general.alignment': " + std::to_string(alignment) +
                  " is not a power of two below 2^32");
  }
  EXPECT_EQ(
      GgufMessage(GgufBuilder().Key("general.alignment", 10, Bytes<std::uint64_t>(1ULL << 63))),
      "key 'general.alignment': 9223372036854775808 is not a power of two below 2^32");
  EXPECT_EQ(GgufMessage(GgufBuilder().Text("general.alignment", "32")),
            "key 'general.alignment': expected an unsigned integer");
}

TEST(GgufErrorsTest, TensorsMustHaveAShapeThatMultiplies) {
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {1, 1, 1, 1, 1}, 0, "1234")),
            "tensor 'w': has 5 dimensions, allowed at most 4");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {2, 1ULL << 63}, 0, "1234")),
            "tensor 'w': dimension 1 is 9223372036854775808, allowed below 2^63");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {1ULL << 32, 1ULL << 32}, 0, "1234")),
            "tensor 'w': shape [4294967296, 4294967296] has more than 2^63 - 1 elements");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {1ULL << 62}, 0, "1234")),
            "tensor 'w': shape [4611686018427387904]: 4611686018427387904 elements of F32 are more "
            "bytes than a file can hold");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {16, 2}, 2, std::string(18, '\0'))),
            "tensor 'w': shape [2, 16]: 16 elements are not whole Q4_0 blocks of 32");
}

TEST(GgufErrorsTest, TensorsMustBeOfASupportedType) {
  const std::string known =
      " is not supported (known: F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, "
      "Q6_K, IQ4_NL, IQ4_XS, I8, I16, I32, I64, F64, BF16)";
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {256}, 15, "")),
            "tensor 'w': ggml type 15 (Q8_K)" + known);
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {256}, 39, "")),
            "tensor 'w': ggml type 39 (MXFP4)" + known);
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {256}, 99, "")),
            "tensor 'w': ggml type 99" + known);
}

TEST(GgufErrorsTest, TensorsMustLieOneAfterTheOther) {
  const std::string one = Bytes(1.0F);
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one).Tensor("b", {1}, 0, one)), "");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one, 8)),
            "tensor 'a': begins at byte 8 of the data, expected 0, where the data begins");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one).Tensor("b", {1}, 0, one, 0)),
            "tensor 'b': begins at byte 0 of the data, expected 32, where 'a' ends (alignment 32)");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one).Tensor("b", {1}, 0, one, 64)),
            "tensor 'b': begins at byte 64 of the data, expected 32, where 'a' ends (alignment "
            "32)");
  EXPECT_EQ(
      GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one).Tensor("b", {1}, 0, one, UINT64_MAX)),
      "tensor 'b': begins at byte 18446744073709551615 of the data, expected 32, where 'a' "
      "ends (alignment 32)");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("a", {1}, 0, one).Tensor("a", {1}, 0, one)),
            "has tensor 'a' twice");
}

TEST(GgufErrorsTest, TensorsMustBeWithinTheFile) {
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {2}, 0, "1234")),
            "tensor 'w': takes bytes 0 to 8 of the data, but the file has 4 (truncated?)");
  EXPECT_EQ(GgufMessage(GgufBuilder().Tensor("w", {1ULL << 60}, 0, "1234")),
            "tensor 'w': takes bytes 0 to 4611686018427387904 of the data, but the file has 4 "
            "(truncated?)");
}

TEST(GgufErrorsTest, EveryTruncationOfAFileIsAnError) {
  GgufBuilder builder;
  builder.Text("general.architecture", "llama")
      .Array("a", 8, 1, GgufBuilder::String("x"))
      .Tensor("w", {2}, 0, Bytes<float>({1, 2}));
  const std::string whole = builder.Build();
  EXPECT_EQ(GgufMessage(whole), "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(GgufMessage(whole.substr(0, size)), "") << size;
  }
}

}  // namespace
}  // namespace roundlab
