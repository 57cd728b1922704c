#include "core/base/utf8.h"

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

std::string Checked(std::string_view text) {
  return ErrorOf([&] { CheckUtf8(text); });
}

TEST(Utf8Test, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 37) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, &text);
    EXPECT_EQ(Checked(text), "");
    EXPECT_EQ(text.size(), Utf8Length(text[0]));
    std::size_t position = 0;
    EXPECT_EQ(NextCodePoint(text, &position), c);
    EXPECT_EQ(position, text.size());
    EXPECT_EQ(LastCodePoint("a" + text), c);
  }
}

TEST(Utf8Test, TheFirstBadByteIsNamed) {
  EXPECT_EQ(Checked(""), "");
  EXPECT_EQ(Checked("ab\x80"), "text is not UTF-8: byte 0x80 at offset 2");
  EXPECT_EQ(Checked("\xC0\x80"), "text is not UTF-8: byte 0xC0 at offset 0");
  EXPECT_EQ(Checked("\xC3"), "text is not UTF-8: byte 0xC3 at offset 0");
  EXPECT_EQ(Checked("\xE0\x9F\xBF"), "text is not UTF-8: byte 0xE0 at offset 0");
  EXPECT_EQ(Checked("a\xED\xA0\x80"), "text is not UTF-8: byte 0xED at offset 1");
  EXPECT_EQ(Checked("\xF0\x8F\xBF\xBF"), "text is not UTF-8: byte 0xF0 at offset 0");
  EXPECT_EQ(Checked("\xF4\x90\x80\x80"), "text is not UTF-8: byte 0xF4 at offset 0");
  EXPECT_EQ(Checked("\xF5"), "text is not UTF-8: byte 0xF5 at offset 0");
}

TEST(Utf8Test, IllFormedPartsBecomeOneReplacementEach) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE4\xBD z"), "a" + mark + " z");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98\xE4\xBD\xA0"), mark + "\xE4\xBD\xA0");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\x80\xED\xA0"), mark + mark + mark + mark);
}

}  // namespace
}  // namespace roundlab
