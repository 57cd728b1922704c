#include "rounding/pipeline.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/base/diverged.h"
#include "core/model/model.h"
#include "rounding/scheme.h"
#include "rounding/stages/scale_refit.h"
#include "rounding/unit_work.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;
using testing::TinyModel;

class PipelineTest : public testing::PipelineFixture {
 protected:
  PipelineTest() : PipelineFixture(11, 10) {
    inputs_.seed = 1;
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
    quant_.spec.scale_dtype = ScaleType::kFloat32;
  }

  /// Mean over tokens of what a layer is fed in a model of these weights.
  at::Tensor MeanInput(const std::string& layer, const QuantizedModel& model) {
    at::Tensor sum;
    const LanguageModel language(*files_, at::kFloat, [&](DecoderBlock* block) {
      model.ApplyTo(block);
      for (LinearSlot* slot : block->Linears()) {
        if (slot->name != layer) continue;
        slot->on_input = [&](const at::Tensor& x) {
          sum = x.flatten(0, 1).to(at::kDouble).mean(0).to(at::kFloat);
        };
      }
    });
    language.Hidden(inputs_.tokens);
    return sum;
  }
};

constexpr const char* kRtn = "type: round\nscheme: {type: rtn}";

TEST_F(PipelineTest, BiasCorrectionTakesTheExpectedErrorOut) {
  const QuantizedModel plain = Run({kRtn});
  const QuantizedModel corrected = Run({kRtn, "type: bias_correction"});
  ASSERT_EQ(corrected.layers().size(), plain.layers().size());
  for (const auto& [name, weight] : corrected.layers()) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(at::equal(weight.codes, plain.layers().at(name).codes));
    ASSERT_TRUE(weight.bias.defined());
    const std::int64_t block = name.find(".0.") != std::string::npos ? 0 : 1;
    at::Tensor original;
    const auto loaded = files_->LoadBlock(block);
    for (LinearSlot* slot : loaded->Linears()) {
      if (slot->name == name) original = slot->weight;
    }
    // Inputs of the corrected model itself: layers before this one are corrected already.
    const at::Tensor error = at::mv(original - weight.Dequantize(), MeanInput(name, corrected));
    EXPECT_TRUE(TensorNear(weight.bias, error, 1e-5, 1e-4));
  }
}

TEST_F(PipelineTest, EverySchemeRoundsAModelOnEveryGrid) {
  for (const std::string& scheme : RoundingSchemes().Names()) {
    for (const auto& [grid, grid_name] : GridNames()) {
      SCOPED_TRACE(scheme + " " + grid_name);
      if (!RoundingSchemes().FromText("type: " + scheme).make()->OnGrid({.grid = grid}).takes)
        continue;
      quant_.spec.grid = grid;
      const QuantizedModel model =
          Run({"type: round\nscheme:\n" + Indent(testing::SmallRecipe(scheme) + "\n", 2) +
               "\nsteps: 3\nbatch: 4"});
      EXPECT_EQ(model.layers().size(), 14U);
      for (const auto& [name, weight] : model.layers())
        EXPECT_EQ(WeightProblem(weight, weight.Dequantize()), "") << name;
    }
  }
}

TEST_F(PipelineTest, SkippedBiasesStayMissing) {
  const QuantizedModel model = Run({kRtn, "type: bias_correction\nmissing: skip"});
  for (const auto& [name, weight] : model.layers()) EXPECT_FALSE(weight.bias.defined()) << name;
}

TEST_F(PipelineTest, ScaleRefitNeverRaisesTheErrorOfAGroup) {
  const QuantizedModel plain = Run({kRtn});
  const QuantizedModel refitted = Run({kRtn, "type: scale_refit"});
  int better = 0;
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto block = files_->LoadBlock(b);
    for (LinearSlot* slot : block->Linears()) {
      const auto error = [&](const QuantizedModel& model) {
        const QuantizedWeight& w = model.layers().at(slot->name);
        return w.Layout().Split((w.Dequantize() - slot->weight).square()).sum(1);
      };
      const at::Tensor before = error(plain);
      const at::Tensor after = error(refitted);
      EXPECT_TRUE((after <= before * (1 + 1e-6)).all().item<bool>()) << slot->name;
      better += (after < before * 0.999).any().item<bool>() ? 1 : 0;
    }
  }
  EXPECT_EQ(better, 14);
}

/// Mean squared error of each layer's weight, by name.
std::map<std::string, double> WeightErrors(const ModelFiles& files, const QuantizedModel& model) {
  std::map<std::string, double> errors;
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto block = files.LoadBlock(b);
    for (LinearSlot* slot : block->Linears()) {
      const at::Tensor gap = model.layers().at(slot->name).Dequantize() - slot->weight;
      errors[slot->name] = gap.square().mean(at::kDouble).item<double>();
    }
  }
  return errors;
}

TEST_F(PipelineTest, ErrorsAreToldAgainBehindRepairs) {
  const std::string round = "type: round\nscheme: {type: signround}\nsteps: 2\nbatch: 4";
  RunRecord plain;
  Run({round}, &plain);
  RunRecord repaired;
  const QuantizedModel model = Run({round, "type: lorc\nrank: 8"}, &repaired);
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto block = files_->LoadBlock(b);
    for (LinearSlot* slot : block->Linears()) {
      const std::string layer = "layers/" + slot->name + "/";
      EXPECT_EQ(plain.arrays().count(layer + "repaired_weight_snr_db"), 0U);
      const auto told = [&](const std::string& name) {
        return repaired.arrays().at(layer + name).values[0];
      };
      const at::Tensor gap = model.layers().at(slot->name).Dequantize() - slot->weight;
      const double power = slot->weight.square().sum(at::kDouble).item<double>();
      const double snr = 10 * std::log10(power / gap.square().sum(at::kDouble).item<double>());
      EXPECT_NEAR(told("repaired_weight_snr_db"), snr, 1e-4) << slot->name;
      EXPECT_GT(told("repaired_weight_snr_db"), told("weight_snr_db") + 1);
      EXPECT_GT(told("repaired_output_snr_db"), told("output_snr_db"));
    }
  }
}

TEST_F(PipelineTest, ScaleRefitHoldsForGroupsThatAreFilledUp) {
  quant_.spec.group_size = 24;  // of 32 and 64 inputs
  const auto lowers = [&](const std::string& scheme) {
    SCOPED_TRACE(scheme + " " + EnumName(quant_.spec.grid, GridNames()));
    const std::string round = "type: round\nscheme: " + scheme;
    const auto before = WeightErrors(*files_, Run({round}));
    for (const auto& [name, after] : WeightErrors(*files_, Run({round, "type: scale_refit"}))) {
      EXPECT_LE(after, before.at(name) * (1 + 1e-6)) << name;
    }
  };
  for (const auto& [grid, name] : GridNames()) {
    quant_.spec.grid = grid;
    if (RoundingSchemes().FromText("rtn").make()->OnGrid({.grid = grid}).takes) lowers("rtn");
    if (RoundingSchemes().FromText("powerquant").make()->OnGrid({.grid = grid}).takes)
      lowers("powerquant");
  }
}

TEST_F(PipelineTest, ScaleRefitLeavesToThePairWhatThePairSays) {
  const auto before = WeightErrors(*files_, Run({kRtn, "type: lorc\nrank: 4"}));
  const auto after = WeightErrors(*files_, Run({kRtn, "type: lorc\nrank: 4", "type: scale_refit"}));
  for (const auto& [name, error] : after) EXPECT_LE(error, before.at(name) * (1 + 1e-6)) << name;
}

TEST_F(PipelineTest, ScaleRefitLooksPastWhatIsKeptApart) {
  const std::string round = "type: round\nscheme: {type: easyquant}";
  quant_.spec.grid = GridKind::kSym;
  const auto before = WeightErrors(*files_, Run({round}));
  const auto after = WeightErrors(*files_, Run({round, "type: scale_refit"}));
  for (const auto& [name, error] : after) EXPECT_LE(error, before.at(name) * (1 + 1e-6)) << name;
}

TEST_F(PipelineTest, ScaleRefitFindsGroupsThatActOrderMade) {
  quant_.spec.group_size = 24;  // the last group of 32 or 64 inputs is shorter
  const std::string round = "type: round\nscheme: {type: gptq, order: activation}";
  const QuantizedModel plain = Run({round});
  const auto before = WeightErrors(*files_, plain);
  int better = 0;
  for (const auto& [name, after] : WeightErrors(*files_, Run({round, "type: scale_refit"}))) {
    ASSERT_TRUE(plain.layers().at(name).g_idx.defined()) << name;
    if (name.find(".0.") == std::string::npos) continue;  // their inputs are others
    EXPECT_LE(after, before.at(name) * (1 + 1e-6)) << name;
    better += after < before.at(name) * 0.999 ? 1 : 0;
  }
  EXPECT_GE(better, 5);  // of seven
  EXPECT_NO_THROW(Run({round, "type: scale_refit\nweights: inputs"}));
}

TEST_F(PipelineTest, StagesFollowOneAnother) {
  const QuantizedModel model = Run({"type: round\nscheme: {type: signround}\nsteps: 3\nbatch: 4",
                                    "type: scale_refit\nweights: inputs", "type: bias_correction"});
  EXPECT_EQ(model.layers().size(), 14U);
  for (const auto& [name, weight] : model.layers()) EXPECT_TRUE(weight.bias.defined()) << name;
}

TEST_F(PipelineTest, FrozenWeightsOfTesseraQStandWeightDecay) {
  for (const char* optimizer : {"adam", "adamw", "sgd", "sign_sgd", "lion"}) {
    const QuantizedModel made =
        Run({std::string("type: round\nscheme: tesseraq\nsteps: 20\noptimizer: {type: ") +
             optimizer + ", lr: 0.01, weight_decay: 0.1}"});
    EXPECT_EQ(made.layers().size(), 14U) << optimizer;
  }
}

TEST_F(PipelineTest, AugLossIsAgainstTheUnroundedUnitsOwnAnswerToo) {
  const std::string zero_steps = "type: round\nscheme: signround\nsteps: 0\nselect: last\n";
  RunRecord plain;
  RunRecord augmented;
  const QuantizedModel model = Run({zero_steps}, &plain);
  Run({zero_steps + "aug_loss: true"}, &augmented);
  const auto before = [](const RunRecord& record, const char* unit) {
    return record.arrays().at(std::string("units/") + unit + "/loss_before").values[0];
  };
  // Both targets of the first block are the same.
  EXPECT_DOUBLE_EQ(before(augmented, "block_0"), 2 * before(plain, "block_0"));
  const ModelEnds ends = files_->LoadEnds();
  const RopeTable rope = ends.Rope(inputs_.tokens.size(1));
  const auto rounded = [&](std::int64_t index) {
    auto block = files_->LoadBlock(index);
    model.ApplyTo(block.get());
    return block;
  };
  const c10::NoGradGuard no_grad;
  const at::Tensor inputs = rounded(0)->Forward(ends.Embed(inputs_.tokens), rope);
  const at::Tensor gap =
      rounded(1)->Forward(inputs, rope) - files_->LoadBlock(1)->Forward(inputs, rope);
  const double expected = gap.square().mean(at::kDouble).item<double>();
  EXPECT_NEAR(before(augmented, "block_1") - before(plain, "block_1"), expected, 1e-4 * expected);
}

TEST_F(PipelineTest, AScaleBeyondFloat16NamesTheLayer) {
  quant_.spec.scale_dtype = ScaleType::kFloat16;
  TinyModel large;
  large.largest = 1e7F;
  large.Write(folder_.path());
  files_ = std::make_unique<ModelFiles>(folder_.path());
  inputs_.source = files_.get();
  for (const std::string scheme : {"rtn", "signround"}) {
    try {
      Run({"type: round\nsteps: 2\nscheme: {type: " + scheme + "}"});
      FAIL() << scheme;
    } catch (const Diverged& error) {
      EXPECT_EQ(std::string(error.what()).find("model.layers.1.mlp.down_proj: scale of group "), 0U)
          << error.what();
      EXPECT_NE(std::string(error.what()).find("above float16's largest value 65504"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(InputAccumulatorTest, PortionsGiveWhatTheWholeGives) {
  const at::Tensor x = RandomTensor({3, 700, 5}, 1);
  const at::Tensor fp = x + RandomTensor({3, 700, 5}, 2, 0.1);
  StatisticsKinds kinds;
  kinds.mean = kinds.absolute_mean = kinds.absolute_max = kinds.square_mean = kinds.second_moment =
      kinds.cross_moment = kinds.in_double = true;
  kinds.sample = 512;
  InputAccumulator sums(kinds, 2100);
  for (std::int64_t row = 0; row < 3; ++row) sums.Add(x[row], fp[row]);
  const InputStatistics s = sums.Finish();
  const at::Tensor flat = x.view({-1, 5});
  const at::Tensor wide = flat.to(at::kDouble);
  EXPECT_EQ(s.tokens, 2100);
  EXPECT_TRUE(TensorNear(s.mean, flat.mean(0), 1e-6, 0));
  EXPECT_TRUE(TensorNear(s.absolute_mean, flat.abs().mean(0), 1e-6, 0));
  EXPECT_TRUE(TensorNear(s.absolute_max, flat.abs().amax(0), 0, 0));
  EXPECT_TRUE(TensorNear(s.square_mean, flat.square().mean(0), 1e-6, 0));
  EXPECT_TRUE(TensorNear(s.second_moment, at::mm(wide.t(), wide), 1e-9, 0));
  const at::Tensor other = fp.view({-1, 5}).to(at::kDouble) - wide;
  EXPECT_TRUE(TensorNear(s.cross_moment, at::mm(other.t(), wide), 1e-9, 0));
  // Every fourth token: 2100 / 512.
  EXPECT_TRUE(at::equal(s.sample, flat.slice(0, 0, 2100, 4)));
}

TEST(RefitScalesTest, AsBruteForceWithAMoment) {
  const at::Tensor w = RandomTensor({6, 4}, 1);
  const at::Tensor d = (w / 0.4).round();
  const at::Tensor scale = at::full({6}, 0.5F);
  const at::Tensor factor = RandomTensor({3, 4, 4}, 2).to(at::kDouble);
  const at::Tensor moments = at::bmm(factor, factor.transpose(1, 2));
  const at::Tensor fitted = RefitScales(w, d, scale, moments, ScaleType::kFloat32);
  for (std::int64_t g = 0; g < 6; ++g) {
    const auto error = [&](double s) {
      const at::Tensor e = (w[g] - s * d[g]).to(at::kDouble);
      return e.dot(at::mv(moments[g % 3], e)).item<double>();
    };
    const double best = error(fitted[g].item<double>());
    EXPECT_LE(best, error(0.5) + 1e-12);
    for (double s = 0.1; s < 1; s += 0.01) EXPECT_LE(best, error(s) + 1e-9) << g << " " << s;
  }
}

TEST(RefitScalesTest, AGroupOfAllRowsCountsEachByTheMoment) {
  const at::Tensor w = RandomTensor({5, 6}, 1);
  const at::Tensor d = (w / 0.4).round();
  const at::Tensor factor = RandomTensor({6, 6}, 2).to(at::kDouble);
  const at::Tensor moment = at::mm(factor, factor.t());
  const at::Tensor wide = d.to(at::kDouble);
  const double best = (at::mm(w.to(at::kDouble), moment) * wide).sum().item<double>() /
                      (at::mm(wide, moment) * wide).sum().item<double>();
  const at::Tensor fitted = RefitScales(w.view({1, -1}), d.view({1, -1}), at::full({1}, 0.5F),
                                        moment.unsqueeze(0), ScaleType::kFloat32);
  EXPECT_NEAR(fitted.item<double>(), best, 1e-6 * best);
}

TEST(RefitScalesTest, NoneIsBelowTheLeast) {
  const at::Tensor d = at::tensor({1.0F, -1.0F}).view({1, 2});
  const at::Tensor scale = at::full({1}, 2e-5F);
  EXPECT_TRUE(at::equal(RefitScales(d * 5e-6, d, scale, {}, ScaleType::kFloat16), scale));
  EXPECT_LT(RefitScales(d * 1.2e-5, d, scale, {}, ScaleType::kFloat16).item<double>(), 1.3e-5);
}

class SignRoundV2PipelineTest : public testing::PipelineFixture {
 protected:
  SignRoundV2PipelineTest() : PipelineFixture(8, 12) {
    quant_.spec.group_size = 16;
    quant_.spec.grid = GridKind::kSymFull;
  }
  std::string Codes(std::int64_t bits, const std::string& more) {
    quant_.spec.bits = bits;
    return Run({"type: round\nscheme: signround_v2\nsteps: 8\nbatch: 4" + more}).CodesSha256();
  }
};

TEST_F(SignRoundV2PipelineTest, AloneItTrimsItsLossBelowFourBits) {
  for (const char* unit : {"\nunit: block", "\nunit: linear"}) {
    const std::string alone = std::string("\nselect: last") + unit;
    EXPECT_EQ(Codes(3, alone), Codes(3, alone + "\nloss: trimmed_mse"));
    EXPECT_NE(Codes(3, alone), Codes(3, alone + "\nloss: mse"));
    EXPECT_EQ(Codes(4, alone), Codes(4, alone + "\nloss: mse"));
    EXPECT_NE(Codes(4, alone), Codes(4, alone + "\nloss: trimmed_mse"));
  }
}

}  // namespace
}  // namespace roundlab
