#include "optimizers/optimizers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/serialize/archive.h>

#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "optimizers/schedule.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::TensorNear;

/// count values from (-1, 1), float64.
at::Tensor Uniform(PythonRandom* random, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = 2 * random->Real() - 1;
  return at::tensor(values, at::kDouble);
}

ParamGroups GroupEach(const std::vector<at::Tensor>& parameters) {
  ParamGroups groups;
  for (const at::Tensor& parameter : parameters) {
    groups.emplace_back(std::vector<at::Tensor>{parameter});
  }
  return groups;
}

/// Every registered name with its state in use; the conformance tests below go over all of them.
/// With all the state that each can have; others as they come.
std::vector<std::string> Recipes() {
  const std::map<std::string, std::string> with_state = {
      {"adam", "{type: adam, lr: 0.05, amsgrad: true}"},
      {"adamw", "{type: adamw, lr: 0.05, weight_decay: 0}"},
      {"lion", "{type: lion, lr: 0.02}"},
      {"sgd", "{type: sgd, lr: 0.1, momentum: 0.9, nesterov: true}"},
      {"sign_sgd", "{type: sign_sgd, lr: 0.02, momentum: 0.5}"}};
  std::vector<std::string> recipes;
  for (const std::string& name : Optimizers().Names()) {
    const auto recipe = with_state.find(name);
    recipes.push_back(recipe == with_state.end() ? "{type: " + name + ", lr: 0.05}"
                                                 : recipe->second);
  }
  return recipes;
}

// Least squares with a known solution, mean((A x - A x*)^2) over 20 rows, x in two groups.
TEST(OptimizersTest, EachFindsTheMinimumOfLeastSquares) {
  for (const std::string& recipe : Recipes()) {
    SCOPED_TRACE(recipe);
    PythonRandom random(5);
    const at::Tensor rows = Uniform(&random, 80).view({20, 4});
    const at::Tensor solution = Uniform(&random, 4);
    const at::Tensor a = at::zeros({3}, at::kDouble).requires_grad_(true);
    const at::Tensor b = at::zeros({1}, at::kDouble).requires_grad_(true);
    const auto optimizer = Optimizers().FromText(recipe).make(GroupEach({a, b}));
    const auto schedule = Schedules().FromText("type: cosine").make();
    const std::vector<double> lrs = LearningRates(*optimizer);
    for (std::int64_t step = 0; step < 400; ++step) {
      SetLearningRates(optimizer.get(), lrs, schedule->Factor(step, 400));
      optimizer->step([&] {
        optimizer->zero_grad();
        const at::Tensor residual = at::matmul(rows, at::cat({a, b}) - solution);
        const at::Tensor loss = residual.square().mean();
        loss.backward();
        return loss;
      });
    }
    EXPECT_TRUE(TensorNear(at::cat({a, b}), solution, 1e-3, 0));
  }
}

TEST(OptimizersTest, AParameterWithoutGradientIsLeftAlone) {
  for (const std::string& recipe : Recipes()) {
    SCOPED_TRACE(recipe);
    const at::Tensor a = at::ones({2}, at::kDouble);
    const at::Tensor b = at::ones({2}, at::kDouble);
    const auto optimizer = Optimizers().FromText(recipe).make(GroupEach({a, b}));
    a.mutable_grad() = at::ones({2}, at::kDouble);
    optimizer->step();
    const at::Tensor first = a.clone();
    optimizer->step();
    EXPECT_TRUE(TensorNear(b, at::ones({2}, at::kDouble), 0, 0));
    b.mutable_grad() = at::ones({2}, at::kDouble);
    optimizer->step();
    EXPECT_TRUE(TensorNear(b, first, 0, 0)) << "its own first step is as the other's was";
  }
}

TEST(OptimizersTest, StateNumbersAreCounted) {
  const std::map<std::string, std::int64_t> numbers = {
      {"adam", 2},
      {"{type: adam, amsgrad: true}", 3},
      {"adamw", 2},
      {"lion", 1},
      {"sgd", 0},
      {"{type: sgd, momentum: 0.9}", 1},
      {"sign_sgd", 0},
      {"{type: sign_sgd, momentum: 0.9}", 1},
      {"{type: sign_sgd, vote: majority}", 1},
      {"{type: sign_sgd, momentum: 0.9, vote: majority}", 2}};
  for (const auto& [recipe, count] : numbers) {
    const std::string text = recipe.front() == '{' ? recipe : "{type: " + recipe + "}";
    EXPECT_EQ(StateNumbers(Optimizers().FromText(text)), count) << recipe;
  }
}

/// Its save is that of torch::optim::Optimizer.
class Forgetful : public torch::optim::Adam {
 public:
  using torch::optim::Adam::Adam;
  void save(torch::serialize::OutputArchive& /*archive*/) const override {}
};

TEST(OptimizersTest, WhetherTheStateIsSavedIsKnown) {
  for (const std::string& name : Optimizers().Names()) {
    EXPECT_TRUE(SavesState(Optimizers().FromText("{type: " + name + "}"))) << name;
  }
  OptimizerRecipe forgetful;
  forgetful.make = [](ParamGroups groups) {
    return std::make_unique<Forgetful>(std::move(groups), torch::optim::AdamOptions(0.1));
  };
  EXPECT_FALSE(SavesState(forgetful));
}

TEST(OptimizersTest, AGroupsWeightDecayIsItsOwn) {
  for (const std::string& name : Optimizers().Names()) {
    if (Optimizers().Describe(name).find("weight_decay") == std::string::npos) continue;
    SCOPED_TRACE(name);
    const at::Tensor a = at::ones({2}, at::kDouble);
    const at::Tensor b = at::ones({2}, at::kDouble);
    const auto optimizer = Optimizers()
                               .FromText("{type: " + name + ", lr: 0.1, weight_decay: 0.5}")
                               .make(GroupEach({a, b}));
    SetWeightDecay(&optimizer->param_groups()[1], 0);
    for (const at::Tensor& p : {a, b}) p.mutable_grad() = at::zeros({2}, at::kDouble);
    optimizer->step();
    EXPECT_LT(a.max().item<double>(), 1);
    EXPECT_TRUE(TensorNear(b, at::ones({2}, at::kDouble), 0, 0));
  }
}

/// `steps` steps along gradients that follow from `random`.
void TakeSteps(torch::optim::Optimizer* optimizer, PythonRandom* random, int steps) {
  for (int step = 0; step < steps; ++step) {
    for (auto& group : optimizer->param_groups()) {
      for (const at::Tensor& p : group.params()) p.mutable_grad() = Uniform(random, p.numel());
    }
    optimizer->step();
  }
}

TEST(OptimizersTest, SavedStateResumesBitForBit) {
  for (const std::string& recipe : Recipes()) {
    SCOPED_TRACE(recipe);
    const std::vector<at::Tensor> whole = {at::ones({3}, at::kDouble), at::ones({5}, at::kDouble)};
    const auto optimizer = Optimizers().FromText(recipe).make(GroupEach(whole));
    SetLearningRates(optimizer.get(), {0.1, 0.07}, 1);
    PythonRandom random(1);
    TakeSteps(optimizer.get(), &random, 4);
    std::stringstream file;
    torch::serialize::OutputArchive written;
    optimizer->save(written);
    written.save_to(file);
    const std::vector<at::Tensor> resumed = {whole[0].clone(), whole[1].clone()};
    PythonRandom same_random = random;
    TakeSteps(optimizer.get(), &random, 4);

    const auto again = Optimizers().FromText(recipe).make(GroupEach(resumed));
    torch::serialize::InputArchive read;
    read.load_from(file);
    again->load(read);
    EXPECT_THAT(LearningRates(*again), ElementsAre(0.1, 0.07));
    TakeSteps(again.get(), &same_random, 4);
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(at::equal(resumed[i], whole[i]));
  }
}

TEST(OptimizersTest, OpenVotesAreSaved) {
  const at::Tensor p = at::zeros({2});
  const auto recipe = Optimizers().FromText("{type: sign_sgd, lr: 1, vote: majority}");
  const auto optimizer = recipe.make(GroupEach({p}));
  p.mutable_grad() = at::tensor({2.0F, -1.0F});
  dynamic_cast<MicroBatchVoter&>(*optimizer).Vote();
  std::stringstream file;
  torch::serialize::OutputArchive written;
  optimizer->save(written);
  written.save_to(file);
  const auto again = recipe.make(GroupEach({p}));
  torch::serialize::InputArchive read;
  read.load_from(file);
  again->load(read);
  again->step();
  EXPECT_TRUE(TensorNear(p, at::tensor({-1.0F, 1.0F}), 0, 0));
}

TEST(OptimizersTest, LearningRatesGoToTheirGroups) {
  for (const std::string& recipe : Recipes()) {
    SCOPED_TRACE(recipe);
    const auto optimizer =
        Optimizers().FromText(recipe).make(GroupEach({at::ones({1}), at::ones({1})}));
    SetLearningRates(optimizer.get(), {1, 3}, 0.5);
    EXPECT_THAT(LearningRates(*optimizer), ElementsAre(0.5, 1.5));
    EXPECT_THROW(SetLearningRates(optimizer.get(), {1}, 1), std::logic_error);
  }
}

TEST(OptimizersTest, BetasMustBeBelowOne) {
  for (const std::string name : {"adam", "adamw"}) {
    try {
      Optimizers().FromText("{type: " + name + ", beta2: 1}");
      FAIL();
    } catch (const ConfigError& e) {
      EXPECT_STREQ(e.what(),
                   "builtin:1:1: optimizer: beta1 and beta2 must be below 1, got 0.9 and 1");
    }
  }
}

TEST(OptimizersTest, DefaultsAreTheUsualOnes) {
  // "key  type, default VALUE  help" lines.
  const auto defaults = [](const std::string& name) {
    std::string found;
    std::istringstream lines(Optimizers().Describe(name));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(", default ");
      if (at == std::string::npos) continue;
      const std::size_t begin = at + std::string(", default ").size();
      found += line.substr(0, line.find("  ")) + " " +
               line.substr(begin, line.find("  ", begin) - begin) + "\n";
    }
    return found;
  };
  EXPECT_EQ(defaults("sgd"), "lr 0.01\nmomentum 0\ndampening 0\nnesterov false\nweight_decay 0\n");
  EXPECT_EQ(defaults("adam"),
            "lr 0.001\nbeta1 0.9\nbeta2 0.999\neps 1e-08\nweight_decay 0\namsgrad false\n");
  EXPECT_EQ(defaults("adamw"),
            "lr 0.001\nbeta1 0.9\nbeta2 0.999\neps 1e-08\nweight_decay 0.01\namsgrad false\n");
  EXPECT_EQ(defaults("lion"), "lr 1e-04\nbeta1 0.9\nbeta2 0.99\nweight_decay 0\n");
}

}  // namespace
}  // namespace roundlab
