#include "core/text/tokenizer/added_tokens.h"

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

AddedToken Token(const std::string& content, std::int32_t id) {
  AddedToken token;
  token.content = content;
  token.id = id;
  token.normalized = false;
  return token;
}

/// "text" for stretches and "<id:text>" for tokens.
std::string Splits(const AddedTokens& tokens, std::string_view text) {
  std::string all;
  for (const AddedSplit& split : tokens.Split(text, false)) {
    const std::string part(text.substr(split.begin, split.end - split.begin));
    if (!all.empty()) all += "|";
    all += split.id.has_value() ? "<" + std::to_string(*split.id) + ":" + part + ">" : part;
  }
  return all;
}

TEST(AddedTokensTest, LeftmostThenLongestWins) {
  const AddedTokens tokens({Token("ab", 1), Token("abcd", 2), Token("bcde", 3)}, nullptr);
  EXPECT_EQ(Splits(tokens, "xabcdey"), "x|<2:abcd>|ey");
  EXPECT_EQ(Splits(tokens, "abcxbcde"), "<1:ab>|cx|<3:bcde>");
  EXPECT_EQ(Splits(tokens, ""), "");
}

TEST(AddedTokensTest, SingleWordLooksAtItsNeighbours) {
  AddedToken token = Token("the", 1);
  token.single_word = true;
  const AddedTokens tokens({token}, nullptr);
  EXPECT_EQ(Splits(tokens, "the,the the1 _the"), "<1:the>|,|<1:the>| the1 _the");
  EXPECT_EQ(Splits(tokens, "the\xC3\xA9 the\xCC\x81 the\xE2\x80\x8D the."),
            "the\xC3\xA9 the\xCC\x81 the\xE2\x80\x8D |<1:the>|.");
}

TEST(AddedTokensTest, ATokenOfSpaceThatTheOneBeforeTookIsLeftOut) {
  AddedToken tab = Token("\t", 1);
  tab.lstrip = tab.rstrip = true;
  const AddedTokens tokens({tab}, nullptr);
  EXPECT_EQ(tokens.Split("\t\t", false).size(), 1U);
}

TEST(AddedTokensTest, StripsSwallowSpaceOnTheirSide) {
  AddedToken left = Token("L", 1);
  left.lstrip = true;
  AddedToken right = Token("R", 2);
  right.rstrip = true;
  const AddedTokens tokens({left, right}, nullptr);
  EXPECT_EQ(Splits(tokens, "a \t\xC2\xA0L b R \n c"), "a|<1: \t\xC2\xA0L>| b |<2:R \n >|c");
  EXPECT_EQ(Splits(tokens, "R  L"), "<2:R  >|<1:L>");
}

TEST(AddedTokensTest, NormalizedTokensAreLookedForNormalized) {
  AddedToken token = Token("DAY", 1);
  token.normalized = true;
  const auto lowercase = MakeLowercase();
  const AddedTokens tokens({token}, lowercase.get());
  EXPECT_EQ(Splits(tokens, "day"), "day");  // not before normalization
  const std::vector<AddedSplit> splits = tokens.Split("a day", true);
  ASSERT_EQ(splits.size(), 2U);
  EXPECT_EQ(splits[1].id, 1);
  EXPECT_EQ(*tokens.Spelling(1), "day");
  EXPECT_EQ(tokens.Find("DAY"), 1);
}

TEST(AddedTokensTest, TokensThatLookTheSameAreErrors) {
  AddedToken upper = Token("DAY", 1);
  AddedToken lower = Token("day", 2);
  upper.normalized = lower.normalized = true;
  const auto lowercase = MakeLowercase();
  EXPECT_EQ(ErrorOf([&] {
              AddedTokens({upper, lower}, lowercase.get());
            }),
            "two added tokens look for 'day'");
  AddedToken space = Token(" ", 5);
  space.normalized = true;
  const auto strip = MakeStrip(true, true);
  EXPECT_EQ(ErrorOf([&] { AddedTokens({space}, strip.get()); }),
            "added token ' ' (id 5) is empty once normalized");
}

}  // namespace
}  // namespace roundlab
