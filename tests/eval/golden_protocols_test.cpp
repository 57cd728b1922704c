#include <nlohmann/json.hpp>

#include "tests/eval/judge.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::GoldenRow;
using testing::GoldenRows;
using testing::Judge;
using testing::OptionsOf;

TEST(GoldenSlidingTest, IsThatOfTheTable) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ROUNDLAB_SHARED_OR_SKIP(folder, "models/TinyStories-656K");
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  Judge judge(folder);
  int rows = 0;
  for (const GoldenRow& row : GoldenRows(golden, "TinyStories-656K", "sliding")) {
    if (row.at("corpus") != "c4-first200") continue;
    ++rows;
    Perplexity::Options options = OptionsOf(row);
    options.protocol = ProtocolKind::kSliding;
    options.stride = std::stoll(row.at("stride"));
    options.windows = std::stoll(row.at("windows"));
    const auto metrics = judge.Measure(options).metrics;
    EXPECT_EQ(metrics.at("tokens"), std::stod(row.at("tokens_scored")));
    for (const auto& [name, column] : {std::pair{"nll_sum", "nll_sum"},
                                       {"perplexity", "ppl"},
                                       {"perplexity_hf_doc", "ppl_hf_doc"}}) {
      const double expected = std::stod(row.at(column));
      EXPECT_NEAR(metrics.at(name), expected, 1e-5 * expected) << name;
    }
  }
  EXPECT_EQ(rows, 1);
}

class GoldenRollingTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenRollingTest, IsThatOfEachDocument) {
  ROUNDLAB_SHARED_OR_SKIP(file, "golden/rolling_docs.jsonl");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ROUNDLAB_SHARED_OR_SKIP(folder, std::string("models/") + GetParam());
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  Judge judge(folder);
  std::ifstream in(file);
  int corpora = 0;
  for (std::string line; std::getline(in, line);) {
    const json golden = json::parse(line);
    if (golden.at("model") != GetParam()) continue;
    ++corpora;
    const bool pages = golden.at("corpus") == "wikitext2-test";
    Perplexity::Options options;
    options.data.name = pages ? "wikitext2" : "c4";
    options.protocol = ProtocolKind::kLmEvalRolling;
    options.version = Harness::kLmEval03;
    options.seqlen = golden.at("max_length").get<std::int64_t>();
    options.documents = pages ? 1 : 8;
    judge.Measure(options);
    const std::string name = options.data.name + "_lmeval_rolling/document_";
    const auto& nll = judge.Array(name + "nll");
    ASSERT_EQ(nll.size(), static_cast<std::size_t>(options.documents));
    for (std::size_t i = 0; i < nll.size(); ++i) {
      const json& document = golden.at("docs").at(i);
      const double expected = -document.at("ll").get<double>();
      EXPECT_NEAR(nll[i], expected, 1e-5 * expected) << options.data.name << " " << i;
      EXPECT_EQ(judge.Array(name + "tokens")[i], document.at("tokens").get<double>());
      EXPECT_EQ(judge.Array(name + "words")[i], document.at("words").get<double>());
      EXPECT_EQ(judge.Array(name + "bytes")[i], document.at("bytes").get<double>());
    }
  }
  EXPECT_EQ(corpora, 2);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenRollingTest,
                         ::testing::Values("TinyStories-656K", "babyllama-tok105", "stories260K"),
                         [](const auto& test) { return testing::NameOf(test.param); });

}  // namespace
}  // namespace roundlab
