#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "rounding/backward_stepper.h"
#include "rounding/statistics.h"
#include "rounding/tuner/tuner.h"
#include "tests/rounding/tuning.h"
#include "tests/support/gpu.h"
#include "tests/support/tensor_matchers.h"

// Rounding on a GPU against the same on the CPU.

namespace roundlab {
namespace {

using testing::kThreeBits;
using testing::Layers;
using testing::LinearUnit;
using testing::RandomWeight;
using testing::TensorNear;

class GpuRoundingTest : public ::testing::Test {
 protected:
  void SetUp() override { ROUNDLAB_NEEDS_GPU(); }
  static at::Tensor Gpu(const at::Tensor& t) { return t.to(at::Device(at::kCUDA, 0)); }
};

/// As RandomSteps, on the parameters' device.
void Disturb(LayerRounding* layer, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::NoGradGuard no_grad;
  for (const ParameterGroup& group : layer->Parameters()) {
    for (const at::Tensor& p : group.tensors) {
      p.add_(at::randn(p.sizes(), generator, at::TensorOptions(at::kFloat)).to(p.device()), 0.15);
    }
  }
  layer->Project(0.5);
}

LayerContext Layer(const at::Tensor& weight, const QuantSpec& spec, at::ScalarType products) {
  LayerContext layer = testing::MakeLayer(weight, spec);
  layer.products = products;
  return layer;
}

TEST_F(GpuRoundingTest, EverySchemeRoundsToTheCodesOfTheCpu) {
  for (const std::string& recipe : testing::SchemeRecipes()) {
    if (recipe.find("stochastic") != std::string::npos) continue;  // draws on the CPU
    const auto scheme = RoundingSchemes().FromText(recipe).make();
    // One that can't gets its layers on the CPU. Solvers have sums in another order there.
    if (!scheme->Traits().any_device || scheme->Traits().needs.inputs.Any()) continue;
    if (!scheme->OnGrid({.grid = GridKind::kAsym}).takes) continue;
    testing::ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
      SCOPED_TRACE(recipe);
      const at::Tensor weight = RandomWeight(12, in, 1);
      std::vector<at::Tensor> codes;
      for (const bool gpu : {false, true}) {
        const auto layer = scheme->Begin(Layer(gpu ? Gpu(weight) : weight, spec, at::kFloat));
        Disturb(layer.get(), 5);
        const QuantizedWeight made = layer->Finish();
        codes.push_back(made.codes.cpu());
        if (!gpu || !scheme->Traits().straight_through) continue;
        EXPECT_TRUE(TensorNear(layer->SoftWeight(), made.Dequantize(), 0, 0));
        const auto narrow = scheme->Begin(Layer(Gpu(weight), spec, at::kBFloat16));
        Disturb(narrow.get(), 5);
        EXPECT_TRUE(TensorNear(narrow->SoftWeight().to(at::kBFloat16),
                               made.Dequantize().to(at::kBFloat16), 0, 0));
      }
      EXPECT_TRUE(TensorNear(codes[1], codes[0], 0, 0));
    });
  }
}

/// Codes that are the same, as a part of all.
double SameCodes(const QuantizedWeight& a, const QuantizedWeight& b) {
  return (a.codes.cpu() == b.codes.cpu()).to(at::kDouble).mean().item<double>();
}

TEST_F(GpuRoundingTest, SolversFindThereWhatTheyFindOnTheCpu) {
  for (const std::string& recipe : testing::SchemeRecipes()) {
    const auto scheme = RoundingSchemes().FromText(recipe).make();
    if (!scheme->Traits().any_device || scheme->Traits().tunable || scheme->Traits().draws)
      continue;
    for (const GridKind grid : {GridKind::kAsym, GridKind::kSymFull, GridKind::kFloatZero}) {
      if (!scheme->OnGrid({.grid = grid}).takes) continue;
      SCOPED_TRACE(recipe + " " + EnumName(grid, GridNames()));
      const QuantSpec spec{3, 32, grid, ScaleType::kFloat32, false};
      const at::Tensor weight = RandomWeight(96, 128, 1);
      const auto on = [&](const at::Tensor& w) {
        return scheme->Begin(Layer(w, spec, at::kFloat));
      };
      const auto cpu = on(weight);
      const auto gpu = on(Gpu(weight));
      EXPECT_TRUE(gpu->Finish().codes.is_cuda());
      EXPECT_EQ(SameCodes(gpu->Finish(), on(Gpu(weight))->Finish()), 1);
      // Where a weight lies in the middle between codes, the last bit of a sum decides.
      EXPECT_GE(SameCodes(gpu->Finish(), cpu->Finish()), 0.98);
      for (const auto& [name, values] : cpu->Diagnose()) {
        const std::vector<double> there = gpu->Diagnose().at(name);  // may end an iteration apart
        for (std::size_t i = 0; i < std::min(values.size(), there.size()); ++i) {
          EXPECT_NEAR(there[i], values[i], 0.01 * std::abs(values[i])) << name;
        }
      }
    }
  }
}

TEST_F(GpuRoundingTest, SecondMomentsOfNarrowInputsAreThoseOfTheCpu) {
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor x = RandomWeight(700, 300, 3).to(dtype);
    StatisticsKinds kinds;
    kinds.second_moment = true;
    InputAccumulator cpu(kinds, 1400);
    InputAccumulator gpu(kinds, 1400);
    for (int i = 0; i < 2; ++i) {
      cpu.Add(x, {});
      gpu.Add(Gpu(x), {});
    }
    const at::Tensor expected = cpu.Finish().second_moment;
    const double largest = expected.abs().max().item<double>();
    EXPECT_TRUE(TensorNear(gpu.Finish().second_moment.cpu(), expected, 1e-5 * largest, 0));
  }
}

struct Tuned200 {
  double before = 0;
  double after = 0;
  std::int64_t chosen = 0;
  at::Tensor codes;
};
Tuned200 TuneOn(const at::Device& device, const std::string& recipe, at::ScalarType products,
                std::int64_t accumulate, const QuantSpec& spec = kThreeBits) {
  at::Generator g = at::detail::createCPUGenerator(5);
  const auto options = at::TensorOptions(at::kFloat);
  const at::Tensor mix = at::randn({128, 128}, g, options) * 0.3;
  const at::Tensor inputs = at::matmul(at::randn({16, 16, 128}, g, options), mix);
  LinearUnit unit(RandomWeight(64, 128, 1).to(device), inputs.to(device));
  unit.data.inputs = unit.data.inputs.values().to(products);
  unit.data.targets = unit.data.targets.values().to(products);
  Layers layers;
  layers.push_back(
      RoundingSchemes().FromText(recipe).make()->Begin(Layer(unit.slot().weight, spec, products)));
  TuneOptions tune = testing::TuneSteps(200);
  tune.accumulate = accumulate;
  const UnitResult result = TuneUnit(unit.unit, unit.data, layers, tune, 3, {});
  return {result.loss_before, result.loss_after, result.chosen_step, result.weights[0].codes.cpu()};
}

TEST_F(GpuRoundingTest, SignRoundTunesAsOnTheCpuAndTheSameEachTime) {
  for (const at::ScalarType products : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t accumulate : {1, 2}) {
      SCOPED_TRACE(std::string(c10::toString(products)) + " " + std::to_string(accumulate));
      const Tuned200 cpu = TuneOn(at::kCPU, "type: signround", products, accumulate);
      const Tuned200 gpu = TuneOn({at::kCUDA, 0}, "type: signround", products, accumulate);
      const Tuned200 again = TuneOn({at::kCUDA, 0}, "type: signround", products, accumulate);
      EXPECT_NEAR(gpu.before, cpu.before, 0.01 * cpu.before);
      EXPECT_LT(gpu.after, gpu.before);
      // Signs of gradients near 0 differ, and with them the way; not where it leads.
      EXPECT_NEAR(gpu.after, cpu.after, 0.05 * cpu.after);
      EXPECT_TRUE(TensorNear(again.codes, gpu.codes, 0, 0));
      EXPECT_EQ(again.chosen, gpu.chosen);
    }
  }
}

TEST_F(GpuRoundingTest, EverySchemeTunesAsOnTheCpuAndTheSameEachTime) {
  for (const std::string& recipe : testing::SchemeRecipes()) {
    const auto scheme = RoundingSchemes().FromText(recipe).make();
    if (!scheme->Traits().any_device || !scheme->Traits().tunable) continue;
    for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
      if (!scheme->OnGrid({.grid = grid}).takes) continue;
      SCOPED_TRACE(recipe + " " + EnumName(grid, GridNames()));
      QuantSpec spec = kThreeBits;
      spec.grid = grid;
      const auto tuned = [&](const at::Device& device, at::ScalarType products) {
        return TuneOn(device, recipe, products, 1, spec);
      };
      const Tuned200 cpu = tuned(at::kCPU, at::kFloat);
      const Tuned200 gpu = tuned({at::kCUDA, 0}, at::kFloat);
      EXPECT_NEAR(gpu.before, cpu.before, 0.01 * cpu.before);
      // Gradients near 0 differ, and with them the way; not where it leads.
      EXPECT_NEAR(gpu.after, cpu.after, 0.2 * cpu.after);
      const Tuned200 narrow = tuned({at::kCUDA, 0}, at::kBFloat16);
      const Tuned200 again = tuned({at::kCUDA, 0}, at::kBFloat16);
      EXPECT_TRUE(TensorNear(again.codes, narrow.codes, 0, 0));
    }
  }
}

TEST_F(GpuRoundingTest, StepsInTheBackwardPassGiveTheCodesOfTheOptimizers) {
  const at::Device device(at::kCUDA, 0);
  // Accumulating over one part is not done in the backward pass; neither is momentum.
  const Tuned200 fused = TuneOn(device, "type: signround", at::kFloat, 1);
  at::Generator g = at::detail::createCPUGenerator(5);
  const auto options = at::TensorOptions(at::kFloat);
  const at::Tensor mix = at::randn({128, 128}, g, options) * 0.3;
  const at::Tensor inputs = at::matmul(at::randn({16, 16, 128}, g, options), mix);
  LinearUnit unit(RandomWeight(64, 128, 1).to(device), inputs.to(device));
  Layers layers;
  layers.push_back(RoundingSchemes()
                       .FromText("type: signround")
                       .make()
                       ->Begin(Layer(unit.slot().weight, kThreeBits, at::kFloat)));
  if (!dynamic_cast<BackwardStepper&>(*layers[0]).StepsInBackward()) {
    GTEST_SKIP() << "the fused kernels are not there";
  }
  TuneOptions tune = testing::TuneSteps(200);
  tune.on_nan = NanPolicy::kRollback;  // looks at each loss before a step: the optimizer's steps
  const UnitResult plain = TuneUnit(unit.unit, unit.data, layers, tune, 3, {});
  EXPECT_EQ(plain.chosen_step, fused.chosen);
  EXPECT_TRUE(TensorNear(plain.weights[0].codes.cpu(), fused.codes, 0, 0));
}

}  // namespace
}  // namespace roundlab
