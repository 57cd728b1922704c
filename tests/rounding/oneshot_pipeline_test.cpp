#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "rounding/range.h"
#include "rounding/stages/lorc.h"
#include "rounding/stages/scale_groups.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

/// One-shot methods on a tiny model, from calibration tokens to the weights that are kept.
class OneShotPipelineTest : public testing::PipelineFixture {
 protected:
  OneShotPipelineTest() : PipelineFixture(24, 16) {
    inputs_.seed = 1;
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
  }
  at::Tensor Hidden(const std::function<void(DecoderBlock*)>& change) {
    return LanguageModel(*files_, at::kFloat, change).Hidden(inputs_.tokens);
  }
};

constexpr const char* kNearest = "type: round\nscheme: {type: rtn}";

std::string Round(const std::string& scheme) { return "type: round\nscheme: {" + scheme + "}"; }

TEST_F(OneShotPipelineTest, GptqLosesLessThanNearestCodes) {
  const double nearest = Error(Run({kNearest}));
  for (const char* options : {"", ", true_sequential: true", ", order: activation",
                              ", asymmetric: true", ", order: group_aware, in_double: true"}) {
    EXPECT_LT(Error(Run({Round(std::string("type: gptq") + options)})), 0.9 * nearest) << options;
  }
}

TEST_F(OneShotPipelineTest, SequentialCalibrationSeesWhatIsRoundedInTheBlock) {
  const auto plain = Run({Round("type: gptq")}).layers();
  const auto sequential = Run({Round("type: gptq, true_sequential: true")}).layers();
  const auto same = [&](const std::string& name) {
    return at::equal(plain.at(name).codes, sequential.at(name).codes);
  };
  EXPECT_TRUE(same("model.layers.0.self_attn.v_proj"));
  EXPECT_FALSE(same("model.layers.0.self_attn.o_proj"));
  EXPECT_FALSE(same("model.layers.0.mlp.down_proj"));
}

TEST_F(OneShotPipelineTest, RangesGetTheirStatistics) {
  for (const char* range : {"type: mse\nweight_by_inputs: true", "type: awq_clip"}) {
    quant_.range = RangeEstimators().FromText(range);
    for (const char* scheme : {"type: rtn", "type: gptq"}) {
      EXPECT_TRUE(std::isfinite(Error(Run({Round(scheme)})))) << range << scheme;
    }
  }
}

TEST_F(OneShotPipelineTest, HqqNeedsNoData) {
  quant_.spec.grid = GridKind::kFloatZero;
  inputs_.tokens.reset();
  const QuantizedModel model = Run({Round("type: hqq")});
  EXPECT_EQ(model.layers().size(), 14U);
}

TEST_F(OneShotPipelineTest, LorcMendsWhatRoundingLost) {
  const QuantizedModel plain = Run({kNearest});
  RunRecord record;
  const QuantizedModel mended = Run({kNearest, "type: lorc\nrank: 4"}, &record);
  EXPECT_LT(Error(mended), Error(plain));
  for (const auto& [name, weight] : mended.layers()) {
    EXPECT_TRUE(at::equal(weight.codes, plain.layers().at(name).codes));
    EXPECT_EQ(weight.left.size(1), 4);
    EXPECT_GT(weight.BitsPerWeight(), plain.layers().at(name).BitsPerWeight());
  }
  EXPECT_THROW(Run({kNearest, "type: lorc\nrank: 1000"}), roundlab::Error);
}

TEST_F(OneShotPipelineTest, WhatAPairTakesAwayIsWhatIsGoneFromTheWeight) {
  RunRecord record;
  const std::string round = Round("type: easyquant, outliers: 1.5");
  const auto plain = Run({round}).layers();
  const auto mended = Run({round, "type: lorc\nrank: 4"}, &record).layers();
  const auto block = files_->LoadBlock(0);
  for (const LinearSlot* slot : block->Linears()) {
    const auto error = [&](const std::map<std::string, QuantizedWeight>& layers) {
      const at::Tensor gap = layers.at(slot->name).Dequantize() - slot->weight;
      return gap.square().sum(at::kDouble).item<double>();
    };
    const double kept = record.arrays().at("layers/" + slot->name + "/lorc_kept").values[0];
    EXPECT_NEAR(kept, 1 - error(mended) / error(plain), 1e-5) << slot->name;
  }
}

TEST_F(OneShotPipelineTest, FactorsInEightBitsCostHalfAndLoseLittle) {
  const QuantizedModel plain = Run({kNearest});
  const QuantizedModel wide = Run({kNearest, "type: lorc\nrank: 4"});
  const QuantizedModel narrow = Run({kNearest, "type: lorc\nrank: 4\nfactor_bits: 8"});
  EXPECT_LT(Error(narrow), Error(plain));
  EXPECT_NEAR(Error(narrow), Error(wide), 0.05 * Error(wide));
  for (const auto& [name, weight] : narrow.layers()) {
    EXPECT_FALSE(weight.left.defined());
    const double in_full = wide.layers().at(name).BitsPerWeight();
    const double codes = plain.layers().at(name).BitsPerWeight();
    const double scales = 4 * 32.0 / static_cast<double>(weight.Rows() * weight.Columns());
    EXPECT_NEAR(weight.BitsPerWeight(), codes + (in_full - codes) / 2 + scales, 1e-9);
  }
}

TEST(LorcTest, CodesOfAPairAreNearest) {
  LowRankPair pair{RandomTensor({5, 3}, 1), RandomTensor({3, 7}, 2)};
  pair.left.select(1, 2).zero_();
  QuantizedWeight weight;
  weight.codes = at::zeros({5, 7}, at::kByte);
  weight.scale = at::ones({5, 1});
  weight.zero = at::zeros({5, 1});
  AttachPair(pair, FactorBits::k16, &weight);
  AttachPair(pair, FactorBits::k8, &weight);  // in place of the other
  EXPECT_FALSE(weight.left.defined() || weight.right.defined());
  const at::Tensor largest = pair.left.abs().amax(0) * pair.right.abs().amax(1);
  const double bound = (largest.sum() / 127 * 1.01).item<double>();  // half a code of each factor
  EXPECT_TRUE(TensorNear(weight.Dequantize(), at::mm(pair.left, pair.right), bound, 0));
  EXPECT_EQ(weight.left_codes.select(1, 2).eq(128).all().item<bool>(), true);
  EXPECT_EQ(weight.left_codes.min().item<int>() >= 1, true);
}

TEST(LorcTest, PairsOfSmallErrorsKeepTheirScales) {
  const LowRankPair pair{RandomTensor({5, 1}, 1) * 1e-5, RandomTensor({1, 7}, 2) * 1e-5};
  QuantizedWeight weight;
  weight.codes = at::zeros({5, 7}, at::kByte);
  weight.scale = at::ones({5, 1});
  weight.zero = at::zeros({5, 1});
  AttachPair(pair, FactorBits::k8, &weight);
  const at::Tensor product = at::mm(pair.left, pair.right);
  const double largest = (pair.left.abs().max() * pair.right.abs().max()).item<double>();
  EXPECT_TRUE(TensorNear(weight.Dequantize(), product, 1.01 * largest / 127, 0));
}

TEST_F(OneShotPipelineTest, FoldedScalesLeaveTheModelAsItIs) {
  const at::Tensor before = Hidden([](DecoderBlock* /*block*/) {});
  int folded = 0;
  const at::Tensor after = Hidden([&](DecoderBlock* block) {
    for (const auto& groups : {NormGroups(block), OutputGroups(block), DownGroups(block)}) {
      for (const ScaleGroup& group : groups) {
        if (!group.obstacle.empty()) continue;
        Fold(group, RandomTensor({group.slots[0]->weight.size(1)}, 7).exp());
        ++folded;
      }
    }
  });
  EXPECT_GE(folded, 6);
  EXPECT_TRUE(TensorNear(after, before, 1e-4, 1e-4));
}

TEST_F(OneShotPipelineTest, ScalesOfSharedHeadsHaveAnObstacle) {
  LanguageModel(*files_, at::kFloat, [&](DecoderBlock* block) {
    const bool grouped = block->plan().attention.heads != block->plan().attention.kv_heads;
    EXPECT_EQ(OutputGroups(block)[0].obstacle,
              grouped ? "v has other channels (grouped-query attention)" : "");
    EXPECT_EQ(NormGroups(block).size(), 2U);
    EXPECT_EQ(NormGroups(block)[0].slots.size(), 3U);
    EXPECT_EQ(NormGroups(block)[1].slots.size(), 2U);
  });
}

/// Of the first ratio, 0, that does not scale: the error of outputs with nearest codes.
TEST_F(OneShotPipelineTest, AwqsLossOfDownIsThatOfItsOutputs) {
  RunRecord record;
  Run({"type: awq_scale", kNearest}, &record);
  const QuantizedModel nearest = Run({kNearest});
  LanguageModel model(*files_, at::kFloat);
  for (const char* name : {"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}) {
    double expected = 0;
    for (const auto& block : model.blocks()) {
      for (LinearSlot* slot : block->Linears()) {
        if (slot->name != name) continue;
        const at::Tensor gap = slot->weight - nearest.layers().at(name).Dequantize();
        slot->on_input = [&expected, gap](const at::Tensor& x) {
          expected = at::linear(x, gap).square().mean(at::kDouble).item<double>();
        };
      }
    }
    model.Hidden(inputs_.tokens);
    const double loss = record.arrays().at(std::string("units/") + name + "/awq_loss").values.at(0);
    EXPECT_NEAR(loss, expected, 1e-5 * expected) << name;
  }
}

TEST_F(OneShotPipelineTest, AwqScalesLoseLessThanNearestCodesAlone) {
  RunRecord record;
  const QuantizedModel scaled = Run({"type: awq_scale", kNearest}, &record);
  EXPECT_LT(Error(scaled), Error(Run({kNearest})));
  EXPECT_EQ(scaled.tensors().count("model.layers.0.input_layernorm.weight"), 1U);
  const QuantizedModel again = Run({"type: awq_scale", kNearest});
  EXPECT_EQ(scaled.CodesSha256(), again.CodesSha256());
  // Ratios that are dropped on the way would not have been chosen.
  for (const auto& [name, array] : record.arrays()) {
    if (!name.ends_with("/awq_sequences")) continue;
    const bool by_moment = name.find("down_proj") != std::string::npos;
    EXPECT_GE(*std::max_element(array.values.begin(), array.values.end()), by_moment ? 1 : 8);
  }
  const QuantizedModel whole = Run({"type: awq_scale\ncertainty: 0", kNearest});
  EXPECT_EQ(scaled.CodesSha256(), whole.CodesSha256());
  // r = 0 is no scaling at all.
  const QuantizedModel none = Run({"type: awq_scale\nratios: 1", kNearest});
  EXPECT_TRUE(at::equal(none.layers().at("model.layers.1.mlp.up_proj").codes,
                        Run({kNearest}).layers().at("model.layers.1.mlp.up_proj").codes));
}

}  // namespace
}  // namespace roundlab
