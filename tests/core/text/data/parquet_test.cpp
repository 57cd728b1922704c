#include "core/text/data/parquet.h"

#include <gtest/gtest.h>

#include <sstream>

#include "core/text/data/dataset.h"
#include "core/text/data/rows.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/source_folder.h"

// The files of parquet/ and their rows are pyarrow's: make_parquet_files.py.

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::ReadAll;
using testing::TempFolder;
using Texts = std::vector<std::string>;

std::string FileOf(const std::string& name) {
  return testing::SourceFolder() + "/tests/core/text/data/parquet/" + name;
}

Texts RowTexts(const std::string& path, const Texts& fields = {}, std::size_t most = 100) {
  Texts rows;
  ForParquetRows(path, fields, [&](std::string_view json, std::int64_t row) {
    rows.emplace_back(json);
    EXPECT_EQ(row, static_cast<std::int64_t>(rows.size()));
    return rows.size() < most;
  });
  return rows;
}

Texts LinesOf(const std::string& path) {
  std::istringstream text(ReadAll(path));
  Texts lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

class ParquetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ReadsParquet()) GTEST_SKIP() << "needs Apache Arrow: run scripts/setup --parquet";
  }
};

TEST_F(ParquetTest, EveryTypeGivesTheJsonOfPyarrow) {
  const Texts rows = RowTexts(FileOf("types.parquet"));
  const Texts expected = LinesOf(FileOf("types.jsonl"));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows, expected);
}

TEST_F(ParquetTest, RowsOfTheHubKeepStructsAndListsOverRowGroups) {
  const Texts rows = RowTexts(FileOf("hub.parquet"));
  EXPECT_EQ(rows, LinesOf(FileOf("hub.jsonl")));
  EXPECT_EQ(rows.at(4), R"({"id":"row4","question":"Which is 4?","choices":{"text":["4","not 4"],)"
                        R"("label":["A","B"]},"answerKey":"A"})");
}

TEST_F(ParquetTest, FieldsChooseWholeColumnsInTheOrderOfTheFile) {
  EXPECT_EQ(RowTexts(FileOf("hub.parquet"), {"answerKey", "choices"}).front(),
            R"({"choices":{"text":["0","not 0"],"label":["A","B"]},"answerKey":"A"})");
  EXPECT_EQ(RowTexts(FileOf("bytes.parquet"), {"text"}), Texts{R"({"text":"a"})"});
}

TEST_F(ParquetTest, FalseEndsTheReading) {
  EXPECT_EQ(RowTexts(FileOf("hub.parquet"), {"id"}, 3),
            (Texts{R"({"id":"row0"})", R"({"id":"row1"})", R"({"id":"row2"})"}));
}

TEST_F(ParquetTest, AFileWithoutRowsGivesNone) {
  EXPECT_EQ(RowTexts(FileOf("empty.parquet")), Texts{});
}

TEST_F(ParquetTest, ErrorsOfFilesNameTheFile) {
  const TempFolder folder;
  const std::string good = ReadAll(FileOf("hub.parquet"));
  const auto error = [&](const std::string& bytes) {
    const std::string file = folder.Write("a.parquet", bytes);
    const std::string what = ErrorOf([&] { RowTexts(file); });
    EXPECT_EQ(what.find(file + ": "), 0U) << what;
    return what.substr(file.size() + 2);
  };
  EXPECT_EQ(error("{\"text\": \"a\"}"), "not a Parquet file (it does not begin with 'PAR1')");
  EXPECT_EQ(error(""), "not a Parquet file (it does not begin with 'PAR1')");
  EXPECT_EQ(error(good.substr(0, good.size() - 1)),
            "this Parquet file is cut off (it does not end with 'PAR1')");
  EXPECT_EQ(error("PAR1"),
            "broken Parquet file: Parquet file size is 4 bytes, smaller than the minimum file "
            "footer (8 bytes)");
  EXPECT_EQ(error("PAR1\xff\xff\x01\x01PAR1").find("broken Parquet file: "), 0U);
  const std::string none = folder / "none.parquet";
  EXPECT_EQ(ErrorOf([&] { RowTexts(none); }), none + ": cannot open: No such file or directory");
}

TEST_F(ParquetTest, DamagedPagesAreErrorsNotRows) {
  const TempFolder folder;
  const std::string good = ReadAll(FileOf("hub.parquet"));
  const Texts expected = LinesOf(FileOf("hub.jsonl"));
  int errors = 0;
  for (std::size_t at = 4; at + 8 < good.size(); at += 41) {
    std::string bytes = good;
    bytes.replace(at, 4, "\xff\xff\xff\xff");
    const std::string file = folder.Write("a.parquet", bytes);
    const std::string what = ErrorOf([&] { RowTexts(file); });
    EXPECT_TRUE(what.empty() || what.find(file) == 0) << what;
    errors += !what.empty();
  }
  EXPECT_GT(errors, 10);
}

TEST_F(ParquetTest, ErrorsOfFieldsNameTheFieldAndTheRow) {
  const std::string hub = FileOf("hub.parquet");
  EXPECT_EQ(ErrorOf([&] { RowTexts(hub, {"answerkey"}); }),
            hub +
                ": no field 'answerkey'; did you mean 'answerKey'? (known: answerKey, choices, "
                "id, question)");
  const std::string image = FileOf("bytes.parquet");
  EXPECT_EQ(ErrorOf([&] { RowTexts(image); }),
            image + ":1: field 'image': JSON has no form for the type binary");
  const std::string text = FileOf("ill_formed.parquet");
  EXPECT_EQ(ErrorOf([&] { RowTexts(text); }),
            text + ":2: field 'text': text is not UTF-8: byte 0xC3 at offset 3");
}

Dataset LoadField(const std::string& path, const std::string& field, std::int64_t most = 0) {
  DataSource source;
  source.path = path;
  source.field = field;
  return LoadDataset(source, most);
}

TEST_F(ParquetTest, ADatasetTakesTheFieldByTheNameOfTheFile) {
  const Dataset data = LoadField(FileOf("hub.parquet"), "question", 3);
  EXPECT_EQ(data.documents, (Texts{"Which is 0?", "Which is 1?", "Which is 2?"}));
  EXPECT_EQ(data.join, "\n\n");
}

TEST_F(ParquetTest, ADatasetNeedsAFieldOfTexts) {
  const std::string types = FileOf("types.parquet");
  EXPECT_EQ(ErrorOf([&] { LoadField(types, "int8"); }), types + ":1: field 'int8' is not a text");
  EXPECT_EQ(ErrorOf([&] { LoadField(types, "string"); }),
            types + ":3: field 'string' is not a text");
  const std::string empty = FileOf("empty.parquet");
  EXPECT_EQ(ErrorOf([&] { LoadField(empty, "text"); }), empty + ": no text in this file");
}

TEST_F(ParquetTest, RowsOfATaskAreThoseOfTheJsonLines) {
  DataSource source;
  source.path = FileOf("hub.parquet");
  const Rows rows = LoadRows(source);
  ASSERT_EQ(rows.rows.size(), 5U);
  EXPECT_EQ(rows.rows[4].value["choices"]["text"][1], "not 4");
  EXPECT_EQ(rows.rows[4].where, source.path + ":5");
  source.path = FileOf("hub.jsonl");
  const Rows lines = LoadRows(source);
  ASSERT_EQ(lines.rows.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(rows.rows[i].value, lines.rows[i].value) << i;
  source.path = FileOf("empty.parquet");
  EXPECT_EQ(ErrorOf([&] { LoadRows(source); }), source.path + ": no rows in it");
}

}  // namespace
}  // namespace roundlab
