#include <c10/util/hash.h>

#include <cmath>
#include <optional>

#include "core/text/data/calibration.h"
#include "eval/wikitext.h"
#include "tests/eval/golden_table.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::CsvRow;
using testing::ExpectCell;
using testing::GoldenTableTest;
using testing::OptionsOfText;
using testing::PplModels;

Perplexity::Options OptionsOf(const CsvRow& row) {
  return OptionsOfText(row.at("corpus"), std::stoll(row.at("seqlen")));
}

class GoldenPerplexityTest : public GoldenTableTest {};

TEST_P(GoldenPerplexityTest, FirstWindowTokensAndWindowsAreThoseOfTheTable) {
  for (const CsvRow& row : Rows("gptq")) {
    SCOPED_TRACE(row.at("corpus") + " " + row.at("seqlen"));
    Perplexity::Options options = OptionsOf(row);
    options.windows = 1;
    if (!CanRun(options)) continue;
    const EvalResult result = judge_->Measure(options);
    EXPECT_EQ(result.metrics.at("windows_available"), std::stod(row.at("windows_available")));
    const auto stream =
        TokenStream(LoadDataset(options.data, options.documents), *judge_->tokenizer);
    EXPECT_EQ(stream.size(), std::stoull(row.at("tokens_total")));
    EXPECT_EQ(judge_->tokenizer->BosId() == stream.front(), row.at("bos") == "1");
    EXPECT_EQ(result.provenance.at("tokens_sha256"), TokenFingerprint(stream));
    ExpectCell(std::log(result.metrics.at("perplexity")), row, "first_window_nll");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPerplexityTest, ::testing::ValuesIn(PplModels("gptq")),
                         testing::GoldenModelName);

class GoldenPerplexitySumTest : public GoldenTableTest {};

TEST_P(GoldenPerplexitySumTest, AllWindowsAreThoseOfTheTable) {
  for (const CsvRow& row : Rows("gptq")) {
    SCOPED_TRACE(row.at("corpus") + " " + row.at("seqlen"));
    Perplexity::Options options = OptionsOf(row);
    options.windows = std::stoll(row.at("windows"));
    if (!CanRun(options)) continue;
    const auto metrics = judge_->Measure(options).metrics;
    EXPECT_EQ(metrics.at("windows"), std::stod(row.at("windows")));
    EXPECT_EQ(metrics.at("tokens"), std::stod(row.at("tokens_scored")));
    ExpectCell(metrics.at("nll_sum"), row, "nll_sum");
    ExpectCell(metrics.at("perplexity"), row, "ppl");
    const auto& nll = judge_->Array(options.Name() + "/nll");
    const auto& tokens = judge_->Array(options.Name() + "/tokens");
    ExpectCell(nll.front() / tokens.front(), row, "first_window_nll");
    ExpectCell(nll.back() / tokens.back(), row, "last_window_nll");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPerplexitySumTest, ::testing::ValuesIn(PplModels("gptq")),
                         testing::GoldenModelName);

class GoldenSlidingTest : public GoldenTableTest {};

TEST_P(GoldenSlidingTest, IsThatOfTheTable) {
  for (const CsvRow& row : Rows("sliding")) {
    SCOPED_TRACE(row.at("corpus") + " " + row.at("seqlen"));
    Perplexity::Options options = OptionsOf(row);
    options.protocol = ProtocolKind::kSliding;
    options.stride = std::stoll(row.at("stride"));
    options.windows = std::stoll(row.at("windows"));
    if (!CanRun(options)) continue;
    const auto metrics = judge_->Measure(options).metrics;
    EXPECT_EQ(metrics.at("windows"), std::stod(row.at("windows")));
    EXPECT_EQ(metrics.at("tokens"), std::stod(row.at("tokens_scored")));
    ExpectCell(metrics.at("nll_sum"), row, "nll_sum");
    ExpectCell(metrics.at("perplexity"), row, "ppl");
    ExpectCell(metrics.at("perplexity_hf_doc"), row, "ppl_hf_doc");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenSlidingTest, ::testing::ValuesIn(PplModels("sliding")),
                         testing::GoldenModelName);

/// What the tables tell of a model's documents: their sums, each of them, or both.
struct RollingCase {
  Perplexity::Options options;
  std::optional<CsvRow> sums;
  json documents;
};

Perplexity::Options RollingOptions(const std::string& corpus, std::int64_t seqlen,
                                   const std::string& harness, std::int64_t documents) {
  Perplexity::Options options = OptionsOfText(corpus, seqlen);
  options.protocol = ProtocolKind::kLmEvalRolling;
  options.version = harness.ends_with("008fc2a") ? Harness::kLmEval03 : Harness::kLmEval04;
  options.documents = documents;
  return options;
}

std::vector<RollingCase> RollingCases(const std::string& model, const std::vector<CsvRow>& rows) {
  std::map<std::string, RollingCase> cases;
  const auto one = [&](const auto& corpus, auto seqlen, const auto& harness, auto count) -> auto& {
    RollingCase& found =
        cases[corpus + " " + std::to_string(seqlen) + " " + harness + " " + std::to_string(count)];
    found.options = RollingOptions(corpus, seqlen, harness, count);
    return found;
  };
  for (const CsvRow& row : rows) {
    one(row.at("corpus"), std::stoll(row.at("seqlen")), row.at("harness"),
        std::stoll(row.at("docs")))
        .sums = row;
  }
  for (const json& line : testing::RollingDocuments()) {
    if (line.at("model") != model) continue;
    const json& documents = line.at("docs");
    one(line.at("corpus").get<std::string>(), line.at("max_length").get<long long>(),
        line.at("harness").get<std::string>(), static_cast<long long>(documents.size()))
        .documents = documents;
  }
  std::vector<RollingCase> all;
  all.reserve(cases.size());
  for (auto& [key, found] : cases) all.push_back(std::move(found));
  return all;
}

class GoldenRollingTest : public GoldenTableTest {
 protected:
  void ExpectDocuments(const RollingCase& golden) const {
    const std::string name = golden.options.Name() + "/document_";
    const auto& nll = judge_->Array(name + "nll");
    ASSERT_EQ(nll.size(), golden.documents.size());
    for (std::size_t i = 0; i < nll.size(); ++i) {
      SCOPED_TRACE(i);
      const json& document = golden.documents.at(i);
      const double expected = -document.at("ll").get<double>();
      EXPECT_NEAR(nll[i], expected, 1e-5 * expected);
      for (const char* count : {"tokens", "words", "bytes"}) {
        if (!document.contains(count)) continue;  // one version tells no tokens
        EXPECT_EQ(judge_->Array(name + count)[i], document.at(count).get<double>()) << count;
      }
    }
  }

  /// target_sha1, of the text that is scored.
  static void ExpectTexts(const RollingCase& golden) {
    const Dataset data = LoadDataset(golden.options.data);
    const bool pages = data.format == DataFormat::kWikitext;
    const auto texts = pages ? WikitextPages(WikitextFile(data.documents)) : data.documents;
    for (std::size_t i = 0; i < golden.documents.size(); ++i) {
      const std::string hash = golden.documents[i].value("target_sha1", "");
      if (hash.size() != 16) continue;
      const std::string text = pages ? DetokenizeWikitext(texts.at(i)) : texts.at(i);
      EXPECT_EQ(c10::sha1(text).str().substr(0, 16), hash) << i;
    }
  }
};

void ExpectSums(const std::map<std::string, double>& metrics, const CsvRow& row) {
  for (const auto& [metric, column] : {std::pair{"tokens", "tokens_scored"},
                                       {"documents", "docs"},
                                       {"words", "words"},
                                       {"bytes", "bytes"}}) {
    if (row.at(column).empty()) continue;
    EXPECT_EQ(metrics.at(metric), std::stod(row.at(column))) << column;
  }
  ExpectCell(metrics.at("perplexity"), row, "ppl");
  for (const char* name : {"nll_sum", "word_perplexity", "byte_perplexity", "bits_per_byte"}) {
    ExpectCell(metrics.at(name), row, name);
  }
}

TEST_P(GoldenRollingTest, IsThatOfTheTablesAndOfEachDocument) {
  for (const RollingCase& golden : RollingCases(GetParam(), Rows("rolling"))) {
    SCOPED_TRACE(golden.options.Name() + " of " + std::to_string(*golden.options.seqlen));
    if (!CanRun(golden.options)) continue;
    const auto metrics = judge_->Measure(golden.options).metrics;
    if (golden.sums) ExpectSums(metrics, *golden.sums);
    if (golden.documents.is_null()) continue;
    ExpectDocuments(golden);
    ExpectTexts(golden);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenRollingTest, ::testing::ValuesIn(PplModels("rolling")),
                         testing::GoldenModelName);

}  // namespace
}  // namespace roundlab
