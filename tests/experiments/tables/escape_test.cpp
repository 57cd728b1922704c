#include "experiments/tables/escape.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

TEST(EscapeTest, MarkdownLeavesWordsAndEscapesWhatMeansMore) {
  EXPECT_EQ(EscapeMarkdown("sign_sgd & adam, R&D, W4 \\ bits ~5"),
            "sign_sgd & adam, R&D, W4 \\ bits ~5");
  EXPECT_EQ(EscapeMarkdown("a|b"), "a\\|b");
  EXPECT_EQ(EscapeMarkdown("a\\|b"), "a\\\\\\|b");
  EXPECT_EQ(EscapeMarkdown("<0.0001 a < b <"), "<0.0001 a < b <");
  EXPECT_EQ(EscapeMarkdown("</b> <!-- <?"), "&lt;/b> &lt;!-- &lt;?");
  EXPECT_EQ(EscapeMarkdown("<b> &lt; *x* `y` [z] _w_ ~~v~~"),
            "&lt;b> &amp;lt; \\*x\\* \\`y\\` \\[z\\] \\_w\\_ \\~\\~v\\~\\~");
  EXPECT_EQ(EscapeMarkdown("one\ntwo"), "one two");
}

TEST(EscapeTest, LatexHasNoBareSpecialCharacter) {
  EXPECT_EQ(EscapeLatex("<a|b> {c} d_e 5% ± Δ †"),
            "\\textless{}a\\textbar{}b\\textgreater{} \\{c\\} d\\_e 5\\% $\\pm$ $\\Delta$ "
            "$\\dagger$");
}

}  // namespace
}  // namespace roundlab
