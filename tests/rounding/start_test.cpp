#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "rounding/schemes/starting_point.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::ErrorOf;
using testing::MakeLayer;
using testing::RandomWeight;

/// A layer that begins from what `recipe` makes of it.
LayerContext StartedLayer(const std::string& recipe, const QuantSpec& spec, std::int64_t in) {
  LayerContext layer = MakeLayer(RandomWeight(8, in, 1), spec);
  layer.start = std::make_shared<const QuantizedWeight>(BeginLayer(recipe, layer)->Finish());
  return layer;
}

TEST(StartingPointTest, OffsetsBeginAtTheStartsCodes) {
  testing::ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    for (const char* recipe : {"type: gptq", "type: stochastic", "type: rtn"}) {
      SCOPED_TRACE(recipe);
      const LayerContext layer = StartedLayer(recipe, spec, in);
      const auto state = BeginLayer("type: signround", layer);
      state->Project(0);
      const QuantizedWeight rounded = state->Finish();
      ASSERT_TRUE(at::equal(rounded.codes, layer.start->codes));
      ASSERT_TRUE(at::equal(rounded.zero, layer.start->zero));
      ASSERT_TRUE(at::allclose(rounded.scale, layer.start->scale, 1e-6, 0));
      const at::Tensor offset = testing::ParameterOf(*state, "offset");
      // A scale that is made anew may be off in its last bit, which decides about ties.
      const double moved = (offset != 0).to(at::kDouble).mean().item<double>();
      if (std::string(recipe) == "type: rtn") {
        ASSERT_LE(moved, 0.04);
      } else {
        ASSERT_GT(moved, 0);
      }
    }
  });
}

TEST(StartingPointTest, ErrorFeedbackKeepsRowsThatItDoesNotBetter) {
  const QuantSpec spec{2, 16, GridKind::kAsym, ScaleType::kFloat32, false};
  for (const char* recipe : {"type: rtn", "type: gptq", "type: gptq\norder: group_aware"}) {
    SCOPED_TRACE(recipe);
    const LayerContext layer = StartedLayer(recipe, spec, 64);
    const auto lost = [&](const QuantizedWeight& w) {
      const at::Tensor e = (layer.weight - w.Dequantize()).to(at::kDouble);
      return (at::mm(e, layer.inputs->second_moment.to(at::kDouble)) * e).sum(1);
    };
    const auto state = BeginLayer("type: gptq\nin_double: true", layer);
    const QuantizedWeight rounded = state->Finish();
    EXPECT_TRUE(at::equal(rounded.scale, layer.start->scale));
    EXPECT_TRUE((lost(rounded) <= lost(*layer.start) * (1 + 1e-9)).all().item<bool>());
    const at::Tensor same = (rounded.codes == layer.start->codes).all(1);
    EXPECT_GE(same.to(at::kDouble).mean().item<double>(), state->Diagnose().at("start_rows")[0]);
  }
}

TEST(StartingPointTest, TesseraQBeginsOnTheStartsGridAtTheUnroundedWeight) {
  testing::ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    for (const char* recipe : {"type: omniquant\ninit: 1", "type: gptq"}) {
      SCOPED_TRACE(recipe);
      LayerContext layer = MakeLayer(RandomWeight(8, in, 1), spec);
      const auto begun = BeginLayer(recipe, layer);
      testing::RandomSteps(begun.get(), 5, begun->Parameters().empty() ? 0 : 3);
      layer.start = std::make_shared<const QuantizedWeight>(begun->Finish());
      const auto state = BeginLayer("type: tesseraq", layer);
      // s (clamp(w / s + z, 0, Q) - z): the weight, as far as the start's codes reach.
      const GroupLayout layout = layer.Layout();
      const at::Tensor scale = layer.start->scale.reshape({-1, 1});
      const at::Tensor zero = layer.start->zero.reshape({-1, 1});
      const at::Tensor position = layout.Split(layer.weight) / scale + zero;
      const at::Tensor reached = layout.Join(scale * (position.clamp(0, spec.CodeMax()) - zero));
      const double widest = reached.abs().max().item<double>();
      ASSERT_TRUE(testing::TensorNear(state->SoftWeight(), reached, 1e-5 * widest, 1e-5));
      const QuantizedWeight rounded = state->Finish();
      ASSERT_TRUE(at::equal(rounded.scale, layer.start->scale));
      ASSERT_TRUE(at::equal(rounded.zero, layer.start->zero));
      // What is soft is up to a step from nearest: V >= 0 from the middle on.
      const at::Tensor gap = (layout.Split(rounded.Dequantize() - reached) / scale).abs();
      ASSERT_LE(gap.max().item<double>(), 0.5 + 1e-3);
    }
  });
}

TEST(StartingPointTest, OmniQuantsZeroPointsOutsideOfTheCodesAreKept) {
  // 1.5 .. 3 at 2 bits: a step of 0.5 and a zero point of -3, which no MakeGrid makes.
  LayerContext layer = MakeLayer(at::tensor({1.5F, 2.0F, 2.6F, 3.0F}).view({1, 4}),
                                 {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  layer.start = std::make_shared<const QuantizedWeight>(
      BeginLayer("type: omniquant\ninit: 40", layer)->Finish());
  ASSERT_EQ(layer.start->zero.item<double>(), -3);
  const auto state = BeginLayer("type: tesseraq", layer);
  EXPECT_TRUE(testing::TensorNear(state->SoftWeight(), layer.weight, 1e-6, 0));
  EXPECT_TRUE(at::equal(state->Finish().codes, layer.start->codes));
  EXPECT_EQ(state->Finish().zero.item<double>(), -3);
}

TEST(StartingPointTest, WhatIsMoreThanCodesOnAGridIsRefused) {
  const QuantSpec spec{2, 16, GridKind::kAsym, ScaleType::kFloat32, false};
  const std::string refused =
      "layer: its start can't be begun from: it is more than codes on a grid of runs of columns";
  for (const char* recipe : {"type: squeezellm", "type: quip", "type: gptq\norder: activation",
                             "type: easyquant\noutliers: 1"}) {
    const LayerContext layer = StartedLayer(recipe, spec, 64);
    EXPECT_EQ(ErrorOf([&] { BeginLayer("type: signround", layer); }), refused) << recipe;
    EXPECT_EQ(ErrorOf([&] { BeginLayer("type: gptq", layer); }), refused) << recipe;
    EXPECT_EQ(ErrorOf([&] { BeginLayer("type: tesseraq", layer); }), refused) << recipe;
  }
  LayerContext layer = StartedLayer("type: rtn", spec, 64);
  layer.spec.grid = GridKind::kSym;
  EXPECT_EQ(
      ErrorOf([&] { BeginLayer("type: signround", layer); }),
      "layer: its start can't be begun from: its zero points are not those of quant.grid sym");
}

class StartStageTest : public testing::PipelineFixture {
 protected:
  StartStageTest() : PipelineFixture(8, 12) {
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
  }
  QuantizedModel Run(const std::string& stage) {
    record_ = {};
    return PipelineFixture::Run({"type: round\n" + stage}, &record_);
  }

  RunRecord record_;
};

TEST_F(StartStageTest, AtZeroStepsCodesAreTheStarts) {
  const std::string gptq = Run("scheme: gptq").CodesSha256();
  for (const char* unit : {"block", "{blocks: 2}"}) {
    for (const char* inputs : {"quantized", "fp"}) {
      const std::string tuned = std::string("scheme: signround\nsteps: 0\nselect: last\nunit: ") +
                                unit + "\ninputs: " + inputs;
      EXPECT_EQ(Run(tuned + "\nstart: {scheme: gptq}").CodesSha256() == gptq,
                std::string(unit) == "block")
          << unit << inputs;
      EXPECT_NE(Run(tuned).CodesSha256(), gptq);
    }
  }
  EXPECT_EQ(Run("scheme: signround\nunit: linear\nsteps: 0\nselect: last\nstart: {scheme: rtn}")
                .CodesSha256(),
            Run("scheme: rtn").CodesSha256());
}

TEST_F(StartStageTest, TuningBeginsAtTheStart) {
  const std::string steps = "steps: 6\nbatch: 4\nlr_times_steps: 0.3\n";
  const QuantizedModel from = Run("scheme: signround\n" + steps + "start: {scheme: gptq}");
  EXPECT_NE(from.CodesSha256(), Run("scheme: gptq").CodesSha256());
  EXPECT_NE(from.CodesSha256(), Run("scheme: signround\n" + steps).CodesSha256());
  // A tuned start, whose measurements lie below start/.
  const std::string tuned = "start: {scheme: signround, steps: 6, batch: 4, lr_times_steps: 0.3}";
  const QuantizedModel after = Run("scheme: gptq\n" + tuned);
  EXPECT_EQ(record_.series().at("start/tune/block_1/loss").steps.size(), 6U);
  EXPECT_EQ(record_.arrays().count("layers/model.layers.1.mlp.up_proj/start_rows"), 1U);
  const std::vector<StageRecipe> pipeline = {
      Stages().FromText("type: round\nscheme: gptq\n" + tuned)};
  EXPECT_EQ(SeriesNames(files_->description(), pipeline).front(), "start/tune/block_0/loss");
  EXPECT_TRUE(NeedsOf(pipeline, quant_).tunes);
}

TEST_F(StartStageTest, TesseraQIsTunedFromTunedClipping) {
  const std::string start =
      "start: {scheme: omniquant, steps: 4, batch: 4, never_worse: false, optimizer: {type: adamw, "
      "lr: 0.1, weight_decay: 0}}";
  const std::string tuned = "scheme: {type: tesseraq, tune_scale: false}\nsteps: 10\nbatch: 4\n";
  const QuantizedModel from = Run(tuned + start);
  EXPECT_EQ(record_.series().at("start/tune/block_1/loss").steps.size(), 4U);
  EXPECT_EQ(record_.series().at("tune/block_1/loss").steps.size(), 10U);
  const QuantizedModel clipped =
      Run("scheme: omniquant\nsteps: 4\nbatch: 4\nnever_worse: false\noptimizer: {type: adamw, "
          "lr: 0.1, weight_decay: 0}");
  // The first block's start is that run's; its grid stays, where another scheme's codes are chosen.
  for (const auto& [name, weight] : clipped.layers()) {
    if (name.find("layers.0.") == std::string::npos) continue;
    EXPECT_TRUE(at::equal(from.layers().at(name).scale, weight.scale)) << name;
    EXPECT_TRUE(at::equal(from.layers().at(name).zero, weight.zero)) << name;
  }
  EXPECT_NE(from.CodesSha256(), clipped.CodesSha256());
  EXPECT_NE(from.CodesSha256(), Run(tuned).CodesSha256());
}

TEST(StartOptionsTest, ErrorsAreExact) {
  const auto parse = [](const std::string& text) {
    return ErrorOf([&] { Stages().FromText("type: round\n" + text); });
  };
  EXPECT_EQ(parse("scheme: rtn\nstart: {scheme: gptq}"),
            "builtin:3:8: stage: start: scheme 'rtn' can't begin from other codes (known: gptq, "
            "signround, tesseraq)");
  EXPECT_EQ(parse("scheme: signround\nunit: {blocks: 2}\nstart: {scheme: signround}"),
            "builtin:4:8: stage: start.unit must be the stage's own unit");
  EXPECT_EQ(parse("scheme: signround\nstart: {scheme: gptq, bits: 3}").substr(0, 39),
            "builtin:3:23: unknown key 'stage.start.");
  EXPECT_EQ(
      Stages()
          .FromText("type: round\nscheme: signround\nsteps: 7\nstart: {scheme: gptq, "
                    "steps: 9}")
          .canonical,
      "type: round\nscheme:\n  type: signround\nsteps: 7\nstart:\n  scheme:\n    type: gptq\n");
}

}  // namespace
}  // namespace roundlab
