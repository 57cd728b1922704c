#include "core/formats/gguf_decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <stdexcept>

#include "tests/core/formats/format_files.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

constexpr ElementType kBlockTypes[] = {
    ElementType::kQ4_0, ElementType::kQ4_1, ElementType::kQ5_0,   ElementType::kQ5_1,
    ElementType::kQ8_0, ElementType::kQ2_K, ElementType::kQ3_K,   ElementType::kQ4_K,
    ElementType::kQ5_K, ElementType::kQ6_K, ElementType::kIQ4_NL, ElementType::kIQ4_XS};

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::vector<float> DecodeBlocks(ElementType type, const std::string& bytes) {
  const BlockLayout layout = LayoutOf(type);
  std::vector<float> out(bytes.size() / static_cast<std::size_t>(layout.bytes) *
                         static_cast<std::size_t>(layout.elements));
  DecodeBlocks(type, std::as_bytes(std::span(bytes)), out);
  return out;
}

// The three by hand: bytes and the weights they were made of.
TEST(GgufDecodeTest, BlocksByHand) {
  const std::string nibbles = "00112233445566778899aabbccddeeff";
  const std::vector<float> q4_0 = DecodeBlocks(ElementType::kQ4_0, FromHex("0038" + nibbles));
  const std::vector<float> q4_1 = DecodeBlocks(ElementType::kQ4_1, FromHex("003800c0" + nibbles));
  const std::vector<float> q8_0 =
      DecodeBlocks(ElementType::kQ8_0,
                   FromHex("003c81899199a1a9b1b9c0c8d0d8e0e8f0f8000810182028303840474f575f676f77"));
  for (int j = 0; j < 32; ++j) {
    const auto i = static_cast<std::size_t>(j);
    EXPECT_EQ(q4_0[i], static_cast<float>(j % 16 - 8) / 2) << j;
    EXPECT_EQ(q4_1[i], static_cast<float>(j % 16) / 2 - 2) << j;
    EXPECT_NEAR(q8_0[i], (j - 16) * 127.0 / 16, 0.5) << j;
  }
}

TEST(GgufDecodeTest, EqualsGgufPyBitForBit) {
  std::ifstream golden(testing::SourceFolder() + "/tests/core/formats/ggml_blocks.txt");
  std::string line;
  ASSERT_TRUE(std::getline(golden, line)) << "the header";
  std::set<std::string> seen;
  std::string name;
  std::string bytes;
  std::string values;
  while (golden >> name >> bytes >> values) {
    for (const ElementType type : kBlockTypes) {
      if (ElementTypeName(type) != name) continue;
      seen.insert(name);
      EXPECT_EQ(testing::Bytes(DecodeBlocks(type, FromHex(bytes))), FromHex(values)) << name;
    }
  }
  EXPECT_EQ(seen.size(), std::size(kBlockTypes));
}

TEST(GgufDecodeTest, BrokenBlocksAreAProgrammersError) {
  const std::string bytes(18, '\0');
  std::vector<float> out(31);
  EXPECT_THROW(DecodeBlocks(ElementType::kQ4_0, std::as_bytes(std::span(bytes)), out),
               std::logic_error);
  EXPECT_THROW(DecodeBlocks(ElementType::kF32, std::as_bytes(std::span(bytes)), out),
               std::logic_error);
}

}  // namespace
}  // namespace roundlab
