#include "core/text/data/rows.h"

#include <gtest/gtest.h>

#include "core/text/data/csv.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

DataSource File(const std::string& path, const std::string& labels = "") {
  DataSource source;
  source.path = path;
  source.labels = labels;
  return source;
}

TEST(CsvTest, QuotesHoldCommasBreaksAndQuotes) {
  const auto rows = ParseCsv("a,\"b, \"\"c\"\"\",\r\n\"two\nlines\",x,y\n\n1,2,3", "f.csv");
  using Cells = std::vector<std::string>;
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].cells, (Cells{"a", "b, \"c\"", ""}));
  EXPECT_EQ(rows[1].cells, (Cells{"two\nlines", "x", "y"}));
  EXPECT_EQ(rows[2].cells, (Cells{"1", "2", "3"}));
  EXPECT_EQ(rows[2].line, 5);
  EXPECT_EQ(ParseCsv("\xEF\xBB\xBF"
                     "a,b\n",
                     "f.csv")
                .at(0)
                .cells.at(0),
            "a");
  EXPECT_TRUE(ParseCsv("", "f.csv").empty());
  EXPECT_EQ(ErrorOf([] { ParseCsv("a\n\"b\nc", "f.csv"); }), "f.csv:2: a quote that does not end");
}

TEST(RowsTest, JsonLinesOrAnArray) {
  const TempFolder folder;
  const Rows lines = LoadRows(File(folder.Write("a.jsonl", "{\"x\": 1}\n\n {\"x\": 2}")));
  ASSERT_EQ(lines.rows.size(), 2U);
  EXPECT_EQ(lines.rows[1].value["x"], 2);
  EXPECT_EQ(lines.rows[1].where, folder / "a.jsonl" + ":3");
  const Rows array = LoadRows(File(folder.Write("a.json", "\n[{\"x\": 1},\n {\"x\": 2}]")));
  EXPECT_EQ(array.rows[1].value, lines.rows[1].value);
  EXPECT_EQ(array.rows[1].where, folder / "a.json" + ": row 2");
  EXPECT_EQ(array.rows[0].value, lines.rows[0].value);
  const Rows marked =
      LoadRows(File(folder.Write("m.json", "\xEF\xBB\xBF[{\"x\": 1},\n {\"x\": 2}]")));
  EXPECT_EQ(marked.rows[1].value, lines.rows[1].value);
}

TEST(RowsTest, WhatJsonHasNotIsToldWithItsLine) {
  const TempFolder folder;
  const std::string lines = folder.Write("a.jsonl", "{\"n\": 1}\r\n{\"n\": Infinity}\r\n");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(lines)); }), lines + ":2: not JSON: Infinity is no number");
  const std::string array = folder.Write("a.json", "[{\"n\": 1},\n\n{\"n\": \"\\udc00\"}]");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(array)); }),
            array + ": line 3: not JSON: \\udc00 is half a surrogate pair, no character");
}

TEST(RowsTest, MmluFolderGivesTheRowsOfTheHuggingFaceSet) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "m");
  folder.Write("m/b_c_test.csv", "\"Q, 2\",1,2,3,4,D\n");
  folder.Write("m/a_test.csv", "Q1,w,x,y,z,B\n");
  const Rows rows = LoadRows(File(folder / "m"));
  ASSERT_EQ(rows.rows.size(), 2U);
  EXPECT_EQ(rows.rows[0].value["subject"], "a");
  EXPECT_EQ(rows.rows[0].value["answer"], 1);
  EXPECT_EQ(rows.rows[1].value.dump(),
            R"({"subject":"b_c","question":"Q, 2","choices":["1","2","3","4"],"answer":3})");
  EXPECT_EQ(rows.rows[1].where, folder / "m/b_c_test.csv" + ":1");
}

TEST(RowsTest, MmluRowsThatDoNotFit) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "m");
  const std::string file = folder.Write("m/a_test.csv", "Q1,w,x,y,z,B\nQ2,w,x,y,z,E\n");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(folder / "m")); }),
            file + ":2: answer is 'E'; expected A, B, C or D");
  folder.Write("m/a_test.csv", "Q1,w,x,B\n");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(folder / "m")); }),
            file + ":1: has 4 cells; expected question, four choices and a letter");
  std::filesystem::remove(file);
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(folder / "m")); }), folder / "m" + ": no rows in it");
}

TEST(RowsTest, LabelsOfAFileOfTheirOwn) {
  const TempFolder folder;
  const std::string rows = folder.Write("a.jsonl", "{\"x\": 1}\n{\"x\": 2}\n");
  const std::string labels = folder.Write("a.lst", "1\n0\n");
  EXPECT_EQ(LoadRows(File(rows, labels)).rows[0].value["label"], "1");
  folder.Write("a.lst", "\xEF\xBB\xBF\n1\n\n0\n");
  EXPECT_EQ(LoadRows(File(rows, labels)).rows[0].value["label"], "1");
  EXPECT_EQ(LoadRows(File(rows, labels)).rows[1].label_where, labels + ":4");
  EXPECT_EQ(LoadRows(File(rows)).rows[1].label_where, "");
  folder.Write("a.lst", "1\n");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(rows, labels)); }),
            labels + ": has 1 labels for the 2 rows of " + rows);
}

TEST(RowsTest, WhatIsWrongNamesFileAndRow) {
  const TempFolder folder;
  const auto error = [&](const std::string& text) {
    const std::string file = folder.Write("a.jsonl", text);
    return ErrorOf([&] { LoadRows(File(file)); }).substr(file.size());
  };
  EXPECT_EQ(error(""), ": no rows in it");
  EXPECT_EQ(error("{}\n3"), ":2: expected a JSON object");
  EXPECT_EQ(error("{}\n{"), ":2: not JSON: error at byte 2");
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_EQ(error("{\"a\": " + deep + "}"), ":1: not JSON: values in one another deeper than 100");
  EXPECT_EQ(error("[1]"), ": row 1: expected a JSON object");
  EXPECT_EQ(error("{\"a\": \"\xff\"}"), ": text is not UTF-8: byte 0xFF at offset 7");
  EXPECT_EQ(ErrorOf([&] { LoadRows(File(folder / "no.jsonl")); }),
            folder / "no.jsonl" + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace roundlab
