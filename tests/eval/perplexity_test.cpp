#include "eval/perplexity.h"

#include <cmath>
#include <numeric>

#include "core/base/statistics.h"
#include "core/text/data/calibration.h"
#include "tests/eval/judge.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Judge;

class PerplexityTest : public testing::SmallTextTest {
 protected:
  void SetUp() override {
    SmallTextTest::SetUp();
    options_.data = data_;
    options_.seqlen = 32;
  }
  Perplexity::Options options_;
};

TEST_F(PerplexityTest, StandardErrorIsThatOfTheWindowMeans) {
  const EvalResult result = judge_->Measure(options_);
  const auto& nll = judge_->Array(options_.data.path + "/nll");
  const auto& tokens = judge_->Array(options_.data.path + "/tokens");
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
  const auto& nll = judge_->Array(options_.data.path + "/nll");
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

TEST_F(PerplexityTest, BatchingDoesNotChangeWindowsOfUnequalLength) {
  std::string text;
  for (int i = 1; i < 12; ++i)
    text += std::string(static_cast<std::size_t>(7 * i % 23), 'o') + "\n";
  options_.data.path = temp_.Write("lengths.txt", text);
  options_.protocol = ProtocolKind::kLmEvalRolling;
  options_.seqlen = 8;
  options_.batch_tokens = 1;
  judge_->Measure(options_);
  const std::vector<double> alone = judge_->Array(options_.Name() + "/nll");
  const std::vector<double> documents = judge_->Array(options_.Name() + "/document");
  ASSERT_GE(alone.size(), 15U);
  for (const std::int64_t tokens : {16, 40, 1000}) {
    options_.batch_tokens = tokens;
    judge_->Measure(options_);
    const auto& nll = judge_->Array(options_.Name() + "/nll");
    ASSERT_EQ(nll.size(), alone.size());
    for (std::size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(nll[i], alone[i], 1e-5 * alone[i]);
    EXPECT_EQ(judge_->Array(options_.Name() + "/document"), documents);
  }
}

TEST_F(PerplexityTest, SlidingScoresTheNewTokensOfEachWindow) {
  options_.protocol = ProtocolKind::kSliding;
  options_.seqlen = 24;
  options_.stride = 9;
  const auto metrics = judge_->Measure(options_).metrics;
  const auto ids = TokenStream(LoadDataset(options_.data), *judge_->tokenizer);
  double sum = 0;
  double weighted = 0;
  double weights = 0;
  for (std::size_t begin = 0, reached = 1; reached < ids.size(); begin += 9) {
    const std::size_t end = std::min(begin + 24, ids.size());
    const auto at = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto nll = Nll({at, at + static_cast<std::ptrdiff_t>(end - begin)});
    const std::size_t fresh = end - reached;
    const double own =
        std::accumulate(nll.end() - static_cast<std::ptrdiff_t>(fresh), nll.end(), 0.0);
    sum += own;
    // The script takes one off for the shift, also where nothing is shifted out.
    const auto weight = static_cast<double>(begin == 0 ? fresh : fresh - 1);
    weighted += weight * own / static_cast<double>(fresh);
    weights += weight;
    reached = end;
  }
  const auto scored = static_cast<double>(ids.size() - 1);
  EXPECT_EQ(metrics.at("tokens"), scored);
  EXPECT_NEAR(metrics.at("nll_sum"), sum, 1e-5 * sum);
  EXPECT_NEAR(metrics.at("perplexity"), std::exp(sum / scored), 1e-5 * std::exp(sum / scored));
  EXPECT_NEAR(metrics.at("perplexity_hf_doc"), std::exp(weighted / weights),
              1e-5 * std::exp(weighted / weights));
}

TEST_F(PerplexityTest, LlamaCppScoresSecondHalvesAndSpreadOfTokens) {
  options_.protocol = ProtocolKind::kLlamaCpp;
  options_.join = {DocumentJoin::Kind::kText, "\n"};
  const auto metrics = judge_->Measure(options_).metrics;
  std::string text;
  for (const std::string& line : LoadDataset(options_.data).documents) text += line + "\n";
  text.pop_back();
  auto ids = Encode(text);
  double sum = 0;
  double squares = 0;
  double count = 0;
  for (std::size_t begin = 0; begin + 32 <= ids.size(); begin += 32) {
    ids[begin] = *judge_->tokenizer->BosId();
    const auto at = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto nll = Nll({at, at + 32});
    for (std::size_t i = 16; i < 31; ++i) {  // of tokens 17 to 31
      sum += nll[i];
      squares += nll[i] * nll[i];
      ++count;
    }
  }
  EXPECT_EQ(metrics.at("tokens"), count);
  EXPECT_NEAR(metrics.at("nll_sum"), sum, 1e-5 * sum);
  const double mean = sum / count;
  EXPECT_NEAR(metrics.at("perplexity"), std::exp(mean), 1e-5 * std::exp(mean));
  const double error = std::exp(mean) * std::sqrt((squares / count - mean * mean) / (count - 1));
  EXPECT_NEAR(metrics.at("stderr"), error, 1e-4 * error);
}

TEST_F(PerplexityTest, RollingGivesFiguresAWordAByteAndADocument) {
  options_.protocol = ProtocolKind::kLmEvalRolling;
  options_.documents = 7;
  options_.version = Harness::kLmEval03;
  const auto metrics = judge_->Measure(options_).metrics;
  double sum = 0;
  double tokens = 0;
  double bytes = 0;
  const auto& nll = judge_->Array(options_.Name() + "/document_nll");
  ASSERT_EQ(nll.size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) {
    const std::string document = "Once there were " + std::to_string(i) + " cats.";
    auto ids = Encode(document, SpecialTokens::kNone);
    ids.insert(ids.begin(), *judge_->tokenizer->EosId());
    const auto own = Nll(ids);
    EXPECT_NEAR(nll[i], std::accumulate(own.begin(), own.end(), 0.0), 1e-5 * nll[i]);
    EXPECT_EQ(judge_->Array(options_.Name() + "/document_words")[i], 5);
    sum += nll[i];
    tokens += static_cast<double>(own.size());
    bytes += static_cast<double>(document.size());
  }
  EXPECT_EQ(metrics.at("documents"), 7);
  EXPECT_EQ(metrics.at("words"), 35);
  EXPECT_EQ(metrics.at("bytes"), bytes);
  EXPECT_EQ(metrics.at("tokens"), tokens);
  EXPECT_NEAR(metrics.at("perplexity"), std::exp(sum / tokens), 1e-9 * std::exp(sum / tokens));
  const double a_word = std::exp(sum / 35);
  EXPECT_NEAR(metrics.at("word_perplexity"), a_word, 1e-9 * a_word);
  // Of equally many words a document: the standard error of the documents' means.
  std::vector<double> means;
  for (const double value : nll) means.push_back(value / 5);
  EXPECT_NEAR(metrics.at("word_perplexity_stderr"), a_word * StandardError(means), 1e-9 * a_word);
  EXPECT_NEAR(metrics.at("byte_perplexity"), std::exp(sum / bytes), 1e-9);
  EXPECT_NEAR(metrics.at("bits_per_byte"), std::log2(std::exp(sum / bytes)), 1e-9);
  EXPECT_NEAR(metrics.at("bits_per_byte_stderr") * std::log(2.0) * metrics.at("byte_perplexity"),
              metrics.at("byte_perplexity_stderr"), 1e-9);
}

TEST_F(PerplexityTest, TodaysRollingScoresTheTextsOwnBosAfterThePrefix) {
  options_.protocol = ProtocolKind::kLmEvalRolling;
  options_.documents = 1;
  judge_->Measure(options_);
  auto ids = Encode("Once there were 0 cats.");
  ASSERT_EQ(ids.front(), *judge_->tokenizer->BosId());
  ids.insert(ids.begin(), *judge_->tokenizer->BosId());
  const auto own = Nll(ids);
  const double expected = std::accumulate(own.begin(), own.end(), 0.0);
  EXPECT_NEAR(judge_->Array(options_.Name() + "/nll").at(0), expected, 1e-5 * expected);
}

TEST_F(PerplexityTest, TodaysRollingAddsNoBosToATextThatBeginsWithIt) {
  const std::string bos = judge_->tokenizer->Decode({*judge_->tokenizer->BosId()});
  options_.data = {};
  const testing::TempFolder folder;
  options_.data.path = folder.Write("bos.txt", bos + "Once there were cats.\n");
  options_.protocol = ProtocolKind::kLmEvalRolling;
  judge_->Measure(options_);
  auto ids = Encode(bos + "Once there were cats.\n", SpecialTokens::kNone);
  ids.insert(ids.begin(), *judge_->tokenizer->BosId());
  const auto own = Nll(ids);
  const double expected = std::accumulate(own.begin(), own.end(), 0.0);
  EXPECT_NEAR(judge_->Array(options_.Name() + "/nll").at(0), expected, 1e-5 * expected);
}

TEST_F(PerplexityTest, CheckFindsWhatStopsEvaluate) {
  const auto error = [&] {
    return ErrorOf(
        [&] { Perplexity(options_).Check(&judge_->files.description(), judge_->tokenizer.get()); });
  };
  EXPECT_EQ(error(), "");
  options_.seqlen = 513;
  EXPECT_EQ(error(), "eval " + options_.data.path +
                         ": seqlen 513 is longer than the model's context of 512");
  options_.data.path = temp_ / "none.txt";
  const std::string missing = ErrorOf([&] { LoadDataset(options_.data); });
  EXPECT_NE(missing, "");
  EXPECT_EQ(ErrorOf([&] { Perplexity(options_).Check(nullptr, nullptr); }), missing);
}

TEST_F(PerplexityTest, JoinAndDocumentsSayWhatTheStreamIs) {
  options_.documents = 5;
  const auto documents = LoadDataset(options_.data, 5).documents;
  ASSERT_EQ(documents.size(), 5U);
  const auto available = [&](const DocumentJoin& join) {
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
  EXPECT_EQ(available({DocumentJoin::Kind::kTokens}), TokenFingerprint(ids));
  EXPECT_EQ(available({}), TokenFingerprint(Encode(spaced)));
  EXPECT_EQ(available({DocumentJoin::Kind::kText, " | "}), TokenFingerprint(Encode(barred)));
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
