#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/quant/weight_form.h"
#include "docs/example/error_diffusion.h"
#include "rounding/backward_stepper.h"
#include "rounding/schemes/starting_point.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::GridsOf;
using testing::MakeLayer;
using testing::RandomSteps;
using testing::RandomWeight;
using testing::SameBits;
using testing::SameWeights;
using testing::SchemeRecipes;
using testing::TensorNear;

/// The example of docs/adding_a_scheme.md owes it, too.
const bool kWithTheExample = [] {
  RoundingSchemes().Add<ErrorDiffusion>("error_diffusion", "errors go to the next weight");
  return true;
}();

/// One test a scheme or variant of it: what every LayerRounding owes.
class SchemeConformanceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void ForAllSpecs(const std::function<void(const QuantSpec&, std::int64_t in)>& check) {
    const auto checked = [&](const QuantSpec& spec, std::int64_t in) {
      // Schemes with grids of their own see each case once.
      const bool own = Is("aqlm") || Is("llm_int8") || Is("quip") || Is("squeezellm");
      if (own && spec.grid != GridKind::kAsym) return;
      if (Is("aqlm") && spec.group_size <= 0) return;
      if (Is("quip") && spec.scale_dtype != ScaleType::kFloat16) return;
      if (Is("squeezellm") && std::int64_t{1} << spec.bits > in) return;  // an Error, see its test
      check(spec, in);
    };
    testing::ForAllSpecs(checked, GridsOf(*scheme_));
  }
  bool Is(const std::string& type) const { return GetParam().rfind("type: " + type, 0) == 0; }

  std::unique_ptr<RoundingScheme> scheme_ = RoundingSchemes().FromText(GetParam()).make();
};

std::string CaseName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.substr(info.param.find(' ') + 1);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, SchemeConformanceTest, ::testing::ValuesIn(SchemeRecipes()),
                         CaseName);

TEST_P(SchemeConformanceTest, CodesAreWholeAndInRange) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    const auto layer = scheme_->Begin(MakeLayer(RandomWeight(8, in, 1), spec));
    for (const int steps : {0, 3}) {
      RandomSteps(layer.get(), 2, steps);
      const QuantizedWeight weight = layer->Finish();
      ASSERT_EQ(FormProblem(weight), "");
      ASSERT_EQ(weight.Rows(), 8);
      ASSERT_EQ(weight.Columns(), in);
      ASSERT_EQ(weight.spec.bits, spec.bits);
      ASSERT_EQ(weight.spec.group_size, spec.group_size);
      if (weight.zero.defined()) {
        if (spec.grid != GridKind::kFloatZero && !Is("quip")) {  // whose zero point is Q / 2
          ASSERT_TRUE(at::equal(weight.zero, weight.zero.round()));
        }
      }
      ASSERT_EQ(weight.exponent.defined(), spec.grid == GridKind::kPower);
      ASSERT_TRUE(weight.Dequantize().isfinite().all().item<bool>());
    }
  });
}

TEST_P(SchemeConformanceTest, FinishChangesNothingAndRepeats) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    const auto layer = scheme_->Begin(MakeLayer(RandomWeight(8, in, 1), spec));
    RandomSteps(layer.get(), 2, 2);
    const at::Tensor soft = layer->SoftWeight().detach().clone();
    const QuantizedWeight first = layer->Finish();
    ASSERT_TRUE(SameWeights(first, layer->Finish()));
    ASSERT_TRUE(SameBits(soft, layer->SoftWeight()));
    const QuantizedWeight copy = testing::CopyOf(first);
    RandomSteps(layer.get(), 3, 1);
    ASSERT_TRUE(SameWeights(first, copy));  // no view of the state
  });
}

TEST_P(SchemeConformanceTest, StraightThroughSchemesRunWithWhatTheyFinish) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    const auto layer = scheme_->Begin(MakeLayer(RandomWeight(8, in, 1), spec));
    for (const int steps : {0, 1, 3}) {
      RandomSteps(layer.get(), 5, steps);
      const at::Tensor soft = layer->SoftWeight();
      const at::Tensor hard = layer->Finish().Dequantize();
      if (scheme_->Traits().straight_through) {
        ASSERT_TRUE(SameBits(soft, hard)) << TensorNear(soft, hard, 0, 0);
      } else {
        // A soft scheme is nowhere further from its codes than one step of the grid.
        const GroupLayout layout = GroupLayout::For(8, in, spec.group_size);
        const QuantizedWeight weight = layer->Finish();
        const double widest = testing::WidestStep(weight);
        const at::Tensor step = weight.scale.abs().reshape({-1, 1}) * widest;
        const at::Tensor gap = layout.Split((soft.detach() - hard).abs());
        ASSERT_TRUE((gap <= step * (1 + 1e-5)).all().item<bool>());
      }
    }
  });
}

TEST_P(SchemeConformanceTest, TellsBeforehandWhatItsLayersAre) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    LayerContext context = MakeLayer(RandomWeight(8, in, 1), spec);
    ASSERT_EQ(ErrorOf([&] { scheme_->Check(context.Shape()); }), "");
    const auto layer = scheme_->Begin(context);
    ASSERT_EQ(layer->Latents().position.defined(), scheme_->Traits().tells_latents);
    if (!scheme_->OnLayer(context.Shape()).plain_codes) return;
    context.start = std::make_shared<const QuantizedWeight>(layer->Finish());
    ASSERT_EQ(ErrorOf([&] { RequirePlainStart(context); }), "");
  });
}

TEST_P(SchemeConformanceTest, SameSeedSameCodes) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    const LayerContext context = MakeLayer(RandomWeight(8, in, 1), spec, 11);
    const auto a = scheme_->Begin(context);
    const auto b = scheme_->Begin(context);
    ASSERT_TRUE(SameWeights(a->Finish(), b->Finish()));
    RandomSteps(a.get(), 4, 2);
    RandomSteps(b.get(), 4, 2);
    ASSERT_TRUE(SameWeights(a->Finish(), b->Finish()));
  });
}

TEST_P(SchemeConformanceTest, ParametersAreLeavesThatRequireGradAndGetOne) {
  const auto layer = scheme_->Begin(
      MakeLayer(RandomWeight(8, 64, 1), {3, 32, GridsOf(*scheme_)[0], ScaleType::kFloat32}));
  const auto groups = layer->Parameters();
  EXPECT_EQ(!groups.empty(), scheme_->Traits().tunable);
  if (!groups.empty()) layer->SoftWeight().square().sum().backward();
  // At a start some have none yet: one factor of a product is 0.
  testing::RandomMove(layer.get(), at::detail::createCPUGenerator(2));
  if (!groups.empty()) layer->SoftWeight().square().sum().backward();
  for (const ParameterGroup& group : groups) {
    EXPECT_NE(group.name, "");
    ASSERT_FALSE(group.tensors.empty()) << group.name;
    EXPECT_GT(group.lr_factor, 0);
    for (const at::Tensor& p : group.tensors) {
      EXPECT_TRUE(p.is_leaf() && p.requires_grad()) << group.name;
      ASSERT_TRUE(p.grad().defined()) << group.name;
      EXPECT_GT(p.grad().abs().max().item<double>(), 0) << group.name;
    }
  }
  const auto again = layer->Parameters();
  ASSERT_EQ(again.size(), groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_TRUE(again[g].tensors[0].is_same(groups[g].tensors[0]));  // the same in the same order
  }
}

/// G . W~ falls along the gradient, on the average over directions G: no factor of it is lost, nor
/// has another sign.
TEST_P(SchemeConformanceTest, StepsAlongTheGradientLead) {
  if (!scheme_->Traits().tunable) return;
  double change = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto layer = scheme_->Begin(
        MakeLayer(RandomWeight(8, 64, 1), {3, 32, GridsOf(*scheme_)[0], ScaleType::kFloat32}));
    RandomSteps(layer.get(), seed, 1);
    const at::Tensor direction = RandomWeight(8, 64, 100 + seed);
    const at::Tensor before = (layer->SoftWeight() * direction).sum();
    before.backward();
    const c10::NoGradGuard no_grad;
    for (const ParameterGroup& group : layer->Parameters()) {
      for (const at::Tensor& p : group.tensors) {
        if (p.grad().defined()) p.sub_(p.grad().sign(), 0.05);
      }
    }
    change += ((layer->SoftWeight() * direction).sum() - before.detach()).item<double>();
  }
  EXPECT_LT(change, 0);
}

TEST_P(SchemeConformanceTest, PenaltiesAreFiniteScalars) {
  const auto layer = scheme_->Begin(
      MakeLayer(RandomWeight(8, 64, 1), {3, 32, GridsOf(*scheme_)[0], ScaleType::kFloat16}));
  for (const double progress : {0.0, 0.5, 1.0}) {
    RandomSteps(layer.get(), 2, 1, progress);
    const at::Tensor penalty = layer->Penalty(progress);
    if (!penalty.defined()) continue;
    EXPECT_EQ(penalty.numel(), 1);
    EXPECT_TRUE(penalty.isfinite().all().item<bool>()) << progress;
  }
}

TEST_P(SchemeConformanceTest, ParametersAndStateAreAllThatChanges) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 1), {3, 32, GridsOf(*scheme_)[0], ScaleType::kFloat16});
  const auto layer = scheme_->Begin(context);
  RandomSteps(layer.get(), 9, 3);
  const auto copy = scheme_->Begin(context);
  testing::CopyState(*layer, copy.get());
  EXPECT_TRUE(SameWeights(layer->Finish(), copy->Finish()));
  EXPECT_TRUE(SameBits(layer->SoftWeight(), copy->SoftWeight()));
  // Also after a part of tuning that one of them has been through and come back from.
  RandomSteps(layer.get(), 10, 2, 0.9);
  testing::CopyState(*copy, layer.get());
  EXPECT_TRUE(SameWeights(layer->Finish(), copy->Finish()));
  for (LayerRounding* each : {layer.get(), copy.get()}) RandomSteps(each, 11, 2, 0.9);
  EXPECT_TRUE(SameWeights(layer->Finish(), copy->Finish()));
  EXPECT_TRUE(SameBits(layer->SoftWeight(), copy->SoftWeight()));
}

TEST_P(SchemeConformanceTest, ItSaysWhereStepsAreTakenInTheBackwardPass) {
  for (const GridKind grid : GridsOf(*scheme_)) {
    const QuantSpec spec{3, 32, grid, ScaleType::kFloat16, false};
    const auto layer = scheme_->Begin(MakeLayer(RandomWeight(8, 64, 1), spec));
    const auto* stepper = dynamic_cast<const BackwardStepper*>(layer.get());
    if (!scheme_->OnGrid(spec).steps_in_backward) {
      EXPECT_TRUE(stepper == nullptr || !stepper->StepsInBackward()) << testing::ToString(spec);
    } else {  // where the kernels are fused
      EXPECT_TRUE(stepper != nullptr) << testing::ToString(spec);
    }
  }
}

TEST_P(SchemeConformanceTest, ScalingByAPowerOfTwoScalesOnlyTheScale) {
  if (Is("flexround") || Is("lrq")) {
    GTEST_SKIP() << "its scales are exponentials, exact but for a rounding";
  }
  if (Is("hqq")) GTEST_SKIP() << "its beta has the unit of weights";
  if (Is("aqlm")) GTEST_SKIP() << "its steps have the unit of scales";
  if (GetParam() == "type: quip") GTEST_SKIP() << "its column scales are fourth roots";
  for (const GridKind grid : GridsOf(*scheme_)) {
    for (const std::int64_t group : {32, -1, 0}) {
      for (const double factor : {0.0625, 8.0}) {
        const QuantSpec spec{3, group, grid, ScaleType::kFloat32, false};
        SCOPED_TRACE(testing::ToString(spec));
        const at::Tensor weight = RandomWeight(8, 64, 1);
        const QuantizedWeight one = scheme_->Begin(MakeLayer(weight, spec))->Finish();
        const QuantizedWeight two = scheme_->Begin(MakeLayer(weight * factor, spec))->Finish();
        EXPECT_TRUE(at::equal(one.codes, two.codes));
        if (one.codebook.defined()) {  // in float16, whose smallest numbers are no floating ones
          EXPECT_TRUE(TensorNear(one.codebook * factor, two.codebook, 1e-6, 0));
          continue;
        }
        EXPECT_TRUE(at::equal(one.zero, two.zero));
        EXPECT_TRUE(at::equal(one.scale * factor, two.scale));
      }
    }
  }
}

TEST_P(SchemeConformanceTest, PermutingRowsPermutesCodes) {
  // Stochastic draws belong to places, not to rows.
  const bool drawn = Is("squeezellm") && GetParam().find("exact") == std::string::npos;
  if (drawn || Is("stochastic") || Is("aqlm")) GTEST_SKIP() << "its draws stay in place";
  const at::Tensor order = at::tensor({3, 0, 7, 1, 6, 2, 5, 4}, at::kLong);
  if (Is("hqq")) GTEST_SKIP() << "it stops by a mean over all rows";
  if (Is("quip")) GTEST_SKIP() << "it mixes rows, and its products round one by its place";
  if (GetParam().find("block_size") != std::string::npos) {
    GTEST_SKIP()
        << "its updates beyond a block are matrix products, which round a row by its place";
  }
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    const at::Tensor weight = RandomWeight(8, in, 1);
    const QuantizedWeight one = scheme_->Begin(MakeLayer(weight, spec))->Finish();
    const QuantizedWeight two =
        scheme_->Begin(MakeLayer(weight.index_select(0, order), spec))->Finish();
    ASSERT_TRUE(at::equal(one.codes.index_select(0, order), two.codes));
    ASSERT_TRUE(SameBits(one.Dequantize().index_select(0, order), two.Dequantize()));
  });
}

TEST_P(SchemeConformanceTest, ZerosAndConstantsGiveFiniteResults) {
  ForAllSpecs([&](const QuantSpec& spec, std::int64_t in) {
    for (const double value : {0.0, 0.3, -0.3, 1e-9, 1e4}) {
      SCOPED_TRACE(value);
      const auto layer = scheme_->Begin(MakeLayer(at::full({8, in}, value), spec));
      for (const int steps : {0, 2}) {
        RandomSteps(layer.get(), 5, steps);
        ASSERT_TRUE(layer->SoftWeight().isfinite().all().item<bool>());
        ASSERT_TRUE(layer->Finish().Dequantize().isfinite().all().item<bool>());
        for (const auto& [name, values] : layer->Diagnose()) {
          for (const double v : values) ASSERT_TRUE(std::isfinite(v)) << name;
        }
      }
    }
    const QuantizedWeight zeros = scheme_->Begin(MakeLayer(at::zeros({8, in}), spec))->Finish();
    if (GetParam() != "type: stochastic") {
      ASSERT_EQ(zeros.Dequantize().abs().max().item<double>(), 0);
    }
  });
}

TEST(SchemesTest, AllAreDescribed) {
  for (const std::string& name : RoundingSchemes().Names()) {
    EXPECT_THAT(RoundingSchemes().Describe(name), ::testing::StartsWith(name + ": ")) << name;
    EXPECT_GT(RoundingSchemes().Describe(name).size(), name.size() + 10);
  }
}

}  // namespace
}  // namespace roundlab
