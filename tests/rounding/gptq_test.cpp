#include "rounding/solvers/gptq.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "rounding/range.h"
#include "rounding/schemes/gptq.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::MakeLayer;
using testing::RandomInputs;
using testing::RandomWeight;
using testing::TensorNear;

GptqProblem Problem(const at::Tensor& weight, const at::Tensor& hessian, double code_max = 7) {
  GptqProblem problem;
  problem.weight = weight.to(at::kDouble);
  problem.hessian = hessian.to(at::kDouble);
  problem.grid = [code_max](const at::Tensor& groups, const at::Tensor&) {
    const GroupRange range = MinMaxRange(groups);
    const at::Tensor scale = (range.high - range.low) / code_max;
    return AffineGrid{scale, (-range.low / scale).round()};
  };
  return problem;
}

GptqSettings Settings(std::int64_t group_size, double code_max = 7) {
  GptqSettings settings;
  settings.group_size = group_size;
  settings.code_max = code_max;
  return settings;
}

at::Tensor Decode(const GptqSolution& s) {
  return s.scale.index_select(1, s.g_idx) *
         (s.codes.to(at::kDouble) - s.zero.index_select(1, s.g_idx));
}

double OutputLoss(const at::Tensor& decoded, const GptqProblem& p) {
  const at::Tensor error = decoded - p.weight;
  return (at::mm(error, p.hessian) * error).sum().item<double>();
}

/// The definition: each weight in turn is rounded, and all later ones move to their best places
/// given that error, by the inverse of what is left of the damped Hessian.
at::Tensor ByDefinition(const GptqProblem& p, double damp, double code_max) {
  const std::int64_t in = p.weight.size(1);
  const at::Tensor damped =
      p.hessian + at::eye(in, at::kDouble) * (damp * p.hessian.diagonal().mean().item<double>());
  const AffineGrid grid = p.grid(p.weight, {});
  at::Tensor w = p.weight.clone();
  at::Tensor decoded = at::empty_like(w);
  for (std::int64_t i = 0; i < in; ++i) {
    const at::Tensor inverse = at::inverse(damped.slice(0, i).slice(1, i));
    const at::Tensor code = ((w.select(1, i) / grid.scale).round() + grid.zero).clamp(0, code_max);
    decoded.select(1, i).copy_(grid.scale * (code - grid.zero));
    const at::Tensor error = (w.select(1, i) - decoded.select(1, i)) / inverse[0][0];
    w.slice(1, i).sub_(at::outer(error, inverse[0]));
  }
  return decoded;
}

TEST(GptqTest, IsItsDefinition) {
  const GptqProblem p = Problem(RandomWeight(8, 24, 1), RandomInputs(24, 2)->second_moment);
  const GptqSolution solution = SolveGptq(p, Settings(-1));
  EXPECT_TRUE(TensorNear(Decode(solution), ByDefinition(p, 0.01, 7), 1e-9, 0));
}

TEST(GptqTest, BlocksOnlySaveTime) {
  const GptqProblem p = Problem(RandomWeight(8, 70, 1), RandomInputs(70, 2)->second_moment);
  GptqSettings rows = Settings(-1);
  GptqSettings fixed = Settings(16);
  fixed.static_groups = true;
  GptqSettings fresh = Settings(16);  // also of groups that lie across blocks
  fresh.stale_groups = false;
  for (GptqSettings settings : {rows, fixed, fresh}) {
    settings.block_size = 70;
    const GptqSolution whole = SolveGptq(p, settings);
    for (const std::int64_t block : {1, 7, 64, 70, 1000}) {
      settings.block_size = block;
      EXPECT_TRUE(TensorNear(SolveGptq(p, settings).codes, whole.codes, 0, 0)) << block;
    }
  }
}

TEST(GptqTest, LosesLessThanNearestCodes) {
  // Channels of all sizes side by side, and four bits, so that little is clipped.
  const at::Tensor mixed = (at::arange(64, at::kLong) * 37) % 64;
  const at::Tensor moment = RandomInputs(64, 2)->second_moment;
  const GptqProblem p =
      Problem(RandomWeight(16, 64, 1), moment.index_select(0, mixed).index_select(1, mixed), 15);
  for (const std::int64_t group : {16, 24, -1, 0}) {
    for (const GptqOrder order :
         {GptqOrder::kColumns, GptqOrder::kActivation, GptqOrder::kGroupAware}) {
      SCOPED_TRACE(std::to_string(group) + " order " + std::to_string(static_cast<int>(order)));
      GptqSettings settings = Settings(group, 15);
      settings.order = order;
      GptqProblem blind = p;
      blind.hessian = at::zeros_like(p.hessian);
      const GptqSolution nearest = SolveGptq(blind, settings);
      EXPECT_TRUE(nearest.fallback);
      EXPECT_EQ(nearest.reason, "no token reached it");
      const GptqSolution solution = SolveGptq(p, settings);
      EXPECT_FALSE(solution.fallback);
      EXPECT_LT(OutputLoss(Decode(solution), p), 0.8 * OutputLoss(Decode(nearest), p));
      EXPECT_LE(solution.codes.max().item<std::int64_t>(), 15);
    }
  }
}

TEST(GptqTest, ActivationOrderIsTheProblemWithSortedColumns) {
  const GptqProblem p = Problem(RandomWeight(8, 48, 1), RandomInputs(48, 2)->second_moment);
  const at::Tensor order = at::argsort(p.hessian.diagonal(), true, 0, true);
  const GptqProblem sorted = Problem(p.weight.index_select(1, order),
                                     p.hessian.index_select(0, order).index_select(1, order));
  GptqSettings settings = Settings(16);
  const GptqSolution expected = SolveGptq(sorted, settings);
  settings.order = GptqOrder::kActivation;
  const GptqSolution solution = SolveGptq(p, settings);
  EXPECT_TRUE(TensorNear(solution.codes.index_select(1, order), expected.codes, 0, 0));
  EXPECT_TRUE(TensorNear(solution.g_idx.index_select(0, order), expected.g_idx, 0, 0));
  EXPECT_TRUE(TensorNear(solution.scale, expected.scale, 0, 1e-9));
}

TEST(GptqTest, GroupAwareOrderKeepsGroupsWhereTheyLie) {
  const GptqProblem p = Problem(RandomWeight(8, 56, 1), RandomInputs(56, 2)->second_moment);
  GptqSettings settings = Settings(16);
  settings.order = GptqOrder::kGroupAware;
  const GptqSolution solution = SolveGptq(p, settings);
  const at::Tensor own = at::arange(56, at::kInt).div(16, "floor");
  EXPECT_TRUE(TensorNear(solution.g_idx, own, 0, 0));
  // The channels of RandomInputs grow from left to right: the third group comes first, whole, and
  // its grid is that of untouched weights; the narrow last one is rounded last.
  const AffineGrid third = p.grid(p.weight.narrow(1, 32, 16), {});
  EXPECT_TRUE(TensorNear(solution.scale.select(1, 2), third.scale, 0, 1e-12));
}

TEST(GptqTest, DeadColumnsAreZeroAndCounted) {
  const at::Tensor weight = RandomWeight(8, 32, 1);
  at::Tensor moment = RandomInputs(32, 2)->second_moment.clone();
  for (const std::int64_t dead : {3, 17}) {
    moment.select(0, dead).zero_();
    moment.select(1, dead).zero_();
  }
  const GptqSolution solution = SolveGptq(Problem(weight, moment), Settings(16));
  EXPECT_EQ(solution.dead, 2);
  EXPECT_FALSE(solution.fallback);
  EXPECT_EQ(Decode(solution).select(1, 17).abs().max().item<double>(), 0);
}

TEST(GptqTest, DampGrowsUntilThereIsAFactor) {
  // One eigenvalue of -5 % of the mean diagonal.
  at::Tensor moment = at::eye(32, at::kDouble) * 2;
  moment[4][4] = -0.1;
  const GptqProblem p = Problem(RandomWeight(8, 32, 1), moment);
  const GptqSolution solution = SolveGptq(p, Settings(16));
  EXPECT_FALSE(solution.fallback);
  EXPECT_GT(solution.damp, 0.05);
  EXPECT_LT(solution.damp, 0.07);
  GptqSettings once = Settings(16);
  once.damp_increment = 0;
  EXPECT_EQ(SolveGptq(p, once).reason, "its second moment has no Cholesky factor, damped or not");
}

TEST(GptqTest, WithoutAFactorCodesAreNearest) {
  const at::Tensor weight = RandomWeight(8, 32, 1);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {infinity, std::nan(""), -1e6}) {
    at::Tensor moment = RandomInputs(32, 2)->second_moment.to(at::kDouble);
    moment[5][5] = bad;
    const GptqProblem p = Problem(weight, moment);
    for (const GptqOrder order : {GptqOrder::kColumns, GptqOrder::kActivation}) {
      GptqSettings settings = Settings(16);
      settings.order = order;
      const GptqSolution solution = SolveGptq(p, settings);
      EXPECT_TRUE(solution.fallback);
      EXPECT_NE(solution.reason, "");
      for (std::int64_t g = 0; g < 2; ++g) {
        const at::Tensor group = p.weight.narrow(1, g * 16, 16);
        const AffineGrid grid = p.grid(group, {});
        const at::Tensor codes =
            ((group / grid.scale.unsqueeze(1)).round() + grid.zero.unsqueeze(1))
                .clamp(0, 7)
                .to(at::kByte);
        EXPECT_TRUE(TensorNear(solution.codes.narrow(1, g * 16, 16), codes, 0, 0));
      }
    }
  }
}

TEST(GptqTest, AsymmetricAimsAtOutputsOnUnquantizedInputs) {
  const at::Tensor weight = RandomWeight(16, 64, 1);
  const at::Tensor q = RandomInputs(64, 2)->sample.to(at::kDouble);
  const at::Tensor fp = q + 0.3 * RandomInputs(64, 5)->sample.to(at::kDouble);
  GptqProblem p = Problem(weight, at::mm(q.t(), q));
  GptqSettings settings = Settings(16);
  const auto error = [&](const GptqSolution& s) {
    return (at::mm(q, Decode(s).t()) - at::mm(fp, p.weight.t())).square().sum().item<double>();
  };
  const GptqSolution plain = SolveGptq(p, settings);
  p.cross = at::zeros({64, 64}, at::kDouble);
  EXPECT_TRUE(TensorNear(SolveGptq(p, settings).codes, plain.codes, 0, 0));
  p.cross = at::mm((fp - q).t(), q);
  settings.asymmetric_alpha = 0;
  EXPECT_TRUE(TensorNear(SolveGptq(p, settings).codes, plain.codes, 0, 0));
  settings.asymmetric_alpha = 0.25;
  EXPECT_LT(error(SolveGptq(p, settings)), error(plain));
}

QuantizedWeight Finish(const std::string& recipe, const LayerContext& layer) {
  return RoundingSchemes().FromText(recipe).make()->Begin(layer)->Finish();
}

TEST(GptqSchemeTest, StoresAnOrderOnlyWhereGroupsAreNotAsTheyLie) {
  const LayerContext layer =
      MakeLayer(RandomWeight(8, 64, 1), {3, 16, GridKind::kAsym, ScaleType::kFloat16});
  EXPECT_FALSE(Finish("type: gptq", layer).g_idx.defined());
  EXPECT_FALSE(Finish("type: gptq\norder: group_aware", layer).g_idx.defined());
  EXPECT_FALSE(Finish("type: gptq\norder: activation\nstatic_groups: true", layer).g_idx.defined());
  EXPECT_TRUE(Finish("type: gptq\norder: activation", layer).g_idx.defined());
}

TEST(GptqSchemeTest, GridsAreTheEstimators) {
  LayerContext layer =
      MakeLayer(RandomWeight(8, 64, 1), {3, 16, GridKind::kAsym, ScaleType::kFloat32});
  const auto estimator = RangeEstimators().FromText("type: mse\nweight_by_inputs: true").make();
  layer.range_of = RangeOfColumns(*estimator, layer);
  LayerContext first = layer;
  first.weight = layer.weight.narrow(1, 0, 16);
  first.spec.group_size = -1;
  const auto inputs = std::make_shared<InputStatistics>(*layer.inputs);
  inputs->square_mean = inputs->square_mean.narrow(0, 0, 16);
  first.inputs = inputs;
  const AffineGrid grid = MakeGrid(estimator->Estimate(first), layer.spec);
  EXPECT_TRUE(TensorNear(Finish("type: gptq", layer).scale.select(1, 0), grid.scale, 0, 0));
}

TEST(GptqSchemeTest, ErrorsInOutputsAreSmallerThanOfNearestCodes) {
  const LayerContext layer =
      MakeLayer(RandomWeight(16, 64, 1), {3, 16, GridKind::kSym, ScaleType::kFloat16});
  const auto error = [&](const std::string& recipe) {
    const at::Tensor gap = Finish(recipe, layer).Dequantize() - layer.weight;
    return at::mm(layer.inputs->sample, gap.t()).square().sum().item<double>();
  };
  EXPECT_LT(error("type: gptq"), 0.7 * error("type: rtn"));
  EXPECT_LT(error("type: gptq\norder: activation"), 0.7 * error("type: rtn"));
}

TEST(GptqSchemeTest, TellsAndCountsWhatItCouldNotDo) {
  LayerContext layer =
      MakeLayer(RandomWeight(8, 64, 1), {3, 16, GridKind::kAsym, ScaleType::kFloat16});
  const auto inputs = std::make_shared<InputStatistics>(*layer.inputs);
  inputs->second_moment = inputs->second_moment * std::numeric_limits<float>::infinity();
  layer.inputs = inputs;
  std::vector<std::string> told;
  layer.tell = [&](const std::string& text) { told.push_back(text); };
  const auto rounding = RoundingSchemes().FromText("type: gptq").make()->Begin(layer);
  EXPECT_THAT(told,
              ::testing::ElementsAre("layer: rounded to nearest, since its inputs are not finite"));
  EXPECT_EQ(rounding->Diagnose().at("fallback"), std::vector<double>{1});
  EXPECT_TRUE(at::equal(rounding->Finish().codes, Finish("type: rtn", layer).codes));
  layer.inputs = std::make_shared<InputStatistics>();  // of an expert that no token was sent to
  told.clear();
  Finish("type: gptq", layer);
  EXPECT_THAT(told, ::testing::ElementsAre("layer: rounded to nearest, since no token reached it"));
}

TEST(GptqSchemeTest, TellsAndCountsThatItsDampingGrew) {
  LayerContext layer =
      MakeLayer(RandomWeight(8, 32, 1), {3, 16, GridKind::kAsym, ScaleType::kFloat16});
  const auto inputs = std::make_shared<InputStatistics>(*layer.inputs);
  inputs->second_moment = at::eye(32, at::kDouble) * 2;
  inputs->second_moment[4][4] = -0.1;
  layer.inputs = inputs;
  std::vector<std::string> told;
  layer.tell = [&](const std::string& text) { told.push_back(text); };
  const auto scheme = RoundingSchemes().FromText("type: gptq").make();
  EXPECT_EQ(scheme->Begin(layer)->Diagnose().at("damping_grown"), std::vector<double>{1});
  EXPECT_THAT(told, ::testing::ElementsAre("layer: damping grew from 0.01 to 0.06, where its "
                                           "inputs' second moment has a factor"));
  inputs->second_moment[4][4] = 2;
  EXPECT_EQ(scheme->Begin(layer)->Diagnose().count("damping_grown"), 0U);
}

TEST(GptqSchemeTest, SaysWhatItNeeds) {
  const auto needs = [](const std::string& recipe) {
    return RoundingSchemes().FromText(recipe).make()->Traits().needs;
  };
  EXPECT_TRUE(needs("type: gptq").inputs.second_moment);
  EXPECT_FALSE(needs("type: gptq").inputs.cross_moment);
  EXPECT_FALSE(needs("type: gptq").sequential);
  EXPECT_TRUE(needs("type: gptq\nasymmetric: true").inputs.cross_moment);
  EXPECT_TRUE(needs("type: gptq\ntrue_sequential: true").sequential);
  EXPECT_TRUE(needs("type: gptq\nin_double: true").inputs.in_double);
  LayerContext layer = MakeLayer(RandomWeight(8, 64, 1), {});
  layer.inputs = nullptr;
  try {
    Finish("type: gptq", layer);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "layer: scheme 'gptq' needs calibration data");
  }
  layer = MakeLayer(RandomWeight(8, 64, 1), {});
  layer.weight[2][3] = std::nan("");
  EXPECT_THROW(Finish("type: gptq", layer), Error);
}

}  // namespace
}  // namespace roundlab
