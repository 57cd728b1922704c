#include "core/text/tokenizer/precompiled.h"

#include "core/text/tokenizer/base64.h"
#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

std::string FourBytes(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFFU);
  return bytes;
}

/// Rules for "a" and "b" alone: the children of the root lie at 256 ^ letter, their values at 1, 2.
std::string Charsmap(std::uint32_t value_of_a, std::uint32_t place_of_b) {
  std::vector<std::uint32_t> units(512, 0x80000000);
  units[0] = 256U << 10U;
  units[256 ^ 'a'] = ((256U ^ 'a' ^ 1U) << 10U) | 0x100U | 'a';
  units[1] = 0x80000000 | value_of_a;
  units[256 ^ 'b'] = ((256U ^ 'b' ^ place_of_b) << 10U) | 0x100U | 'b';
  units[2] = 0x80000000 | 3U;
  std::string bytes = FourBytes(static_cast<std::uint32_t>(units.size() * 4));
  for (const std::uint32_t unit : units) bytes += FourBytes(unit);
  return bytes + std::string("AA\0\xC3\xA9\0", 6);
}

std::string Rewritten(const std::string& charsmap, std::string text) {
  NormalizedText stretch{std::move(text), true};
  MakePrecompiled(charsmap, "p")->Apply(&stretch);
  return stretch.text;
}

TEST(PrecompiledTest, CharactersAreReplaced) {
  const std::string charsmap = Charsmap(0, 2);
  EXPECT_EQ(Rewritten(charsmap, "cabby"), "cAA\xC3\xA9\xC3\xA9y");
  EXPECT_EQ(Rewritten(charsmap, ""), "");
  EXPECT_EQ(Rewritten(Charsmap(1, 2), "a"), "A");
  EXPECT_EQ(Rewritten(Charsmap(6, 2), "a"), "");
}

TEST(PrecompiledTest, AShortClusterBecomesWhatItsBeginningDoes) {
  const std::string charsmap = Charsmap(0, 2);
  const std::string accent = "\xCC\x81";  // 2 bytes
  EXPECT_EQ(Rewritten(charsmap, "a" + accent + "c"), "AAc");
  EXPECT_EQ(Rewritten(charsmap, "a" + accent + accent), "AA");
  EXPECT_EQ(Rewritten(charsmap, "a" + accent + accent + accent), "AA" + accent + accent + accent);
  EXPECT_EQ(Rewritten(charsmap, "c" + accent), "c" + accent);
}

TEST(PrecompiledTest, WhatIsMalformedIsRefused) {
  const auto message = [](const std::string& bytes) {
    return ErrorOf([&] { MakePrecompiled(bytes, "p"); });
  };
  EXPECT_EQ(message("\1"), "expected the size of a trie, got 1 bytes");
  EXPECT_EQ(message(FourBytes(0)),
            "expected a trie of 4 bytes a unit within 0 bytes, got a size of 0");
  EXPECT_EQ(message(FourBytes(6) + "12345678"),
            "expected a trie of 4 bytes a unit within 8 bytes, got a size of 6");
  EXPECT_EQ(message(FourBytes(8) + "1234"),
            "expected a trie of 4 bytes a unit within 4 bytes, got a size of 8");
  EXPECT_EQ(message(FourBytes(4) + "1234\xFF"), "text is not UTF-8: byte 0xFF at offset 0");
  const std::string document = R"({"model": {"vocab": [["a", 0]]}, "normalizer":
    {"type": "Precompiled", "precompiled_charsmap": ")";
  const auto read = [&](const std::string& base64) {
    return ErrorOf([&] { TokenizerFromJson(document + base64 + "\"}}", "t"); });
  };
  EXPECT_EQ(read("*"), "t: tokenizer.normalizer.precompiled_charsmap: expected base64");
  EXPECT_EQ(
      read("QUI="),
      "t: tokenizer.normalizer.precompiled_charsmap: expected the size of a trie, got 2 bytes");
  const auto applied = [](const std::string& charsmap, const std::string& text) {
    return ErrorOf([&] { Rewritten(charsmap, text); });
  };
  EXPECT_EQ(applied(Charsmap(4, 2), "a"), "p: no replacement begins at 4");
  EXPECT_EQ(applied(Charsmap(7, 2), "a"), "p: no replacement begins at 7");
  EXPECT_EQ(applied(Charsmap(0, 999), "b"), "p: the trie leads out of itself");
}

TEST(PrecompiledTest, Base64IsPadded) {
  EXPECT_EQ(FromBase64("QUI="), "AB");
  EXPECT_EQ(FromBase64("QUJD"), "ABC");
  EXPECT_EQ(FromBase64("QUI"), std::nullopt);
  EXPECT_EQ(FromBase64("Q*I="), std::nullopt);
}

}  // namespace
}  // namespace roundlab
