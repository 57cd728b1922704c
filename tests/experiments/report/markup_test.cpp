#include "experiments/report/markup.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

const std::string kLost = "\xEF\xBF\xBD";

TEST(MarkupTest, NothingOpensATagOrEndsAnAttribute) {
  EXPECT_EQ(Markup("<script>alert('\"&')</script>"),
            "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;");
  EXPECT_EQ(Markup("±|V|\tä\n\xF0\x9F\x90\x8D"), "±|V|\tä\n\xF0\x9F\x90\x8D");
}

TEST(MarkupTest, BytesThatXmlForbidsAreReplacedOneByOne) {
  EXPECT_EQ(Markup(std::string("a\0b\x1b[1m", 7)), "a" + kLost + "b" + kLost + "[1m");
  EXPECT_EQ(Markup("\xff\xc3"), kLost + kLost);
  EXPECT_EQ(Markup("\xc0\xaf"), kLost + kLost);              // overlong "/"
  EXPECT_EQ(Markup("\xe0\x80\xaf"), kLost + kLost + kLost);  // overlong
  EXPECT_EQ(Markup("\xed\xa0\x80"), kLost + kLost + kLost);  // a surrogate
  EXPECT_EQ(Markup("\xef\xbf\xbf"), kLost + kLost + kLost);  // U+FFFF
  EXPECT_EQ(Markup("\xf4\x90\x80\x80z"), kLost + kLost + kLost + kLost + "z");
  EXPECT_EQ(Markup("\xe2\x82<"), kLost + kLost + "&lt;");  // cut off
}

TEST(MarkupTest, ShortenedCountsCharactersNotBytes) {
  EXPECT_EQ(Shortened("äöüß", 4), "äöüß");
  EXPECT_EQ(Shortened("äöüßx", 4), "äöü…");
}

}  // namespace
}  // namespace roundlab
