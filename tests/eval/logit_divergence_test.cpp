#include "eval/logit_divergence.h"
#include "tests/support/random_tensor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace roundlab {
namespace {

using testing::RandomTensor;

// With a head of rows 0 and 1 the logits are 0 and the one feature: the odds of the second token
// are exp(x).
TEST(LogitDivergenceTest, OfTwoTokensIsThatOfACoin) {
  const at::Tensor head = at::tensor({0.0F, 1.0F}).view({2, 1});
  const at::Tensor base = at::log(at::tensor({1.0F, 3.0F})).view({2, 1});     // p = 1/2, 3/4
  const at::Tensor hidden = at::log(at::tensor({3.0F, 0.25F})).view({2, 1});  // q = 3/4, 1/5
  LogitDivergence found;
  AppendDivergence({base, head}, {hidden, head}, at::tensor({1, 0}, at::kLong), &found);
  ASSERT_EQ(found.kl.size(), 2U);
  EXPECT_NEAR(found.kl[0], std::log(2 / std::sqrt(3.0)), 1e-7);
  EXPECT_NEAR(found.kl[1], 0.75 * std::log(3.75) + 0.25 * std::log(0.3125), 1e-7);
  EXPECT_NEAR(found.nll_base[0], std::log(2.0), 1e-7);
  EXPECT_NEAR(found.nll_base[1], std::log(4.0), 1e-7);
  EXPECT_NEAR(found.nll[0], std::log(4.0 / 3), 1e-7);
  EXPECT_NEAR(found.nll[1], std::log(1.25), 1e-7);
  // Of equal ones the first counts as the top: token 0 against 1, then 1 against 0.
  EXPECT_EQ(found.same_top, (std::vector<double>{0, 0}));
}

TEST(LogitDivergenceTest, IsThatOfWholeLogitsWhateverTheChunks) {
  const at::Tensor head = RandomTensor({101, 8}, 1);
  const at::Tensor base = RandomTensor({37, 8}, 2);
  const at::Tensor hidden = base + 0.3 * RandomTensor({37, 8}, 3);
  const at::Tensor targets = at::arange(37, at::kLong) * 29 % 101;
  const at::Tensor log_p = at::log_softmax(at::linear(base, head).to(at::kDouble), 1);
  const at::Tensor log_q = at::log_softmax(at::linear(hidden, head).to(at::kDouble), 1);
  const at::Tensor kl = (log_p.exp() * (log_p - log_q)).sum(1);
  const at::Tensor same = log_p.argmax(1).eq(log_q.argmax(1)).to(at::kDouble);
  const at::Tensor nll = -log_q.gather(1, targets.unsqueeze(1)).squeeze(1);
  EXPECT_GT(same.sum().item<double>(), 0);
  EXPECT_LT(same.sum().item<double>(), 37);
  for (const std::int64_t chunk : {1, 10, 64}) {
    LogitDivergence found;
    AppendDivergence({base, head}, {hidden, head}, targets, &found, chunk);
    ASSERT_EQ(found.kl.size(), 37U);
    for (std::int64_t i = 0; i < 37; ++i) {
      const auto at = static_cast<std::size_t>(i);
      EXPECT_NEAR(found.kl[at], kl[i].item<double>(), 1e-6);
      EXPECT_EQ(found.same_top[at], same[i].item<double>());
      EXPECT_NEAR(found.nll[at], nll[i].item<double>(), 1e-5);
    }
  }
}

// Logits around 80, where float log-probabilities would be off by 4e-6: only the exponentials are
// float here, with errors of 6e-8.
TEST(LogitDivergenceTest, SmallOnesAreNotLostInRounding) {
  const at::Tensor head = at::eye(300);
  const at::Tensor base = 80 + 3 * RandomTensor({5, 300}, 4);
  const at::Tensor hidden = base + 1e-3 * RandomTensor({5, 300}, 5);
  const at::Tensor log_p = at::log_softmax(base.to(at::kDouble), 1);
  const at::Tensor log_q = at::log_softmax(hidden.to(at::kDouble), 1);
  const at::Tensor kl = (log_p.exp() * (log_p - log_q)).sum(1);
  LogitDivergence found;
  AppendDivergence({base, head}, {hidden, head}, at::zeros({5}, at::kLong), &found);
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto expected = kl[i].item<double>();
    EXPECT_NEAR(found.kl[static_cast<std::size_t>(i)], expected, 6e-8);
    EXPECT_LT(expected, 1e-6);
  }
}

TEST(LogitDivergenceTest, OfEqualRowsIsZero) {
  const at::Tensor head = RandomTensor({1000, 16}, 6);
  const at::Tensor base = 4 * RandomTensor({20, 16}, 7);
  LogitDivergence found;
  AppendDivergence({base, head}, {base.clone(), head}, at::zeros({20}, at::kLong), &found, 7);
  EXPECT_EQ(found.kl, std::vector<double>(20, 0.0));
  EXPECT_EQ(found.same_top, std::vector<double>(20, 1.0));
  EXPECT_EQ(found.nll, found.nll_base);
}

/// States and head of a turned model: q = p.
TEST(LogitDivergenceTest, EachHasItsOwnHead) {
  const LogitHead head = RandomTensor({10, 16}, 1);
  const at::Tensor base = 3 * RandomTensor({6, 16}, 2);
  const LogitHead twice = head.weight * 2;
  LogitDivergence found;
  AppendDivergence({base, head}, {base / 2, twice}, at::zeros({6}, at::kLong), &found);
  EXPECT_EQ(found.kl, std::vector<double>(6, 0.0));
  EXPECT_EQ(found.nll, found.nll_base);
}

}  // namespace
}  // namespace roundlab
