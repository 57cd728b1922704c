#include "experiments/tables/terminal_table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "experiments/tables/text_width.h"

namespace roundlab {
namespace {

std::size_t LongestLine(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, TextWidth(line));
  return longest;
}

TextTable Overview() {
  TextTable table;
  table.title = "Overview";
  table.header = {"run"};
  for (const char* name : {"wikitext2/perplexity", "piqa/acc", "cost/seconds"}) {
    table.header.emplace_back(name);
  }
  table.rows = {{"W4|G32, signround", "38.757 ± 0.043 (n=3)", "0.71", "12.0"},
                {"W4G32, rtn", "41.2", "-", "0.5"}};
  table.best = {{0, 1}};
  return table;
}

TEST(TerminalTableTest, WhatFitsStandsInOneBlock) {
  EXPECT_EQ(TerminalTable(Overview(), 80),
            "Overview\n\n"
            "                                          piqa/    cost/\n"
            "run                 wikitext2/perplexity    acc  seconds\n"
            "-----------------  ---------------------  -----  -------\n"
            "W4|G32, signround  *38.757 ± 0.043 (n=3)   0.71     12.0\n"
            "W4G32, rtn                          41.2      -      0.5\n"
            "\n* the best of its column\n");
}

TEST(TerminalTableTest, NoLineIsWiderThanTheTerminal) {
  TextTable table = Overview();
  table.notes = {"a note that is longer than a narrow terminal is wide, and so is broken"};
  for (int i = 0; i < 12; ++i) {
    table.header.push_back("metric" + std::to_string(i) + "/perplexity_of_words");
    for (auto& row : table.rows) row.push_back("123.456 ± 0.789 (n=3)");
  }
  table.rows.push_back({"a label without any place to break it in the whole of its length"});
  table.rows.push_back({"averylongwordthatnothingcanbreakbetweenitsletters", "x"});
  for (const std::size_t width : {24U, 40U, 80U, 200U}) {
    EXPECT_LE(LongestLine(TerminalTable(table, width)), width) << width;
  }
  // Nothing is lost.
  const std::string text = TerminalTable(table, 80);
  EXPECT_NE(text.find("metric11/"), std::string::npos) << text;
}

TEST(TerminalTableTest, AnEmptyTableIsItsTitleAndHeader) {
  TextTable table;
  table.title = "t";
  table.header = {"run"};
  EXPECT_EQ(TerminalTable(table, 80), "t\n\nrun\n---\n");
}

}  // namespace
}  // namespace roundlab
