#include "optimizers/sign_sgd.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

ParamGroups OneGroup(const std::vector<at::Tensor>& parameters) {
  ParamGroups groups;
  groups.emplace_back(parameters);
  return groups;
}

SignSgd::Options Majority(double lr) {
  SignSgd::Options options;
  options.lr = lr;
  options.vote = SignSgd::Ballot::kMajority;
  return options;
}

std::string RecipeError(const std::string& recipe) {
  return testing::ErrorOf([&] { Optimizers().FromText(recipe); });
}

TEST(SignSgdTest, MovesBySignTimesLr) {
  const at::Tensor p = at::ones({4}).requires_grad_(true);
  SignSgd::Options options;
  options.lr = 0.25;
  SignSgd sign_sgd(options, OneGroup({p}));
  p.mutable_grad() = at::tensor({-3.0F, 0.0F, 1e-9F, std::numeric_limits<float>::quiet_NaN()});
  sign_sgd.step();
  EXPECT_TRUE(TensorNear(p, at::tensor({1.25F, 1.0F, 0.75F, 1.0F}), 0, 0));
  EXPECT_FALSE(sign_sgd.Votes());
  EXPECT_THROW(sign_sgd.Vote(), std::logic_error);
}

// Signum by its own formula, m = b m + (1 - b) g from m = 0, differs in its state from ours, whose
// first m is g, yet while g keeps its sign both step alike; a change of sign shows the memory.
TEST(SignSgdTest, SignumRemembers) {
  const at::Tensor p = at::zeros({1});
  SignSgd::Options options;
  options.lr = 1;
  options.momentum = {.momentum = 0.9, .dampening = 0.9, .nesterov = false};
  SignSgd signum(options, OneGroup({p}));
  std::vector<float> path;
  for (const float g : {1.0F, -1.0F, -1.0F, -1.0F, -1.0F, -1.0F, -1.0F, -1.0F, -1.0F}) {
    p.mutable_grad() = at::full({1}, g);
    signum.step();
    path.push_back(p.item<float>());
  }
  // m after k steps of -1 is 2 * 0.9^k - 1: negative from k = 7 on.
  EXPECT_EQ(path, (std::vector<float>{-1, -2, -3, -4, -5, -6, -7, -6, -5}));
}

TEST(SignSgdTest, MajorityVoteAsBruteForce) {
  PythonRandom random(11);
  for (const int voters : {1, 2, 3, 4, 7}) {
    SCOPED_TRACE(voters);
    const at::Tensor a = at::zeros({50}, at::kDouble);
    const at::Tensor b = at::zeros({2, 3}, at::kDouble);
    SignSgd sign_sgd(Majority(0.5), OneGroup({a, b}));
    std::vector<double> expected(56);
    for (int step = 0; step < 5; ++step) {
      std::vector<int> tally(56);
      for (int m = 0; m < voters; ++m) {
        std::vector<double> gradient(56);
        for (std::size_t i = 0; i < gradient.size(); ++i) {
          gradient[i] = static_cast<double>(random.RandInt(-2, 2)) * random.Real();
          tally[i] += gradient[i] > 0 ? 1 : gradient[i] < 0 ? -1 : 0;
        }
        const at::Tensor g = at::tensor(gradient, at::kDouble);
        a.mutable_grad() = g.slice(0, 0, 50);
        b.mutable_grad() = g.slice(0, 50).view({2, 3});
        sign_sgd.Vote();
        EXPECT_FALSE(a.grad().defined());
      }
      sign_sgd.step();
      for (std::size_t i = 0; i < tally.size(); ++i) {
        expected[i] -= tally[i] > 0 ? 0.5 : tally[i] < 0 ? -0.5 : 0.0;
      }
    }
    EXPECT_TRUE(TensorNear(at::cat({a, b.flatten()}), at::tensor(expected, at::kDouble), 0, 0));
  }
}

// The sum of signs of x - y_m vanishes at the median of the y, the sum of x - y_m at their mean.
TEST(SignSgdTest, MajorityFindsTheMedianAndSumTheMean) {
  const std::vector<double> votes = {-1, 0, 0.25, 0.5, 10};
  const auto settle = [&votes](const std::string& vote) {
    const at::Tensor x = at::zeros({1}, at::kDouble);
    const auto optimizer =
        Optimizers().FromText("{type: sign_sgd, lr: 0.01, vote: " + vote + "}").make(OneGroup({x}));
    auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer.get());
    for (int step = 0; step < 400; ++step) {
      at::Tensor sum = at::zeros({1}, at::kDouble);
      for (const double y : votes) {
        if (voter->Votes()) {
          x.mutable_grad() = x - y;
          voter->Vote();
        }
        sum += x - y;
      }
      if (!voter->Votes()) x.mutable_grad() = sum;
      optimizer->step();
    }
    return x.item<double>();
  };
  EXPECT_NEAR(settle("majority"), 0.25, 0.011);
  EXPECT_NEAR(settle("none"), 1.95, 0.011);
}

TEST(SignSgdTest, VotesAreUsedOnce) {
  const at::Tensor p = at::zeros({1});
  SignSgd sign_sgd(Majority(1), OneGroup({p}));
  p.mutable_grad() = at::ones({1});
  sign_sgd.Vote();
  sign_sgd.step();
  sign_sgd.step();
  EXPECT_EQ(p.item<float>(), -1);
}

TEST(SignSgdTest, AGradientThatWasNotVotedIsAnError) {
  const at::Tensor p = at::zeros({1});
  SignSgd sign_sgd(Majority(1), OneGroup({p}));
  p.mutable_grad() = at::ones({1});
  EXPECT_THROW(sign_sgd.step(), std::logic_error);
}

TEST(SignSgdTest, AClosureIsOneVote) {
  const at::Tensor p = at::full({1}, 3.0).requires_grad_(true);
  SignSgd sign_sgd(Majority(1), OneGroup({p}));
  const at::Tensor loss = sign_sgd.step([&p] {
    const at::Tensor square = (p * p).sum();
    square.backward();
    return square;
  });
  EXPECT_EQ(loss.item<float>(), 9);
  EXPECT_EQ(p.item<float>(), 2);
}

TEST(SignSgdTest, BadOptionsAreReported) {
  EXPECT_EQ(
      RecipeError("{type: sign_sgd, nesterov: true}"),
      "builtin:1:28: optimizer: nesterov needs momentum above 0 and dampening 0, got momentum "
      "0 and dampening 0");
  EXPECT_EQ(
      RecipeError("{type: sgd, nesterov: true, momentum: 0.9, dampening: 0.5}"),
      "builtin:1:23: optimizer: nesterov needs momentum above 0 and dampening 0, got momentum "
      "0.9 and dampening 0.5");
  EXPECT_EQ(RecipeError("{type: sign_sgd, vote: majorty}"),
            "builtin:1:24: optimizer.vote: unknown value 'majorty'; did you mean 'majority'? "
            "(known: majority, none)");
  EXPECT_EQ(RecipeError("{type: sign_sgd, lr: 0}"),
            "builtin:1:22: optimizer.lr: 0 is out of range (0, 1e+30]");
  SignSgd::Options options;
  options.momentum.nesterov = true;
  EXPECT_THROW(SignSgd(options, OneGroup({at::zeros({1})})), std::logic_error);
}

TEST(SignSgdTest, CanonicalText) {
  EXPECT_EQ(Optimizers().FromText("{type: sign_sgd, lr: 0.005, vote: majority}").canonical,
            "type: sign_sgd\nvote: majority\n");
}

}  // namespace
}  // namespace roundlab
