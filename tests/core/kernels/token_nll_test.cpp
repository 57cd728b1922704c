#include "core/kernels/token_nll.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

struct Problem {
  at::Tensor hidden, head, targets;
  at::Tensor Exact() const {  // in float64
    const at::Tensor logits = at::mm(hidden.to(at::kDouble), head.to(at::kDouble).t());
    return (at::logsumexp(logits, 1) - logits.gather(1, targets.unsqueeze(1)).squeeze(1))
        .to(at::kFloat);
  }
};

Problem Random(std::int64_t tokens, std::int64_t width, std::int64_t vocab) {
  at::Generator g = at::detail::createCPUGenerator(1);
  const auto options = at::TensorOptions(at::kFloat);
  return {at::randn({tokens, width}, g, options), at::randn({vocab, width}, g, options),
          at::randint(0, vocab, {tokens}, g, at::TensorOptions(at::kLong))};
}

TEST(LogitHeadTest, ASoftCapHasItsGradient) {
  const Problem p = Random(5, 17, 31);
  const at::Tensor hidden = p.hidden.clone().requires_grad_(true);
  const LogitHead head(p.head, {}, 3.0);
  const at::Tensor logits = head.Logits(hidden);
  logits.square().sum().backward();
  const at::Tensor capped = (at::mm(p.hidden, p.head.t()) / 3).tanh();
  EXPECT_TRUE(TensorNear(logits.detach(), capped * 3, 1e-5, 1e-5));
  // d/dz (3 tanh(z / 3))^2 = 6 tanh(z / 3) (1 - tanh(z / 3)^2)
  const at::Tensor expected = at::mm(6 * capped * (1 - capped.square()), p.head);
  EXPECT_TRUE(TensorNear(hidden.grad(), expected, 1e-4, 1e-4));
}

TEST(TokenNllTest, AsLogSoftmaxOfAllLogits) {
  for (const std::int64_t vocab : {1, 2, 31, 32, 33, 1000}) {
    for (const std::int64_t tokens : {1, 5, 67}) {
      SCOPED_TRACE(std::to_string(tokens) + " of " + std::to_string(vocab));
      const Problem p = Random(tokens, 17, vocab);
      const at::Tensor nll = TokenNll(p.hidden, p.head, p.targets);
      // Logits of about 4 and sums of 17 products: a few eps of 20.
      EXPECT_TRUE(TensorNear(nll, p.Exact(), 1e-5, 1e-6));
      EXPECT_TRUE(
          TensorNear(nll, TokenNllReference(at::mm(p.hidden, p.head.t()), p.targets), 1e-5, 1e-6));
    }
  }
}

TEST(TokenNllTest, ChunksMakeNoDifference) {
  const Problem p = Random(67, 16, 100);
  const at::Tensor whole = TokenNll(p.hidden, p.head, p.targets);
  for (const std::int64_t rows : {1, 2, 31, 66, 67, 68}) {
    for (const std::int64_t columns : {1, 33, 99, 100, 101}) {
      // The matrix product may choose another order for another shape, and the sum is of pieces.
      const at::Tensor nll = TokenNll(p.hidden, p.head, p.targets, {rows, columns});
      EXPECT_TRUE(TensorNear(nll, whole, 2e-6, 1e-6)) << rows << ", " << columns;
    }
  }
}

TEST(TokenNllTest, UniformLogitsGiveTheLogOfTheVocabulary) {
  const at::Tensor nll =
      TokenNll(at::zeros({3, 4}), at::ones({50, 4}), at::tensor({0, 7, 49}, at::kLong));
  EXPECT_TRUE(TensorNear(nll, at::full({3}, std::log(50.0F)), 0, 3e-7));
}

TEST(TokenNllTest, LargeLogitsNeitherOverflowNorVanish) {
  // Logits 1e4 apart: 0 for the winner, their distance for the others.
  const at::Tensor head = at::tensor({1e4F, 0.0F, -1e4F}).view({3, 1});
  const at::Tensor nll = TokenNll(at::ones({3, 1}), head, at::tensor({0, 1, 2}, at::kLong));
  EXPECT_TRUE(TensorNear(nll, at::tensor({0.0F, 1e4F, 2e4F}), 1e-6, 1e-6));
}

TEST(TokenNllTest, ThreadsGiveTheSameBits) {
  const Problem p = Random(67, 16, 100);
  const at::Tensor logits = at::eye(100);  // products that no order changes
  const at::Tensor targets = at::arange(100, at::kLong).flip(0);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = TokenNll(logits, logits * 3, targets);
  at::set_num_threads(2);
  const at::Tensor two = TokenNll(logits, logits * 3, targets);
  at::set_num_threads(threads);
  EXPECT_TRUE(TensorNear(one, two, 0, 0));
}

TEST(ScoreTokensTest, AnyRowsAndSeveralTargetsARow) {
  const Problem p = Random(9, 17, 40);
  const at::Tensor logits = at::mm(p.hidden.to(at::kDouble), p.head.to(at::kDouble).t());
  const at::Tensor nll = -at::log_softmax(logits, 1);
  const at::Tensor top = logits.argmax(1);
  std::vector<TokenQuery> queries;
  for (const std::int64_t row : {7, 0, 7, 3, 8}) {
    for (const std::int64_t target : {39, 0, 5}) queries.push_back({row, target});
    queries.push_back({row, top[row].item<std::int64_t>()});
  }
  for (const LogitTile& tile : {LogitTile{1, 7}, LogitTile{2, 40}, LogitTile{}}) {
    const auto scores = ScoreTokens(p.hidden, p.head, queries, tile);
    ASSERT_EQ(scores.size(), queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto [row, target] = queries[i];
      EXPECT_NEAR(scores[i].nll, nll[row][target].item<double>(), 1e-5);
      EXPECT_EQ(scores[i].top, top[row].item<std::int64_t>() == target);
    }
  }
  EXPECT_TRUE(ScoreTokens(p.hidden, p.head, {}).empty());
}

TEST(ScoreTokensTest, OfEqualTokensTheFirstIsTop) {
  const auto scores = ScoreTokens(at::zeros({1, 4}), at::ones({50, 4}), {{0, 0}, {0, 1}});
  EXPECT_TRUE(scores[0].top);
  EXPECT_FALSE(scores[1].top);
  const auto pieces = ScoreTokens(at::zeros({1, 4}), at::ones({50, 4}), {{0, 0}, {0, 20}}, {1, 10});
  EXPECT_TRUE(pieces[0].top);
  EXPECT_FALSE(pieces[1].top);
}

TEST(TokenNllTest, RefusesShapesThatDoNotFit) {
  const Problem p = Random(5, 4, 10);
  EXPECT_THROW(TokenNll(p.hidden.narrow(0, 0, 4), p.head, p.targets), std::logic_error);
  EXPECT_THROW(TokenNll(p.hidden.view({-1}), p.head, p.targets), std::logic_error);
}

}  // namespace
}  // namespace roundlab
