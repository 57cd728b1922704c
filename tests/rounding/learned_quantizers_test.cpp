#include "rounding/stages/learned_quantizers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/error.h"
#include "rounding/observer.h"
#include "rounding/quantized_model.h"
#include "rounding/stage.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

constexpr const char* kStart = "type: activations\nbits: 4\nranges: static\n";
constexpr const char* kLearn = "learn: {steps: 4, batch: 4}";

/// Stage `activations` with trained quantizers on a tiny model of two blocks.
class LearnedQuantizersTest : public testing::PipelineFixture {
 protected:
  LearnedQuantizersTest() : PipelineFixture(12, 10) {
    inputs_.seed = 1;
    quant_.spec.bits = 8;
    quant_.spec.group_size = 16;
  }
  static double Loss(const RunRecord& record, int block, const char* when) {
    const std::string unit = "units/block_" + std::to_string(block) + "_activations/loss_";
    return record.arrays().at(unit + when).values.at(0);
  }
};

TEST_F(LearnedQuantizersTest, TrainingNeverEndsAboveItsStart) {
  const std::string steps = "steps: 4, batch: 2, check_every: 2}";
  for (const std::string& how : {"per: tensor\nlearn: {" + steps,
                                 "per: group\ngroup_size: 8\nlearn: {border: true, " + steps,
                                 "per: channel\nlearn: {step: false, border: true, " + steps,
                                 "per: tensor\ngrid: asym\nlearn: {border: true, " + steps,
                                 "per: tensor\nrange: lsq\nlearn: {" + steps}) {
    SCOPED_TRACE(how);
    RunRecord record;
    Run({kStart + how}, &record);
    for (const int block : {0, 1}) {
      EXPECT_LE(Loss(record, block, "after"), Loss(record, block, "before"));
    }
  }
}

TEST_F(LearnedQuantizersTest, AnAbsurdRateLeavesTheStart) {
  RunRecord record;
  const std::string wild = "learn: {steps: 3, batch: 4, optimizer: {type: sgd, lr: 1e9}}";
  const QuantizedModel made = Run({std::string(kStart) + "per: tensor\n" + wild}, &record);
  EXPECT_EQ(Loss(record, 0, "after"), Loss(record, 0, "before"));
  EXPECT_EQ(made.CodesSha256(), Run({std::string(kStart) + "per: tensor"}).CodesSha256());
}

TEST_F(LearnedQuantizersTest, AugLossCountsBothTargetsWhichAreOneInTheFirstBlock) {
  RunRecord plain;
  RunRecord augmented;
  const std::string steps = std::string(kStart) + "per: tensor\nlearn: {steps: 0, batch: 4";
  Run({steps + "}"}, &plain);
  Run({steps + ", aug_loss: true}"}, &augmented);
  EXPECT_DOUBLE_EQ(Loss(augmented, 0, "before"), 2 * Loss(plain, 0, "before"));
}

TEST_F(LearnedQuantizersTest, TheModelRunsWithWhatWasTrained) {
  const std::string stage =
      std::string(kStart) + "per: tensor\nrange: percentile\npercentile: 90\n";
  const QuantizedModel start = Run({stage});
  const QuantizedModel made = Run({stage + "learn: {steps: 20, batch: 4, border: true}"});
  EXPECT_LT(Error(made), Error(start));
  EXPECT_EQ(made.quantizers().size(), 14U);
  for (const auto& [name, quantizer] : made.quantizers()) {
    EXPECT_FALSE(quantizer.scale.requires_grad()) << name;
    EXPECT_EQ(quantizer.border.size(0), 3) << name;
    EXPECT_EQ(quantizer.scale.sizes(), at::IntArrayRef({1, 1}));
    EXPECT_GT(quantizer.scale.min().item<double>(), 0);
  }
}

TEST_F(LearnedQuantizersTest, RoundingIsTunedBehindTrainedQuantizersAndBeforeThem) {
  quant_.spec.bits = 4;
  const std::string learned = std::string(kStart) + "per: tensor\n" + kLearn;
  const std::string round = "type: round\nscheme: signround\nsteps: 4\nbatch: 4\ninputs: ";
  for (const char* inputs : {"quantized", "fp"}) {
    EXPECT_EQ(Run({learned, round + inputs}).layers().size(), 14U);
    EXPECT_EQ(Run({round + inputs, learned}).quantizers().size(), 14U);
  }
}

TEST_F(LearnedQuantizersTest, AStoppedRunContinuesWithTheSameBits) {
  const std::string learned =
      std::string(kStart) + "per: tensor\nlearn: {steps: 6, batch: 4, border: true}";
  const std::string whole = Run({learned}).CodesSha256();
  const testing::TempFolder folder;
  inputs_.progress_folder = folder.path();
  inputs_.unit_kept = [] { throw roundlab::Error("stopped behind block 0"); };
  EXPECT_THROW(Run({learned}), roundlab::Error);
  inputs_.unit_kept = {};
  EXPECT_EQ(Run({learned}).CodesSha256(), whole);
  EXPECT_EQ(Run({learned}).CodesSha256(), whole);  // all from the folder
}

TEST_F(LearnedQuantizersTest, WhatDoesNotFitIsTold) {
  const auto error = [](const std::string& text) {
    return testing::ErrorOf([&] { Stages().FromText("type: activations\n" + text); });
  };
  const auto told = [&](const std::string& text, const std::string& problem) {
    const std::string got = error(text);
    EXPECT_NE(got.find(problem), std::string::npos) << got;
  };
  told("learn: {}", "learn needs ranges: static, which it starts from");
  told("ranges: static\nper: cluster\nlearn: {}",
       "learn is not for per: cluster (known: tensor, group, channel)");
  const std::string fixed = "ranges: static\nper: tensor\n";
  told(fixed + "learn: {step: false}", "neither step nor border is trained");
  told(fixed + "learn: {unit: linear}",
       "unit: linear is not for quantizers, which are trained by what a block puts out");
  told(fixed + "learn: {inputs: fp}",
       "inputs: fp is not for quantizers, whose ranges are those of the quantized model");
}

TEST(LsqRangeTest, ItsStepIsTwiceTheMeanMagnitudeOverTheRootOfTheHighestCode) {
  const at::Tensor x = RandomTensor({3, 5, 8}, 6);
  ObserverOptions options;
  options.range = BatchRange::kLsq;
  for (const CodeKind grid : {CodeKind::kSym, CodeKind::kSymRestricted, CodeKind::kAsym}) {
    ActivationSpec spec;
    spec.bits = 4;
    spec.grid = grid;
    spec.per = RangePer::kChannel;
    RangeObserver observer(options, spec);
    observer.Add(x);
    const at::Tensor step = 2 * x.abs().mean(at::IntArrayRef{0, 1}) / std::sqrt(7.0);
    EXPECT_TRUE(TensorNear(observer.Finish().scale, step.unsqueeze(0), 0, 1e-5));
  }
}

TEST(PercentileRangeTest, LeavesOutAsManyAsThePartIs) {
  for (const auto& [count, percentile, out] : {std::tuple{1000, 99.9, 1},
                                               {10000, 99.9, 10},
                                               {10, 90.0, 1},
                                               {20, 95.0, 1},
                                               {999, 99.9, 0},
                                               {8, 50.0, 3}}) {
    ObserverOptions options;
    options.range = BatchRange::kPercentile;
    options.percentile = percentile;
    ActivationSpec spec;
    spec.per = RangePer::kTensor;
    RangeObserver observer(options, spec);
    const at::Tensor x = at::arange(count, at::kFloat) - count / 2.0;
    observer.Add(x.view({1, 1, count}));
    EXPECT_EQ(observer.Range().low.item<double>(), x[out].item<double>()) << count;
    EXPECT_EQ(observer.Range().high.item<double>(), x[count - 1 - out].item<double>()) << count;
  }
}

/// One layer that is fed x, its quantizer's start, and the sum of r x^ where r is `weight`'s row.
struct OneLayer {
  LinearSlot slot;
  ActivationQuantizer start;
  at::Tensor x = RandomTensor({6, 8}, 4, 2);
  at::Tensor r = RandomTensor({1, 8}, 5);

  OneLayer() {
    slot.weight = r;
    start.spec.bits = 3;
    start.spec.grid = CodeKind::kSymRestricted;
    start.spec.per = RangePer::kTensor;
    start.scale = at::full({1, 1}, 0.5F);
    start.zero = at::zeros({1, 1});
  }
  LearnedQuantizers Learn(bool border) {
    LearnOptions options;
    options.border = border;
    return LearnedQuantizers({{{&slot}, std::make_shared<const ActivationQuantizer>(start)}},
                             options);
  }
};

TEST(LearnedStepTest, ItsGradientIsLsqs) {
  OneLayer layer;
  LearnedQuantizers learned = layer.Learn(false);
  learned.Install(Hardness::kSoft);
  layer.slot.Multiply(layer.x).sum().backward();
  const at::Tensor p = layer.x / 0.5;
  const at::Tensor inside = p.abs() < 3;  // codes -3 .. 3
  ASSERT_TRUE(inside.any().item<bool>());
  ASSERT_FALSE(inside.all().item<bool>());
  const at::Tensor by_step = at::where(inside, p.round() - p, p.sign() * 3);
  // The factor's gradient is s0 times the step's, and LSQ's 1 / sqrt(N Q) with N = 8, Q = 3.
  const at::Tensor expected = 0.5 * (layer.r * by_step).sum() / std::sqrt(8.0 * 3);
  const at::Tensor got = learned.Parameters().at(0).tensors.at(0).grad();
  EXPECT_TRUE(TensorNear(got, expected.reshape({1, 1}).to(at::kFloat), 1e-5, 1e-5));
}

TEST(LearnedStepTest, ItsGradientBeyondTheCodesIsThatOfFiniteDifferences) {
  OneLayer layer;
  layer.x = layer.x.sign() * (layer.x.abs() + 2);  // all are clipped: nothing is rounded
  LearnedQuantizers learned = layer.Learn(false);
  learned.Install(Hardness::kSoft);
  layer.slot.Multiply(layer.x).sum().backward();
  const auto at_factor = [&](float f) {
    ActivationQuantizer q = layer.start;
    q.scale = q.scale * f;
    return (layer.r * q.Apply(layer.x)).sum(at::kDouble).item<double>();
  };
  const double slope = (at_factor(1.125F) - at_factor(0.875F)) / 0.25;  // linear in f
  const double got = learned.Parameters().at(0).tensors.at(0).grad().item<double>();
  EXPECT_NEAR(got, slope / std::sqrt(8.0 * 3), 1e-5 * std::abs(slope));
}

TEST(LearnedBorderTest, ItsGradientIsThatOfTheUnroundedPosition) {
  OneLayer layer;
  layer.start.scale.fill_(4);  // nothing is clipped
  LearnedQuantizers learned = layer.Learn(true);
  const at::Tensor border = learned.Parameters().at(1).tensors.at(0);
  border.set_data(RandomTensor({3, 8}, 9));
  learned.Install(Hardness::kSoft);
  layer.slot.Multiply(layer.x).sum().backward();
  const at::Tensor x = layer.x.to(at::kDouble);
  const auto value = [&](const at::Tensor& b) {  // s (x / s - B(x)), rounding left out
    const at::Tensor u = x / 4 / 3;
    return (layer.r * (x - 4 * (b[0] + b[1] * u + b[2] * u * u).sigmoid())).sum().item<double>();
  };
  for (std::int64_t i = 0; i < 24; ++i) {
    const auto moved = [&](double by) {
      at::Tensor b = border.detach().to(at::kDouble).clone();
      b.view({-1})[i] += by;
      return value(b);
    };
    const double slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    EXPECT_NEAR(border.grad().view({-1})[i].item<double>(), slope, 1e-4);
  }
}

TEST(LearnedBorderTest, SoftIsHardBitForBitAndCodesStayInRange) {
  for (const CodeKind grid : {CodeKind::kSym, CodeKind::kSymRestricted, CodeKind::kAsym}) {
    OneLayer layer;
    layer.start.spec.grid = grid;
    layer.start.zero.fill_(grid == CodeKind::kAsym ? -2 : 0);
    LearnedQuantizers learned = layer.Learn(true);
    learned.Parameters().at(1).tensors.at(0).set_data(RandomTensor({3, 8}, 9, 3));
    learned.Install(Hardness::kSoft);
    const at::Tensor soft = layer.slot.Quantized(layer.x);
    EXPECT_TRUE(soft.requires_grad());
    learned.Install(Hardness::kHard);
    const at::Tensor hard = layer.slot.Quantized(layer.x);
    EXPECT_FALSE(hard.requires_grad());
    EXPECT_TRUE(at::equal(soft, hard));
    const at::Tensor codes = layer.slot.quantizer->Codes(layer.x);
    EXPECT_GE(codes.min().item<double>(), layer.start.spec.LowestCode());
    EXPECT_LE(codes.max().item<double>(), layer.start.spec.HighestCode());
  }
}

}  // namespace
}  // namespace roundlab
