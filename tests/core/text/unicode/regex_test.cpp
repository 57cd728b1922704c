// Expected matches: Oniguruma 6.9 as the Hugging Face library runs it (tokenizers 0.23.3, Split
// with behavior isolated).
#include "core/text/unicode/regex.h"

#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/unicode/unicode.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

/// The parts of the text joined by "|"; matches in parentheses.
std::string Parts(const TextPattern& pattern, std::string_view text) {
  std::vector<TextPart> parts;
  pattern.Find(text, &parts);
  std::string all;
  for (const TextPart& part : parts) {
    const std::string piece(text.substr(part.begin, part.end - part.begin));
    all += (all.empty() ? "" : "|") + (part.is_match ? "(" + piece + ")" : piece);
  }
  return all;
}
std::string Parts(std::string_view pattern, std::string_view text) {
  return Parts(TextPattern::FromRegex(pattern), text);
}

TEST(RegexTest, EmptyMatchesCountUnlessTheyTouchAMatch) {
  EXPECT_EQ(Parts("a*", "baac"), "()|b|(aa)|c|()");
  EXPECT_EQ(Parts("\\b", "ab c"), "()|ab|()| |()|c|()");
}

TEST(RegexTest, SpacesAreTheWhiteSpaceProperty) {
  EXPECT_EQ(Parts("\\s+", "a\xC2\x85\xE3\x80\x80 b\xE1\xA0\x8E\xE2\x80\x8B\x1C"),
            "a|(\xC2\x85\xE3\x80\x80 )|b\xE1\xA0\x8E\xE2\x80\x8B\x1C");
  EXPECT_EQ(Parts("[^\\S\\n]+", "a \t\n b"), "a|( \t)|\n|( )|b");
  EXPECT_EQ(Parts("\\s+(?!\\S)|\\s+", "a   b  "), "a|(  )|( )|b|(  )");
}

TEST(RegexTest, WordsHaveMarksButInBracketsNoSuperscripts) {
  EXPECT_EQ(Parts("\\w+", "e\xCC\x81_1\xC2\xB2-x"), "(e\xCC\x81_1\xC2\xB2)|-|(x)");
  EXPECT_EQ(Parts("[\\w]+", "e\xCC\x81_1\xC2\xB2-x"), "(e\xCC\x81_1)|\xC2\xB2-|(x)");
}

TEST(RegexTest, RubysOwnMeanings) {
  EXPECT_EQ(Parts("\\h+", "xfFg 9"), "x|(fF)|g |(9)");
  EXPECT_EQ(Parts("\\v", "\n\x0B"), "\n|(\x0B)");
  EXPECT_EQ(Parts("a{,2}b", "aaabb"), "a|(aab)|(b)");
  EXPECT_EQ(Parts("\\d{2}+", "12345"), "(1234)|5");
  EXPECT_EQ(Parts("a?+a|b", "aab"), "(aa)|(b)");
  EXPECT_EQ(Parts("^.", "ab\ncd\n"), "(a)|b\n|(c)|d\n");
  EXPECT_EQ(Parts("a{|{x", "a{|{x"), "(a{)|||({x)");
  EXPECT_EQ(Parts("\\x41|\\u00e9|\\x{1F600}", "A\xC3\xA9\xF0\x9F\x98\x80"),
            "(A)|(\xC3\xA9)|(\xF0\x9F\x98\x80)");
  EXPECT_EQ(Parts("(?i:'s)S", "'SS's"), "('SS)|'s");
  EXPECT_EQ(Parts("(?i:'s)", "'\xC5\xBF"), "('\xC5\xBF)");  // the long s
}

TEST(RegexTest, PropertiesAreThoseOfUnicode16) {
  const auto count = [](const char* pattern, char category) {
    const TextPattern regex = TextPattern::FromRegex(pattern);
    std::vector<TextPart> parts;
    std::int64_t differing = 0;
    for (char32_t c = 0; c < 0x32400; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string text;
      AppendUtf8(c, &text);
      regex.Find(text, &parts);
      differing += parts[0].is_match != (GeneralCategory(c)[0] == category) ? 1 : 0;
    }
    return differing;
  };
  EXPECT_EQ(count("\\p{L}", 'L'), 0);
  EXPECT_EQ(count("[^\\P{N}]", 'N'), 0);
  EXPECT_EQ(count("\\p{^M}|x", 'M'), 0x32400 - 0x800);
  EXPECT_EQ(Parts("\\p{Han}+", "\xE6\xBC\xA2\xE3\x80\x81\xF0\xB1\x8D\x90"),
            "(\xE6\xBC\xA2)|\xE3\x80\x81|(\xF0\xB1\x8D\x90)");
}

TEST(RegexTest, PosixClassesAreTheEscapesOfTheirMeaning) {
  EXPECT_EQ(Parts("[[:space:]]+", "a \t\xC2\x85 b"), "a|( \t\xC2\x85 )|b");
  EXPECT_EQ(Parts("[[:digit:]x]+", "a1x\xD9\xA1-"), "a|(1x\xD9\xA1)|-");
  EXPECT_EQ(Parts("[^[:word:][:space:]]+", "a_1 \xC2\xB2+-b"), "a_1 |(\xC2\xB2+-)|b");
  EXPECT_EQ(Parts("[[:^xdigit:]-]+", "aF-g0"), "aF|(-g)|0");
}

TEST(RegexTest, LiteralsAreTakenAsTheyStand) {
  EXPECT_EQ(Parts(TextPattern::FromString("a.b"), "a.b axb a.ba.b"), "(a.b)| axb |(a.b)|(a.b)");
  EXPECT_EQ(ErrorOf([] { TextPattern::FromString(""); }), "an empty pattern is not supported");
}

TEST(RegexTest, WhatIsNotSupportedIsNamed) {
  const auto error = [](const std::string& pattern) {
    const std::string message = ErrorOf([&] { TextPattern::FromRegex(pattern); });
    const std::string head = "regex '" + pattern + "': ";
    EXPECT_EQ(message.substr(0, head.size()), head);
    return message.size() < head.size() ? message : message.substr(head.size());
  };
  EXPECT_EQ(error("a(b"), "an unclosed group at offset 3 is not supported");
  EXPECT_EQ(error("a)"), "an unopened group at offset 1 is not supported");
  EXPECT_EQ(error("*"), "a quantifier of nothing at offset 0 is not supported");
  EXPECT_EQ(error("[a[^b]]"), "a nested complement at offset 2 is not supported");
  EXPECT_EQ(error("[a[:alpha:]]"), "POSIX class 'alpha' at offset 2 is not supported");
  EXPECT_EQ(error("[a[:space]]"), "POSIX class 'space]]' at offset 2 is not supported");
  EXPECT_EQ(error("[[:space:]-z]"), "a range of classes at offset 10 is not supported");
  EXPECT_EQ(error("[a&&b]"), "an intersection of classes at offset 2 is not supported");
  EXPECT_EQ(error("[b-a]"), "an empty range at offset 4 is not supported");
  EXPECT_EQ(error("[]a]"), "']' at the beginning of a class at offset 1 is not supported");
  EXPECT_EQ(error("[\\s-z]"), "a range of classes at offset 3 is not supported");
  EXPECT_EQ(error("[a"), "an unclosed class at offset 2 is not supported");
  EXPECT_EQ(error("\\p{Foo}"), "property 'Foo' at offset 3 is not supported");
  EXPECT_EQ(error("\\pL"), "a property without braces at offset 2 is not supported");
  EXPECT_EQ(error("\\p{L"), "an unclosed property name at offset 3 is not supported");
  EXPECT_EQ(error("\\1"), "escape '\\1' at offset 1 is not supported");
  EXPECT_EQ(error("[\\A]"), "escape '\\A' in a class at offset 2 is not supported");
  EXPECT_EQ(error("\\xC3"), "an escaped byte at offset 4 is not supported");
  EXPECT_EQ(error("\\x{D800}"), "an escaped code point at offset 7 is not supported");
  EXPECT_EQ(error("(?m:a)"), "this kind of group at offset 0 is not supported");
  EXPECT_EQ(error("a{2}?"), "a lazy exact count at offset 4 is not supported");
  EXPECT_EQ(error("a{1001}"), "a count above 1000 at offset 5 is not supported");
  EXPECT_EQ(error("(?i:\\p{Lu})"), "a cased category without case at offset 10 is not supported");
  EXPECT_EQ(error("(?i:Ss)"), "'ss' without case at offset 6 is not supported");
  EXPECT_EQ(error("(?i:\xC3\x9F)"),
            "a letter beyond ASCII without case at offset 6 is not supported");
  EXPECT_EQ(error("a(?<=b+)"), "lookbehind assertion is not fixed length");
  const std::string deep = std::string(101, '(') + std::string(101, ')');
  EXPECT_EQ(error(deep), "deeper nesting of groups at offset 100 is not supported");
}

}  // namespace
}  // namespace roundlab
