#include "core/model/trainable.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/model/families/llama.h"
#include "core/model/model.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;

ModelDescription Tiny(bool tied) {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = 16;
  d.intermediate = 24;
  d.layers = 2;
  d.heads = 4;
  d.kv_heads = 2;
  d.head_dim = 4;
  d.vocab = 20;
  d.max_positions = 8;
  d.norm_eps = 1e-5;
  d.windows = {0, 0};
  d.tied_head = tied;
  return d;
}

at::Tensor Tokens() {
  return at::tensor({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7}, at::kLong).view({2, 7});
}

/// Moves every weight away from its start: norms are not 1, and matrices large enough that the loss
/// is smooth at the size of a finite difference.
void Disturb(const TrainableModel& model) {
  const at::NoGradGuard no_grad;
  double shift = 0.01;
  for (const auto& [name, value] : model.Parameters()) {
    at::Tensor weight = value;
    if (weight.dim() > 1) weight.mul_(10);
    weight.add_(at::linspace(-0.3, 0.3, weight.numel()).sin().view(weight.sizes()), shift);
    shift += 0.03;
  }
}

class TrainableTest : public ::testing::TestWithParam<bool> {};

TEST_P(TrainableTest, WhatIsSavedGivesTheSameLoss) {
  const TrainableModel model(Tiny(GetParam()), 1);
  Disturb(model);
  const TempFolder folder;
  model.Save(folder.path(), at::kFloat);
  const LanguageModel loaded(ModelFiles(folder.path()), at::kFloat);
  EXPECT_EQ(loaded.description().TotalWeights(), model.description().TotalWeights());
  const double expected = loaded.Nll(Tokens()).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(model.Loss(Tokens(), at::kFloat).item<double>(), expected, 1e-5);
}

// Central differences of the loss against the gradient, along a random direction of each weight.
TEST_P(TrainableTest, GradientsAreThoseOfTheLoss) {
  const TrainableModel model(Tiny(GetParam()), 2);
  Disturb(model);
  model.Loss(Tokens(), at::kFloat).backward();
  for (const auto& [name, value] : model.Parameters()) {
    const at::Tensor gradient = value.grad();
    ASSERT_TRUE(gradient.defined()) << name;
    const at::Tensor direction = at::linspace(0.2, 9.7, value.numel()).sin().view(value.sizes());
    at::Tensor weight = value;
    const double step = 1e-3;
    const auto loss_at = [&](double by) {
      const at::NoGradGuard no_grad;
      weight.add_(direction, by);
      const double loss = model.Loss(Tokens(), at::kFloat).item<double>();
      weight.add_(direction, -by);
      return loss;
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    const double expected = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(slope, expected, 4e-3 * std::max(1.0, std::abs(expected))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TrainableTest, ::testing::Bool(),
                         [](const auto& given) { return given.param ? "tied" : "untied"; });

TEST(TrainableModelTest, StartsFromTheSeedAndTheName) {
  const TrainableModel a(Tiny(false), 7);
  const TrainableModel b(Tiny(false), 7);
  const TrainableModel c(Tiny(false), 8);
  for (std::size_t i = 0; i < a.Parameters().size(); ++i) {
    const auto& [name, value] = a.Parameters()[i];
    EXPECT_TRUE(value.equal(b.Parameters()[i].second)) << name;
    if (value.dim() > 1) {
      EXPECT_FALSE(value.equal(c.Parameters()[i].second)) << name;
    }
  }
  EXPECT_NEAR(a.Loss(Tokens(), at::kFloat).item<double>(), std::log(20), 0.05);
}

}  // namespace
}  // namespace roundlab
