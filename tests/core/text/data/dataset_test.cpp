#include "core/text/data/dataset.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "core/base/hash.h"
#include "core/text/data/catalogue.h"
#include "tests/core/formats/format_files.h"
#include "tests/core/text/data/gzip.h"
#include "tests/support/csv_rows.h"
#include "tests/support/golden_corpus.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Gzip;
using testing::TempFolder;
using Texts = std::vector<std::string>;

Dataset LoadFile(const std::string& path, const std::string& format = "auto",
                 const std::string& field = "text", std::int64_t most = 0) {
  DataSource source;
  source.path = path;
  for (const auto& [value, name] : DataFormatNames()) {
    if (format == name) source.format = value;
  }
  source.field = field;
  return LoadDataset(source, most);
}

TEST(DatasetTest, TextIsOneDocumentAsItIs) {
  const TempFolder folder;
  const std::string text = " a\n\nb\n";
  EXPECT_EQ(LoadFile(folder.Write("a.txt", text)).documents, Texts{text});
  EXPECT_EQ(LoadFile(folder.Write("noname", text)).documents, Texts{text});
}

// As Python's open(): "\r\n" and a lone "\r" end a line, in every format.
TEST(DatasetTest, AllFormatsEndLinesAlike) {
  const std::map<std::string, std::string> texts = {
      {"text", " a\n\nb\n\n"},
      {"wikitext", " = a =\n\n b\n\n\n"},
      {"lines", "a\n b\nc d\n"},
      {"endoftext", "a\nb<|endoftext|>\nc\n\nd\n"},
      {"jsonl", "{\"text\": \"a\\r\\nb\"}\n\n{\"text\": \"c\"}\n"}};
  const TempFolder folder;
  for (const auto& [format, text] : texts) {
    const Texts expected = LoadFile(folder.Write("a", text), format).documents;
    for (const std::string end : {"\r\n", "\r"}) {
      std::string other;
      for (const char c : text) c == '\n' ? other += end : other += c;
      EXPECT_EQ(LoadFile(folder.Write("a", other), format).documents, expected) << format;
    }
  }
  EXPECT_EQ(ReadText(folder.Write("a", "a\r\r\n\n\rb\r")), "a\n\n\n\nb\n");
}

TEST(DatasetTest, AByteOrderMarkAtTheHeadIsNoText) {
  const TempFolder folder;
  const std::string mark = "\xEF\xBB\xBF";
  for (const std::string format : {"text", "lines", "endoftext", "wikitext", "jsonl"}) {
    const std::string text = format == "jsonl" ? "{\"text\": \"a\"}" : "a" + mark + "\nb";
    const Texts plain = LoadFile(folder.Write("a", text), format).documents;
    EXPECT_EQ(LoadFile(folder.Write("a", mark + text), format).documents, plain) << format;
  }
  const std::string alone = folder.Write("a", mark);
  EXPECT_EQ(ErrorOf([&] { LoadFile(alone); }), alone + ": no text in this file");
}

TEST(DatasetTest, LinesAreStrippedAndBlankOnesLeftOut) {
  const TempFolder folder;
  const std::string file = folder.Write("a.txt", " one \r\n\r\n \t\ntwo words\nlast");
  EXPECT_EQ(LoadFile(file, "lines").documents, (Texts{"one", "two words", "last"}));
  EXPECT_EQ(LoadFile(file, "lines", "text", 2).documents, (Texts{"one", "two words"}));
}

TEST(DatasetTest, EndOfTextSeparatesAndStrips) {
  const TempFolder folder;
  const std::string file =
      folder.Write("a.txt", "<|endoftext|>\n one\nline \n<|endoftext|>\n\n<|endoftext|>two");
  EXPECT_EQ(LoadFile(file, "endoftext").documents, (Texts{"one\nline", "two"}));
  EXPECT_EQ(LoadFile(file, "endoftext", "text", 1).documents, (Texts{"one\nline"}));
}

TEST(DatasetTest, WikitextKeepsRowsAsTheHuggingFaceSetDoes) {
  const TempFolder folder;
  const std::string file = folder.Write("a.raw", " \n = Title = \n \n Text . \n\nend");
  const Dataset data = LoadFile(file);
  EXPECT_EQ(data.documents, (Texts{"", " = Title = \n", "", " Text . \n", "", "end\n"}));
  EXPECT_EQ(data.join, "\n\n");
}

TEST(DatasetTest, JsonLinesGiveTheField) {
  const TempFolder folder;
  const std::string file = folder.Write(
      "a.jsonl", "{\"text\": \"one\\n\", \"n\": 1}\r\n\n{\"n\": 2, \"text\": \"\\u00e4\"}\n");
  EXPECT_EQ(LoadFile(file).documents, (Texts{"one\n", "\xc3\xa4"}));
  EXPECT_EQ(LoadFile(folder.Write("b.json", "{\"t\": \"x\"}"), "auto", "t").documents, Texts{"x"});
}

TEST(DatasetTest, JsonLinesErrorsNameFileAndRow) {
  const TempFolder folder;
  const std::string file = folder / "a.jsonl";
  const auto error = [&](const std::string& row, const std::string& field) {
    folder.Write("a.jsonl", "{\"text\": \"x\", \"other\": \"y\"}\n\n" + row + "\n");
    return ErrorOf([&] { LoadFile(file, "auto", field); });
  };
  EXPECT_EQ(error("{\"text\": ", "text"), file + ":3: not JSON: error at byte 10");
  EXPECT_EQ(error(R"({"text": "a \ud83d b"})", "text"),
            file + R"(:3: not JSON: \ud83d is half a surrogate pair, no character)");
  EXPECT_EQ(error(R"({"text": "\uD83D\uDE00 \"\\\uDE00"})", "text"),
            file + R"(:3: not JSON: \uDE00 is half a surrogate pair, no character)");
  EXPECT_EQ(error(R"({"text": "NaN", "n": NaN})", "text"), file + ":3: not JSON: NaN is no number");
  EXPECT_EQ(error(R"({"text": "", "n": [-Infinity]})", "text"),
            file + ":3: not JSON: -Infinity is no number");
  EXPECT_EQ(error("[1]", "text"), file + ":3: expected a JSON object");
  EXPECT_EQ(error("{\"txt\": \"\", \"n\": 1}", "text"),
            file + ":3: no field 'text'; did you mean 'txt'? (known: n, txt)");
  EXPECT_EQ(error("{\"text\": 7}", "text"), file + ":3: field 'text' is not a text");
}

TEST(DatasetTest, AJsonArrayIsToldAsOne) {
  const TempFolder folder;
  for (const std::string text : {"[{\"text\": \"a\"}]", " \n[\n{\"text\": \"a\"}\n]\n", "["}) {
    const std::string file = folder.Write("a.json", text);
    EXPECT_EQ(ErrorOf([&] { LoadFile(file); }),
              file + ": expected a JSON object a line, found an array");
  }
}

TEST(DatasetTest, GzipIsUnpackedAndItsNameCountsWithoutTheEnding) {
  const TempFolder folder;
  const std::string rows = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  EXPECT_EQ(LoadFile(folder.Write("a.jsonl.gz", Gzip(rows))).documents, (Texts{"one", "two"}));
  EXPECT_EQ(LoadFile(folder.Write("A.JSONL.GZ", Gzip(rows))).documents, (Texts{"one", "two"}));
  EXPECT_EQ(LoadFile(folder.Write("B.Json", rows)).documents, (Texts{"one", "two"}));
  EXPECT_EQ(LoadFile(folder.Write("two.gz", Gzip("a ") + Gzip("b"))).documents, Texts{"a b"});
}

TEST(DatasetTest, NothingIsSilentlyEmpty) {
  const TempFolder folder;
  const std::string file = folder.Write("a.txt", " \n\t\n");
  for (const char* format : {"text", "lines", "endoftext", "jsonl", "wikitext"}) {
    EXPECT_EQ(ErrorOf([&] { LoadFile(file, format); }), file + ": no text in this file") << format;
  }
  const std::string empty = folder.Write("b.raw", "");
  EXPECT_EQ(ErrorOf([&] { LoadFile(empty); }), empty + ": no text in this file");
  const std::string row = "{\"text\": \"\"}\n";
  const std::string rows = folder.Write("c.jsonl", row + row);
  EXPECT_EQ(ErrorOf([&] { LoadFile(rows); }), rows + ": no text in this file");
  // Of the first of several nothing can be said.
  const std::string later = folder.Write("d.jsonl", row + "{\"text\": \"a\"}\n");
  EXPECT_EQ(LoadFile(later, "auto", "text", 1).documents, Texts{""});
}

TEST(DatasetTest, TextThatIsNotUtf8IsToldWithItsPlace) {
  const TempFolder folder;
  const std::string file = folder.Write("a.txt", "abc\n\xc3(");
  for (const char* format : {"text", "lines", "endoftext", "wikitext", "jsonl"}) {
    EXPECT_EQ(ErrorOf([&] { LoadFile(file, format); }),
              file + ": text is not UTF-8: byte 0xC3 at offset 4")
        << format;
  }
}

TEST(DatasetTest, FingerprintSeesWhereDocumentsEnd) {
  Dataset a;
  a.documents = {"ab", "c"};
  Dataset b;
  b.documents = {"a", "bc"};
  EXPECT_NE(Fingerprint(a), Fingerprint(b));
  EXPECT_EQ(Fingerprint(a), Sha256Hex("2:ab1:c"));
}

std::string DataErrors(const std::string& yaml, DataUse use = DataUse::kTexts) {
  DataSource source;
  std::vector<Diagnostic> found;
  DataField field(&source, use);
  const ConfigNode root = ParseYaml("data: " + yaml, "a.yaml");
  field.Read(*root.Find("data"), "data", &found);
  return ConfigError(found).what();
}

TEST(DataSourceTest, KeysWithoutASayAreRefused) {
  const std::string formats = "data: field goes with formats jsonl and parquet; this one is ";
  EXPECT_EQ(DataErrors("{path: x.txt, field: f}"), "a.yaml:1:28: " + formats + "text");
  EXPECT_EQ(DataErrors("{path: x.jsonl, field: f, format: lines}"),
            "a.yaml:1:30: " + formats + "lines");
  EXPECT_EQ(DataErrors("{path: x.jsonl.gz, field: f}"), "");
  EXPECT_EQ(DataErrors("{path: x, field: f, format: parquet}"), "");
  EXPECT_EQ(DataErrors("{path: x.jsonl, labels: l}"),
            "a.yaml:1:31: data: labels goes with rows of a task, not with texts");
  EXPECT_EQ(DataErrors("{path: x.jsonl, labels: l}", DataUse::kRows), "");
  EXPECT_EQ(
      DataErrors("{path: x.jsonl, field: f}", DataUse::kRows),
      "a.yaml:1:30: data: field goes with texts: what of a row is read, a task's 'fields' say");
}

TEST(DataSourceTest, NameAndPathExcludeEachOther) {
  const auto errors = [](const std::string& yaml) { return DataErrors(yaml); };
  EXPECT_EQ(errors("{path: x, format: lines}"), "");
  EXPECT_EQ(errors("{path: x, name: ptb}"), "a.yaml:1:7: data: give either name or path");
  EXPECT_EQ(errors("{format: lines}"), "a.yaml:1:7: data: give either name or path");
  EXPECT_EQ(errors("{path: x, split: test}"),
            "a.yaml:1:24: data: split goes with name, not with path");
  const std::string own = " goes with path: a data set has its own";
  EXPECT_EQ(errors("{name: ptb, field: x}"), "a.yaml:1:26: data: field" + own);
  EXPECT_EQ(errors("{name: ptb, format: lines}"), "a.yaml:1:27: data: format" + own);
  EXPECT_EQ(errors("{name: ptb, labels: x}"), "a.yaml:1:27: data: labels" + own);
  EXPECT_EQ(errors("{name: ptb, split: test, format: auto, field: text}"), "");
  EXPECT_EQ(errors("[x]"), "a.yaml:1:7: data: expected a name or {path: FILE}, got a sequence");
  EXPECT_EQ(errors("{path: x, format: line}"),
            "a.yaml:1:25: data.format: unknown value 'line'; did you mean 'lines'? (known: auto, "
            "endoftext, jsonl, lines, parquet, text, wikitext)");
}

std::string Joined(const Dataset& data) {
  std::string text;
  for (std::size_t i = 0; i < data.documents.size(); ++i) {
    text += (i == 0 ? "" : data.join) + data.documents[i];
  }
  return text;
}

/// Columns text_chars, text_sha256 and text of golden/ppl.csv.
TEST(GoldenTextTest, JoinedTextHasTheLengthAndHashOfTheGoldenTable) {
  ROUNDLAB_SHARED_OR_SKIP(table, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(folder, "data");
  ::setenv("ROUNDLAB_DATA", folder.c_str(), 1);
  std::map<std::string, testing::CsvRow> texts;
  for (const testing::CsvRow& row : testing::CsvRows(table)) {
    if (!row.at("text_sha256").empty()) texts.insert({row.at("corpus"), row});
  }
  int read = 0;
  std::string missing;
  for (const auto& [name, row] : texts) {
    SCOPED_TRACE(name);
    const testing::GoldenCorpus corpus = testing::GoldenCorpusOf(name);
    try {
      ResolveData(corpus.data);
    } catch (const Error& error) {
      missing += std::string("\n  ") + error.what();
      continue;
    }
    ++read;
    const Dataset data = LoadDataset(corpus.data, corpus.documents);
    const std::string text = Joined(data);
    std::size_t characters = 0;
    for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    EXPECT_EQ(characters, std::stoull(row.at("text_chars")));
    EXPECT_EQ(Sha256Hex(text).substr(0, 16), row.at("text_sha256"));
    std::smatch documents;
    if (std::regex_search(row.at("text"), documents, std::regex("\\d+"))) {
      EXPECT_EQ(data.documents.size(), std::stoull(documents[0]));
    }
  }
  if (read == 0) GTEST_SKIP() << "no text of golden/ppl.csv is here:" << missing;
}

TEST(CatalogueTest, HasTheNamesThatConfigsRelyOn) {
  for (const char* name : {"wikitext2", "ptb", "c4", "pile", "tinystories"}) {
    const DataEntry& entry = FindData(name);
    EXPECT_FALSE(entry.files.empty()) << name;
    EXPECT_NE(entry.get, "") << name;
    int defaults = 0;
    for (const auto& file : entry.files) defaults += file.split == entry.split;
    EXPECT_GE(defaults, 1) << name;
  }
}

TEST(CatalogueTest, ErrorsSayWhatThereIsAndHowToGetIt) {
  EXPECT_EQ(ErrorOf([] { FindData("wikitext"); }),
            "unknown data 'wikitext'; did you mean 'wikitext2'? (known: arc_challenge, arc_easy, "
            "boolq, c4, hellaswag, lab, lambada_openai, mmlu, openbookqa, pile, piqa, ptb, rte, "
            "tinystories, truthfulqa, wikitext2, winogrande); a file is given as {path: FILE}");
  const TempFolder folder;
  ::setenv("ROUNDLAB_DATA", folder.path().c_str(), 1);
  DataSource source;
  source.name = "ptb";
  EXPECT_EQ(
      ErrorOf([&] { LoadDataset(source); }),
      "data 'ptb' is not at " + folder.path() + "/ptb/ptb.valid.txt; run scripts/prepare_data ptb");
  source.split = "tets";
  EXPECT_EQ(ErrorOf([&] { LoadDataset(source); }),
            "data 'ptb': unknown split 'tets'; did you mean 'test'? (known: test, train, "
            "validation)");
}

}  // namespace
}  // namespace roundlab
