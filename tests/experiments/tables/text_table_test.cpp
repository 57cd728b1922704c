#include "experiments/tables/text_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

TextTable Example() {
  return {"t_1 & <t>",
          {"method", "W4 \"a\""},
          {{"a|b", "1.5 ± 0.1"}, {"c,d", "2%"}},
          {{0, 1}},
          {"n < 5"}};
}

TEST(TextTableTest, MarkdownPadsAndEscapes) {
  EXPECT_EQ(Example().ToMarkdown(),
            "t_1 & &lt;t>\n\n"
            "| method | W4 \"a\"        |\n"
            "|--------|--------------:|\n"
            "| a\\|b   | **1.5 ± 0.1** |\n"
            "| c,d    | 2%            |\n"
            "\nn < 5\n");
}

TEST(TextTableTest, HeadersAreEscapedAsCellsAre) {
  TextTable table;
  table.header = {"w|g \\ <s>", "x|y"};
  table.rows = {{"4|32", "<s>"}};
  EXPECT_EQ(table.ToMarkdown(),
            "| w\\|g \\ &lt;s> | x\\|y   |\n"
            "|---------------|-------:|\n"
            "| 4\\|32         | &lt;s> |\n");
  EXPECT_THAT(table.ToLatex(),
              ::testing::HasSubstr("w\\textbar{}g \\textbackslash{} \\textless{}s\\textgreater{} "
                                   "& x\\textbar{}y"));
}

TEST(TextTableTest, CsvQuotes) {
  EXPECT_EQ(Example().ToCsv(), "method,\"W4 \"\"a\"\"\"\na|b,1.5 ± 0.1\n\"c,d\",2%\n");
}

TEST(TextTableTest, LatexEscapes) {
  EXPECT_EQ(Example().ToLatex(),
            "\\begin{table}\n\\centering\n\\caption{t\\_1 \\& "
            "\\textless{}t\\textgreater{}}\n\\begin{tabular}{lr}\n"
            "\\toprule\nmethod & W4 \"a\" \\\\\n\\midrule\n"
            "a\\textbar{}b & \\textbf{1.5 $\\pm$ 0.1} \\\\\nc,d & 2\\% "
            "\\\\\n\\bottomrule\n\\end{tabular}\n"
            "\nn \\textless{} 5\n\\end{table}\n");
}

TEST(TextTableTest, AnEmptyFirstCellIsACellOfLatexToo) {
  TextTable table;
  table.header = {"", "a"};
  table.rows = {{"", "1"}};
  EXPECT_NE(table.ToLatex().find("\n & a \\\\\n\\midrule\n & 1 \\\\\n"), std::string::npos)
      << table.ToLatex();
}

TEST(TextTableTest, ARowOfLatexIsNoOptionOfTheOneBefore) {
  TextTable table;
  table.header = {"a", "b"};
  table.rows = {{"[1, 2]", "3"}, {"*", "✗"}};
  EXPECT_NE(table.ToLatex().find("\\midrule\n{}[1, 2] & 3 \\\\\n{}* & $\\times$ \\\\\n"),
            std::string::npos)
      << table.ToLatex();
}

TEST(TextTableTest, HtmlEscapes) {
  EXPECT_EQ(Example().ToHtml(),
            "<table>\n<caption>t_1 &amp; &lt;t&gt;</caption>\n<thead><tr><th scope=\"col\">method"
            "</th><th scope=\"col\">W4 &quot;a&quot;</th></tr></thead>\n<tbody>\n"
            "<tr><th scope=\"row\">a|b</th><td><strong>1.5 ± 0.1</strong></td></tr>\n"
            "<tr><th scope=\"row\">c,d</th><td>2%</td></tr>\n</tbody>\n</table>\n"
            "<p class=\"note\">n &lt; 5</p>\n");
}

TEST(TextTableTest, UnknownFormatNamesTheNearest) {
  EXPECT_EQ(Example().To(ReadTableFormat("csv")), Example().ToCsv());
  EXPECT_EQ(Example().To(ReadTableFormat("html")), Example().ToHtml());
  EXPECT_EQ(ErrorOf([] { ReadTableFormat("latx"); }),
            "unknown table format 'latx'; did you mean 'latex'? (known: csv, html, latex, "
            "markdown)");
}

}  // namespace
}  // namespace roundlab
