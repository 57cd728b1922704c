#include "core/formats/gguf_contents.h"

#include <gtest/gtest.h>

#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"

namespace roundlab {
namespace {

using testing::Bytes;
using testing::ErrorOf;
using testing::GgufBuilder;

GgufContents ContentsOf(const std::string& bytes) {
  return ReadGguf(std::as_bytes(std::span(bytes)), "a.gguf");
}

TEST(GgufContentsTest, TensorsAreSortedAndPointToWhereTheyLie) {
  GgufBuilder builder;
  builder.Tensor("b", {3, 2}, 0, Bytes(std::vector<float>{1, 2, 3, 4, 5, 6}))
      .Tensor("a", {1}, 24, "\x07")
      .Text("general.name", "tiny");
  const std::string bytes = builder.Build();
  const GgufContents contents = ContentsOf(bytes);
  EXPECT_EQ(contents.metadata.at("general.name"), GgufValue(std::string("tiny")));
  ASSERT_EQ(contents.tensors.size(), 2U);
  const auto& [a, b] = std::pair(contents.tensors[0], contents.tensors[1]);
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, ElementType::kI8);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(b.file, "a.gguf");
  const auto offset = [&](const TensorView& tensor) {
    return tensor.bytes.data() - std::as_bytes(std::span(bytes)).data();
  };
  EXPECT_EQ(b.bytes.size(), 24U);
  EXPECT_EQ(offset(b) % 32, 0);
  EXPECT_EQ(offset(a) - offset(b), 32);  // the alignment that is not told
  EXPECT_EQ(bytes[static_cast<std::size_t>(offset(a))], '\x07');
}

TEST(GgufContentsTest, AFileOfNothingButItsHeadIsEmpty) {
  const GgufContents contents = ContentsOf(GgufBuilder().Build());
  EXPECT_TRUE(contents.metadata.empty());
  EXPECT_TRUE(contents.tensors.empty());
}

TEST(GgufContentsTest, NamesAreGivenOnce) {
  GgufBuilder keys;
  keys.U32("k", 1).U32("k", 2);
  EXPECT_EQ(ErrorOf([&] { ContentsOf(keys.Build()); }), "a.gguf: has key 'k' twice");
  GgufBuilder tensors;
  tensors.Tensor("t", {1}, 24, "\x01").Tensor("t", {1}, 24, "\x02");
  EXPECT_EQ(ErrorOf([&] { ContentsOf(tensors.Build()); }), "a.gguf: has tensor 't' twice");
}

TEST(GgufContentsTest, HolesAndOverlapsAreErrors) {
  for (const auto& [second, begins] : {std::pair{64U, "64"}, std::pair{0U, "0"}}) {
    GgufBuilder builder;
    builder.Tensor("a", {8}, 0, std::string(32, '\0'))
        .Tensor("b", {8}, 0, std::string(32, '\0'), second);
    EXPECT_EQ(ErrorOf([&] { ContentsOf(builder.Build()); }),
              std::string("a.gguf: tensor 'b': begins at byte ") + begins +
                  " of the data, expected 32, where 'a' ends (alignment 32)");
  }
}

}  // namespace
}  // namespace roundlab
