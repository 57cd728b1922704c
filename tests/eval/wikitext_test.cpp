#include "eval/wikitext.h"

#include <gtest/gtest.h>

#include "core/base/files.h"
#include "core/text/data/dataset.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using Pages = std::vector<std::string>;

// What Python's re and str make of them by the harness's wikitext_detokenizer.
TEST(WikitextTest, DetokenizedAsTheHarnessDoes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"a 12 @,@ 000 @-@ strong , well @.@ made ; b : c . d ! e ? f",
       "a 12,000-strong, well.made; b: c. d! e? f"},
      {"( a ) [ b ( c ] {  } ( d", "(a) [b ( c] {} ( d"},
      {"( a ( b ) c )", "(a ( b) c )"},
      {"say \" yes \" and ' no ' , dogs ' tails", "say \"yes\" and 'no', dogs' tails"},
      {"the cat 's ears ' s '", "the cat's ears' s'"},
      {" = = = = a = = = = \n = b = ", " ==== a ====\n= b = "},
      {"20 \u00B0 C , N \n N apples", "20\u00B0C, N\nN apples"},
      {"an N body", "an 1 body"},
      {"/' 5/' 6/' 7/", "/'[0-9]/' 6/'[0-9]/"},
      {"(\u00A0\x1C a\u2003)", "(a)"},
      {" a \n \n b ", " a\n\nb "}};
  for (const auto& [page, text] : cases) EXPECT_EQ(DetokenizeWikitext(page), text) << page;
}

// len(re.split(r"\s+", text)).
TEST(WikitextTest, WordsCountEmptyOnesAtTheEnds) {
  EXPECT_EQ(CountWords(""), 1);
  EXPECT_EQ(CountWords("one"), 1);
  EXPECT_EQ(CountWords(" "), 2);
  EXPECT_EQ(CountWords("  one \n two"), 3);
  EXPECT_EQ(CountWords(" \n one \t two \n"), 4);
  EXPECT_EQ(CountWords("a\u00A0b\u2003c\x1F"
                       "d\u200Be"),
            4);
}

TEST(WikitextTest, RowsBecomeTheirFile) {
  EXPECT_EQ(WikitextFile({"", " = A = \n", "", " text \n"}), " \n = A = \n \n text \n");
  EXPECT_EQ(WikitextFile({" = A = \n \n text", " = B = "}), " = A = \n \n text\n = B = \n");
}

TEST(WikitextTest, PagesBeginAtHeadingsOfTheFirstLevel) {
  const std::string first = " = A = \n \n text \n = = part = = \n more = \n ";
  const std::string second = " = 1 rad / s = \n = = = deep = = = \n";
  EXPECT_EQ(WikitextPages(" \n" + first + "\n" + second), (Pages{first, second}));
  EXPECT_EQ(WikitextPages("text\n = A = "), (Pages{"text", " = A = "}));
  EXPECT_EQ(WikitextPages("= A ="), (Pages{"= A ="}));
  EXPECT_EQ(WikitextPages("no heading\n"), (Pages{"no heading\n"}));
  EXPECT_EQ(WikitextPages(" \n \n"), Pages{});
  EXPECT_EQ(WikitextPages("= \n ="), (Pages{"= \n ="}));
}

TEST(WikitextTest, TheTestFileHas62Pages) {
  ROUNDLAB_SHARED_OR_SKIP(path, "data/wikitext-2-raw/wiki.test.raw");
  DataSource source;
  source.path = path;
  const std::string file = WikitextFile(LoadDataset(source).documents);
  EXPECT_EQ(file, ReadFile(path));
  const Pages pages = WikitextPages(file);
  ASSERT_EQ(pages.size(), 62U);
  std::size_t bytes = 0;
  for (const std::string& page : pages) bytes += page.size();
  // All of the file but its first line, " \n", and the newline in front of each later page.
  EXPECT_EQ(bytes, file.size() - 2 - 61);
}

}  // namespace
}  // namespace roundlab
