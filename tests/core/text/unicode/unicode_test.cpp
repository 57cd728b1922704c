// Expected values: what the Hugging Face library does with these code points (tokenizers 0.23.3).
#include "core/text/unicode/unicode.h"

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

template <typename Predicate>
std::int64_t Count(const Predicate& predicate) {
  std::int64_t count = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c < 0xD800 || c > 0xDFFF) count += predicate(c) ? 1 : 0;
  }
  return count;
}

TEST(UnicodeTest, ClassesHaveTheLibrarysSizes) {
  EXPECT_EQ(Count(IsWhiteSpace), 25);
  EXPECT_EQ(Count(IsWord), 144667);
  EXPECT_EQ(Count(IsNumeric), 1924);
  EXPECT_EQ(Count(IsPunctuation), 726);
  EXPECT_EQ(Count([](char32_t c) { return GeneralCategory(c)[0] == 'L'; }), 141028);
  EXPECT_EQ(Count([](char32_t c) { return GeneralCategory(c)[0] == 'M'; }), 2501);
}

TEST(UnicodeTest, CategoriesAreThoseOfUnicode16) {
  EXPECT_EQ(GeneralCategory(0x897), "Mn");
  EXPECT_EQ(GeneralCategory(0x1C89), "Lu");
  EXPECT_EQ(GeneralCategory(0x11BF0), "Nd");
  EXPECT_EQ(GeneralCategory(0x1171E), "Mc");
  EXPECT_EQ(GeneralCategory(0x10FFFF), "Cn");
}

TEST(UnicodeTest, LowercaseKnowsUnicode17AndTheDottedI) {
  const auto lower = [](char32_t c) {
    std::string text;
    AppendLowercase(c, &text);
    return text;
  };
  EXPECT_EQ(lower('A'), "a");
  EXPECT_EQ(lower(0x130), "i\xCC\x87");
  EXPECT_EQ(lower(0xA7CC), "\xEA\x9F\x8D");
  EXPECT_EQ(lower(0xA7CD), "\xEA\x9F\x8D");
  EXPECT_EQ(lower(0x10D50), "\xF0\x90\xB5\xB0");
}

TEST(UnicodeTest, NormalFormsAreThoseOfUnicode9) {
  const auto nfc = [](const char* text) { return NormalizeUnicode(text, NormalForm::kNfc); };
  const auto nfkc = [](const char* text) { return NormalizeUnicode(text, NormalForm::kNfkc); };
  EXPECT_EQ(nfc("e\xCC\x81 \xE1\x84\x80\xE1\x85\xA1"), "\xC3\xA9 \xEA\xB0\x80");
  EXPECT_EQ(NormalizeUnicode("\xC3\xA9", NormalForm::kNfd), "e\xCC\x81");
  EXPECT_EQ(nfkc("\xEF\xAC\x81"), "fi");
  EXPECT_EQ(NormalizeUnicode("\xEF\xAC\x81", NormalForm::kNfkd), "fi");
  EXPECT_EQ(nfkc("\xE3\x8B\xBF"), "\xE3\x8B\xBF");  // U+32FF came with Unicode 12.1
  // U+08D3 has had a combining class since Unicode 11: marks behind it stay where they are.
  EXPECT_EQ(nfc("e\xE0\xA3\x93\xCC\x81"), "e\xE0\xA3\x93\xCC\x81");
}

}  // namespace
}  // namespace roundlab
