#include "eval/perplexity.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "core/metrics/run_record.h"
#include "core/text/calibration.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

/// Rows of golden/ppl.csv of protocol gptq, each column by its name.
std::vector<std::map<std::string, std::string>> GoldenRows(const std::string& file) {
  std::ifstream in(file);
  const auto split = [](const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    return cells;
  };
  std::string line;
  std::getline(in, line);
  const auto names = split(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(in, line)) {
    const auto cells = split(line);
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < cells.size(); ++i) row[names[i]] = cells[i];
    if (row["protocol"] == "gptq") rows.push_back(row);
  }
  return rows;
}

/// A model of the shared folder with what an evaluator needs.
struct Judge {
  explicit Judge(const std::string& folder)
      : tokenizer(LoadTokenizer(folder)), model(ModelFiles(folder), at::kFloat) {}
  EvalResult Measure(const Perplexity::Options& options) {
    record = RunRecord();
    return Perplexity(options).Evaluate({&model, nullptr, tokenizer.get(), &record, &log}).front();
  }
  std::unique_ptr<Tokenizer> tokenizer;
  LanguageModel model;
  RunRecord record;
  Log log{"", true};
};

Perplexity::Options OptionsOf(const std::map<std::string, std::string>& row) {
  Perplexity::Options options;
  const std::string corpus = row.at("corpus");
  options.data.name = corpus.substr(0, corpus.find('-'));
  if (corpus == "c4-first200") options.documents = 200;
  options.seqlen = std::stoll(row.at("seqlen"));
  return options;
}

class GoldenPerplexityTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenPerplexityTest, FirstWindowTokensAndWindowsAreThoseOfTheTable) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ROUNDLAB_SHARED_OR_SKIP(folder, std::string("models/") + GetParam());
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  Judge judge(folder);
  int rows = 0;
  for (const auto& row : GoldenRows(golden)) {
    if (row.at("model") != GetParam()) continue;
    ++rows;
    Perplexity::Options options = OptionsOf(row);
    options.windows = 1;
    const EvalResult result = judge.Measure(options);
    const std::string where = row.at("corpus") + " " + row.at("seqlen");
    EXPECT_EQ(result.metrics.at("windows_available"), std::stod(row.at("windows_available")))
        << where;
    const auto stream = TokenStream(LoadDataset(options.data, options.documents), *judge.tokenizer);
    EXPECT_EQ(stream.size(), std::stoull(row.at("tokens_total"))) << where;
    EXPECT_EQ(result.provenance.at("tokens_sha256"), TokenFingerprint(stream)) << where;
    // first_window_nll is a mean over the window's scored tokens, printed with 10 digits.
    const double first = std::stod(row.at("first_window_nll"));
    EXPECT_NEAR(std::log(result.metrics.at("perplexity")), first, 1e-5 * first) << where;
  }
  EXPECT_GE(rows, 3);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPerplexityTest,
                         ::testing::Values("TinyStories-656K", "babyllama-tok105", "stories260K"),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST(GoldenPerplexitySumTest, SumOverAllWindowsOfARowIsThatOfTheTable) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ROUNDLAB_SHARED_OR_SKIP(folder, "models/stories260K");
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  Judge judge(folder);
  int rows = 0;
  for (const auto& row : GoldenRows(golden)) {
    if (row.at("model") != "stories260K" || row.at("corpus") != "ptb-valid") continue;
    if (row.at("seqlen") != "256") continue;
    ++rows;
    Perplexity::Options options = OptionsOf(row);
    options.windows = std::stoll(row.at("windows"));
    const EvalResult result = judge.Measure(options);
    const double sum = std::stod(row.at("nll_sum"));
    EXPECT_NEAR(result.metrics.at("nll_sum"), sum, 1e-5 * sum);
    const double perplexity = std::stod(row.at("ppl"));
    EXPECT_NEAR(result.metrics.at("perplexity"), perplexity, 1e-5 * perplexity);
    EXPECT_EQ(result.metrics.at("tokens"), std::stod(row.at("tokens_scored")));
  }
  EXPECT_EQ(rows, 1);
}

class PerplexityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ROUNDLAB_SHARED_OR_SKIP(folder, "models/stories260K");
    judge_ = std::make_unique<Judge>(folder);
    std::string text;
    for (int i = 0; i < 40; ++i) text += "Once there were " + std::to_string(i) + " cats.\n";
    options_.data.path = temp_.Write("t.txt", text);
    options_.data.format = "lines";
    options_.seqlen = 32;
  }
  std::vector<std::int32_t> Encode(const std::string& text) const {
    return judge_->tokenizer->Encode(text, SpecialTokens::kDefault);
  }

  const TempFolder temp_;
  std::unique_ptr<Judge> judge_;
  Perplexity::Options options_;
};

TEST_F(PerplexityTest, StandardErrorIsThatOfTheWindowMeans) {
  const EvalResult result = judge_->Measure(options_);
  const auto& nll = judge_->record.arrays().at("eval/" + options_.data.path + "/nll").values;
  const auto& tokens = judge_->record.arrays().at("eval/" + options_.data.path + "/tokens").values;
  const auto n = static_cast<double>(nll.size());
  ASSERT_GE(nll.size(), 3U);
  EXPECT_EQ(tokens, std::vector<double>(nll.size(), 31.0));
  double mean = 0;
  for (const double value : nll) mean += value / 31 / n;
  double squares = 0;
  for (const double value : nll) squares += (value / 31 - mean) * (value / 31 - mean);
  const double perplexity = std::exp(mean);
  EXPECT_NEAR(result.metrics.at("perplexity"), perplexity, 1e-12 * perplexity);
  EXPECT_NEAR(result.metrics.at("stderr"), perplexity * std::sqrt(squares / (n - 1) / n),
              1e-9 * perplexity);
  EXPECT_NEAR(result.metrics.at("nll_sum"), std::accumulate(nll.begin(), nll.end(), 0.0), 1e-9);
  EXPECT_EQ(result.metrics.at("tokens"), 31 * n);
  EXPECT_EQ(result.metrics.at("windows"), n);
}

TEST_F(PerplexityTest, EachWindowIsScoredByItself) {
  const EvalResult result = judge_->Measure(options_);
  std::string text;
  for (const std::string& document : LoadDataset(options_.data).documents) {
    text += (text.empty() ? "" : " ") + document;
  }
  const auto ids = Encode(text);
  EXPECT_EQ(result.metrics.at("windows_available"), static_cast<double>(ids.size() / 32));
  const auto& nll = judge_->record.arrays().at("eval/" + options_.data.path + "/nll").values;
  const at::Tensor window =
      at::tensor(at::ArrayRef<std::int32_t>(ids).slice(32, 32), at::kInt).to(at::kLong);
  const double expected =
      judge_->model.Nll(window.unsqueeze(0)).to(at::kDouble).sum().item<double>();
  EXPECT_NEAR(nll.at(1), expected, 1e-5 * expected);
}

TEST_F(PerplexityTest, BatchingDoesNotChangeIt) {
  options_.batch_tokens = 32;
  const double one = judge_->Measure(options_).metrics.at("nll_sum");
  options_.batch_tokens = 200;
  EXPECT_NEAR(judge_->Measure(options_).metrics.at("nll_sum"), one, 1e-5 * one);
}

TEST_F(PerplexityTest, JoinAndDocumentsSayWhatTheStreamIs) {
  options_.documents = 5;
  const auto documents = LoadDataset(options_.data, 5).documents;
  ASSERT_EQ(documents.size(), 5U);
  const auto available = [&](const std::string& join) {
    options_.join = join;
    return judge_->Measure(options_).provenance.at("tokens_sha256");
  };
  std::vector<std::int32_t> ids;
  std::string spaced;
  std::string barred;
  for (const std::string& document : documents) {
    const auto own = Encode(document);
    ids.insert(ids.end(), own.begin(), own.end());
    spaced += (spaced.empty() ? "" : " ") + document;
    barred += (barred.empty() ? "" : " | ") + document;
  }
  EXPECT_EQ(available("tokens"), TokenFingerprint(ids));
  EXPECT_EQ(available("default"), TokenFingerprint(Encode(spaced)));
  EXPECT_EQ(available(" | "), TokenFingerprint(Encode(barred)));
}

TEST_F(PerplexityTest, WindowsIsAMost) {
  options_.windows = 2;
  EXPECT_EQ(judge_->Measure(options_).metrics.at("windows"), 2);
  options_.windows = 100000;
  const auto all = judge_->Measure(options_).metrics;
  EXPECT_EQ(all.at("windows"), all.at("windows_available"));
}

TEST_F(PerplexityTest, ErrorsSayWhatIsTooLongOrTooShort) {
  options_.seqlen = 513;
  options_.name = "mine";
  EXPECT_EQ(ErrorOf([&] { judge_->Measure(options_); }),
            "eval mine: seqlen 513 is longer than the model's context of 512");
  options_.seqlen = 32;
  options_.data.path = temp_.Write("short.txt", "Once");
  const auto size = std::to_string(Encode("Once").size());
  EXPECT_EQ(ErrorOf([&] { judge_->Measure(options_); }),
            options_.data.path + ": has " + size + " tokens, fewer than one window of 32");
}

}  // namespace
}  // namespace roundlab
