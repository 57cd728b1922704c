#include "core/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::Pair;
using testing::Safetensors;
using testing::TempFolder;

/// The message, without the path in front, of opening a file of these bytes.
std::string OpenMessage(const std::string& bytes) {
  const TempFolder folder;
  const std::string path = folder.Write("a.safetensors", bytes);
  const std::string message = ErrorOf([&] { SafetensorsFile file(path); });
  EXPECT_EQ(message.substr(0, path.size()), message.empty() ? "" : path);
  return message.empty() ? "" : message.substr(path.size());
}

/// The same for a header with 8 bytes of data behind it.
std::string HeaderMessage(const std::string& header) {
  return OpenMessage(Safetensors(header, std::string(8, '\0')));
}

TEST(SafetensorsTest, ReadsNamesTypesShapesAndBytes) {
  const TempFolder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"U8","shape":[],"data_offsets":[8,9]},)"
      R"("none":{"dtype":"F16","shape":[0,4],"data_offsets":[8,8]}}   )";
  const SafetensorsFile file(
      folder.Write("a.safetensors", Safetensors(header, Bytes<float>({1.5F, -2.0F}) + "\x07")));
  EXPECT_THAT(file.metadata(), ElementsAre(Pair("format", "pt")));
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[0].type, ElementType::kU8);
  EXPECT_EQ(file.tensors()[0].ElementCount(), 1);
  EXPECT_EQ(file.tensors()[2].ElementCount(), 0);
  const TensorView* b = file.Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->file, folder / "a.safetensors");
  EXPECT_THAT(b->shape, ElementsAre(1, 2));
  std::vector<float> values(2);
  DecodeToFloat(*b, values);
  EXPECT_THAT(values, ElementsAre(1.5F, -2.0F));
  EXPECT_EQ(file.Find("c"), nullptr);
}

TEST(SafetensorsTest, KnowsEveryTypeOfTheFormatThatItNames) {
  for (const auto& [name, size] : std::vector<std::pair<std::string, int>>{{"F64", 8},
                                                                           {"F32", 4},
                                                                           {"F16", 2},
                                                                           {"BF16", 2},
                                                                           {"I64", 8},
                                                                           {"I32", 4},
                                                                           {"I16", 2},
                                                                           {"I8", 1},
                                                                           {"U8", 1},
                                                                           {"BOOL", 1}}) {
    const TempFolder folder;
    const std::string header = R"({"w":{"dtype":")" + name + R"(","shape":[3],"data_offsets":[0,)" +
                               std::to_string(3 * size) + "]}}";
    const SafetensorsFile file(
        folder.Write("a.safetensors",
                     Safetensors(header, std::string(static_cast<std::size_t>(3 * size), 'x'))));
    EXPECT_STREQ(ElementTypeName(file.tensors().at(0).type), name.c_str());
  }
}

TEST(SafetensorsTest, FileWithoutTensorsIsFine) {
  EXPECT_EQ(OpenMessage(Safetensors("{}", "")), "");
}

TEST(SafetensorsTest, LengthsThatLieAreErrors) {
  EXPECT_EQ(OpenMessage(""),
            ": truncated: 0 bytes, expected at least the 8 of the header's length");
  EXPECT_EQ(OpenMessage("12345"),
            ": truncated: 5 bytes, expected at least the 8 of the header's length");
  EXPECT_EQ(OpenMessage(Bytes<std::uint64_t>(10) + "{}"),
            ": truncated: header length is 10, but 2 bytes follow");
  EXPECT_EQ(OpenMessage("<!DOCTYPE html>"),
            ": not a safetensors file: header length is 5789751444030890300, allowed at most "
            "100000000");
  EXPECT_EQ(OpenMessage(Bytes(std::numeric_limits<std::uint64_t>::max())),
            ": not a safetensors file: header length is 18446744073709551615, allowed at most "
            "100000000");
}

TEST(SafetensorsTest, HeaderMustBeAJsonObjectWithUniqueKeys) {
  EXPECT_EQ(HeaderMessage(R"({"a":)"), ": header is not JSON: error at byte 6");
  EXPECT_EQ(HeaderMessage("{} x"), ": header is not JSON: error at byte 4");
  EXPECT_EQ(HeaderMessage("{\"\xff\":1}"), ": header is not JSON: error at byte 3");
  EXPECT_EQ(HeaderMessage(R"({"a":1e999})"), ": header holds a number out of range");
  EXPECT_EQ(HeaderMessage("[1]"), ": header is JSON of type array, expected object");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8"},"w":{"dtype":"U8"}})"), ": header has 'w' twice");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8","dtype":"I8"}})"), ": header has 'dtype' twice");
}

TEST(SafetensorsTest, MetadataMustBeStrings) {
  EXPECT_EQ(HeaderMessage(R"({"__metadata__":[]})"),
            ": __metadata__ is JSON of type array, expected object");
  EXPECT_EQ(HeaderMessage(R"({"__metadata__":{"a":1}})"),
            ": __metadata__ 'a' is 1, expected a string");
}

TEST(SafetensorsTest, EntryMustSayDtypeShapeAndOffsets) {
  EXPECT_EQ(HeaderMessage(R"({"w":3})"),
            ": tensor 'w': is JSON of type number, expected object with dtype, shape and "
            "data_offsets");
  EXPECT_EQ(HeaderMessage(R"({"w":{}})"), ": tensor 'w': has no dtype");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8"}})"), ": tensor 'w': has no shape");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8","shape":[8]}})"),
            ": tensor 'w': has no data_offsets");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":8,"shape":[8],"data_offsets":[0,8]}})"),
            ": tensor 'w': dtype is 8, expected a string");
}

TEST(SafetensorsTest, DtypeMustBeKnown) {
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"F6_E2M3","shape":[8],"data_offsets":[0,8]}})"),
            ": tensor 'w': dtype 'F6_E2M3' is not supported (known: BF16, BOOL, F16, F32, F64, "
            "I16, I32, I64, I8, U8)");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})"),
            ": tensor 'w': dtype 'f32' is not supported; did you mean 'F32'? (known: BF16, BOOL, "
            "F16, F32, F64, I16, I32, I64, I8, U8)");
}

TEST(SafetensorsTest, ShapeMustBeSizesThatMultiply) {
  const auto shape = [](const std::string& text) {
    return HeaderMessage(R"({"w":{"dtype":"F32","shape":)" + text + R"(,"data_offsets":[0,8]}})");
  };
  const std::string expected = ", expected an array of integers in [0, 2^63)";
  EXPECT_EQ(shape("2"), ": tensor 'w': shape is 2" + expected);
  EXPECT_EQ(shape("[-2]"), ": tensor 'w': shape is [-2]" + expected);
  EXPECT_EQ(shape("[2.0]"), ": tensor 'w': shape is [2.0]" + expected);
  EXPECT_EQ(shape("[9223372036854775808]"),
            ": tensor 'w': shape is [9223372036854775808]" + expected);
  EXPECT_EQ(shape("[\"" + std::string(90, 'x') + "\"]"),
            ": tensor 'w': shape is [\"" + std::string(78, 'x') + "..." + expected);
  EXPECT_EQ(shape("[4294967296, 4294967296]"),
            ": tensor 'w': shape [4294967296, 4294967296] has more than 2^63 - 1 elements");
  EXPECT_EQ(shape("[9223372036854775807]"),
            ": tensor 'w': shape [9223372036854775807]: 9223372036854775807 elements of F32 are "
            "more bytes than a file can hold");
}

TEST(SafetensorsTest, OffsetsMustFitShapeAndFile) {
  const auto offsets = [](const std::string& text) {
    return HeaderMessage(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":)" + text + "}}");
  };
  EXPECT_EQ(offsets("[0, 8]"), "");
  EXPECT_EQ(offsets("null"),
            ": tensor 'w': data_offsets is null, expected an array of integers in [0, 2^63)");
  EXPECT_EQ(offsets("[0]"), ": tensor 'w': data_offsets is [0], expected [begin, end]");
  EXPECT_EQ(offsets("[8, 0]"), ": tensor 'w': data_offsets is [8, 0], expected [begin, end]");
  EXPECT_EQ(offsets("[0, 7]"),
            ": tensor 'w': F32 of shape [2] takes 8 bytes, data_offsets [0, 7] are 7");
  EXPECT_EQ(offsets("[4, 12]"),
            ": tensor 'w': ends at byte 12 of the data, but the file has 8 (truncated?)");
  EXPECT_EQ(offsets("[9223372036854775799, 9223372036854775807]"),
            ": tensor 'w': ends at byte 9223372036854775807 of the data, but the file has 8 "
            "(truncated?)");
}

TEST(SafetensorsTest, DataMustBeCoveredOnceAndWhole) {
  const auto two = [](const std::string& a, const std::string& b) {
    return HeaderMessage(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}");
  };
  EXPECT_EQ(two("[4,8]", "[0,4]"), "");
  EXPECT_EQ(two("[0,4]", "[0,4]"),
            ": tensor 'b': begins at byte 0 of the data, expected 4, where 'a' ends");
  EXPECT_EQ(two("[0,4]", "[3,7]"),
            ": tensor 'b': begins at byte 3 of the data, expected 4, where 'a' ends");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
            ": tensor 'w': begins at byte 4 of the data, expected 0, where the data begins");
  EXPECT_EQ(HeaderMessage(R"({"w":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}})"),
            ": has 8 bytes of data, expected 7, where 'w' ends");
  EXPECT_EQ(HeaderMessage("{}"), ": has 8 bytes of data, expected 0, where the data begins");
}

TEST(SafetensorsTest, EveryTruncationOfAFileIsAnError) {
  const std::string whole =
      Safetensors(R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", std::string(8, '\0'));
  EXPECT_EQ(OpenMessage(whole), "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(OpenMessage(whole.substr(0, size)), "") << size;
  }
}

TEST(SafetensorsTest, DeeplyNestedHeaderIsAnErrorToo) {
  EXPECT_EQ(HeaderMessage(std::string(100'000, '[')), ": header is not JSON: error at byte 100001");
  EXPECT_EQ(HeaderMessage(std::string(100'000, '[') + std::string(100'000, ']')),
            ": header is JSON of type array, expected object");
  EXPECT_EQ(HeaderMessage("{\"a\":" + std::string(300'000, '[') + std::string(300'000, ']') + "}"),
            ": header has values in one another deeper than 100");
}

}  // namespace
}  // namespace roundlab
