#include "eval/likelihood.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/model/model.h"
#include "tests/eval/continuation_scores.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using Ids = std::vector<std::int32_t>;

/// Contexts of several lengths with two to four continuations, some of one token.
std::vector<std::vector<Continuation>> Groups() {
  std::vector<std::vector<Continuation>> groups;
  for (std::int32_t i = 0; i < 12; ++i) {
    Ids context;
    for (std::int32_t t = 0; t <= 7 * i; ++t) context.push_back(3 + (31 * t + 17 * i) % 90);
    auto& group = groups.emplace_back();
    for (std::int32_t c = 0; c < 2 + i % 3; ++c) {
      Continuation one{context, i % 4 == 0 ? 1 : 1 + (c * 5 + i) % 6};
      for (std::int32_t t = 0; t < one.scored; ++t)
        one.ids.push_back(5 + (c * 13 + t * 7 + i) % 90);
      group.push_back(std::move(one));
    }
  }
  groups[3].push_back({{9, 8}, 1});  // shares nothing with its neighbours
  return groups;
}

/// From all logits of one sequence alone.
ContinuationScore Alone(const LanguageModel& model, const Continuation& c) {
  const at::Tensor ids = at::tensor(at::ArrayRef<std::int32_t>(c.ids), at::kInt).to(at::kLong);
  const at::Tensor logits = model.Logits(ids.unsqueeze(0)).squeeze(0).to(at::kDouble);
  const at::Tensor scores = at::log_softmax(logits, -1);
  ContinuationScore score{0, true};
  for (auto t = ids.numel() - c.scored; t < ids.numel(); ++t) {
    const auto target = ids[t].item<std::int64_t>();
    score.loglik += scores[t - 1][target].item<double>();
    score.greedy = score.greedy && scores[t - 1].argmax().item<std::int64_t>() == target;
  }
  return score;
}

class LikelihoodTest : public ::testing::TestWithParam<const char*> {};

TEST_P(LikelihoodTest, AsEachSequenceAloneHoweverPacked) {
  ROUNDLAB_SHARED_OR_SKIP(folder, GetParam());
  const LanguageModel model(ModelFiles(folder), at::kFloat);
  const auto groups = Groups();
  for (const std::int64_t rows : {1, 50, 100000}) {
    const auto scores = testing::ScoresOf(model, groups, {rows, {}});
    ASSERT_EQ(scores.size(), groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t c = 0; c < groups[i].size(); ++c) {
        const ContinuationScore alone = Alone(model, groups[i][c]);
        EXPECT_NEAR(scores[i][c].loglik, alone.loglik, 1e-5 * std::fabs(alone.loglik));
        EXPECT_EQ(scores[i][c].greedy, alone.greedy);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LikelihoodTest,
                         ::testing::Values("models/babyllama-tok105", "models/stories260K",
                                           "golden/archs/mistral", "golden/archs/qwen3"));

/// Rotary angles of LongRoPE and of dynamic scaling depend on the text's own length.
TEST(LikelihoodTest, AnglesAreThoseOfEachTextsLength) {
  for (const char* family : {"phi3_long", "llama_dynamic"}) {
    const ModelFiles files(testing::SourceFolder() + "/tests/golden/families/" + family);
    const LanguageModel model(files, at::kFloat);
    const std::vector<std::vector<Continuation>> groups = {
        {{{1, 2, 3, 4}, 2}, {{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13}, 9}},
        {},
        {{{1, 2, 3, 4, 5}, 1}, {{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12}, 4}}};
    std::int64_t done = 0;
    const auto scores =
        testing::ScoresOf(model, groups, {1000, [&](std::int64_t n) { done += n; }});
    EXPECT_EQ(done, 2);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t c = 0; c < groups[i].size(); ++c) {
        // As the model reads it: all but the last token.
        const Continuation& read = groups[i][c];
        const Ids ids(read.ids.begin(), read.ids.end() - 1);
        const at::Tensor row = at::tensor(at::ArrayRef<std::int32_t>(ids), at::kInt);
        const at::Tensor logits = at::log_softmax(
            model.Logits(row.to(at::kLong).unsqueeze(0)).squeeze(0).to(at::kDouble), -1);
        double loglik = 0;
        for (std::size_t t = read.ids.size() - static_cast<std::size_t>(read.scored);
             t < read.ids.size(); ++t) {
          loglik += logits[static_cast<std::int64_t>(t) - 1][read.ids[t]].item<double>();
        }
        EXPECT_NEAR(scores[i][c].loglik, loglik, 1e-5) << family << " " << i << " " << c;
      }
    }
  }
}

TEST(LikelihoodTest, ProgressCountsGroups) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "models/stories260K");
  const LanguageModel model(ModelFiles(folder), at::kFloat);
  std::vector<std::int64_t> done;
  testing::ScoresOf(model, Groups(), {100, [&](std::int64_t n) { done.push_back(n); }});
  std::int64_t sum = 0;
  for (const std::int64_t n : done) sum += n;
  EXPECT_EQ(sum, 12);
  EXPECT_GT(done.size(), 2U);
}

}  // namespace
}  // namespace roundlab
