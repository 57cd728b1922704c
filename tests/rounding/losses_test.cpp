#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/quant/activation_quantizer.h"
#include "rounding/tuner/tune_options.h"
#include "rounding/tuner/unit_loss.h"
#include "tests/rounding/tuning.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::LinearUnit;
using testing::RandomTensor;
using testing::TensorNear;

at::Tensor Loss(const std::string& kind, const at::Tensor& outputs, const at::Tensor& targets,
                double trim = 0.001) {
  const std::string options = kind == "trimmed_mse" ? "\ntrim: " + std::to_string(trim) : "";
  return Losses().FromText("type: " + kind + options).make()->Of(outputs, targets);
}

TEST(ReconstructionLossTest, MeanAndSumOfSquaresByHand) {
  const at::Tensor y = at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}).view({1, 2, 3});
  const at::Tensor t = at::tensor({0.0F, 2.0F, 5.0F, 4.0F, 4.0F, 3.0F}).view({1, 2, 3});
  EXPECT_FLOAT_EQ(Loss("mse", y, t).item<float>(), (1 + 4 + 1 + 9) / 6.0F);
  EXPECT_FLOAT_EQ(Loss("sum_squares", y, t).item<float>(), (1 + 4 + 1 + 9) / 2.0F);
  EXPECT_FLOAT_EQ(Loss("sum_tokens", y, t).item<float>(), (1 + 4 + 1 + 9) / 3.0F);
}

TEST(ReconstructionLossTest, SumOfSquaresIsTheMeanTimesTheFeatures) {
  const at::Tensor y = RandomTensor({4, 3, 7}, 1);
  const at::Tensor t = RandomTensor({4, 3, 7}, 2);
  EXPECT_NEAR(Loss("sum_squares", y, t).item<double>(), 7 * Loss("mse", y, t).item<double>(), 1e-5);
}

TEST(ReconstructionLossTest, MaskedTokensCountAsEqualAndMeansAreOverAll) {
  const at::Tensor y = RandomTensor({4, 3, 7}, 1);
  const at::Tensor t = RandomTensor({4, 3, 7}, 2);
  const at::Tensor mask = RandomTensor({4, 3}, 3) > 0;
  const at::Tensor same = at::where(mask.unsqueeze(2), y, t);
  for (const char* kind : {"mse", "sum_squares", "sum_tokens"}) {
    const auto loss = Losses().FromText(std::string("type: ") + kind).make();
    const double expected = loss->Of(same, t).item<double>();
    EXPECT_NEAR(loss->Of(y, t, mask).item<double>(), expected, 1e-6 * expected) << kind;
    EXPECT_LT(expected, loss->Of(y, t).item<double>());
  }
  // The largest difference is that of a masked token: it is the one that is left out.
  const auto trimmed = Losses().FromText("type: trimmed_mse").make();
  const at::Tensor two = at::tensor({9.0F, 2.0F}).view({1, 2, 1});
  const at::Tensor second = (at::tensor({0, 1}) != 0).view({1, 2});
  EXPECT_EQ(trimmed->Of(two, at::zeros_like(two), second).item<float>(), 4.0F / 2);
}

TEST(ReconstructionLossTest, IsFloat32WhateverTheComputeType) {
  const at::Tensor y = RandomTensor({2, 3, 4}, 1).to(at::kBFloat16);
  for (const char* kind : {"mse", "sum_squares", "trimmed_mse"}) {
    const at::Tensor loss = Loss(kind, y, at::zeros({2, 3, 4}));
    EXPECT_EQ(loss.scalar_type(), at::kFloat) << kind;
    EXPECT_EQ(loss.dim(), 0) << kind;
  }
}

/// Without the `dropped` largest squares; divided by n, as auto-round's masked loss is.
double TrimmedByBruteForce(const at::Tensor& y, const at::Tensor& t, std::size_t dropped) {
  const at::Tensor squares = (y - t).square().flatten();
  std::vector<float> sorted(squares.const_data_ptr<float>(),
                            squares.const_data_ptr<float>() + squares.numel());
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (std::size_t i = 0; i + dropped < sorted.size(); ++i) sum += static_cast<double>(sorted[i]);
  return sum / static_cast<double>(sorted.size());
}

TEST(ReconstructionLossTest, TrimmedMeanAsBruteForce) {
  struct Case {
    std::int64_t rows;
    double trim;
    std::size_t dropped;  // of 250 elements a row
  };
  for (const Case& c : {Case{1, 0.001, 1},
                        {4, 0.001, 1},
                        {7, 0.001, 1},
                        {8, 0.001, 2},
                        {8, 0, 0},
                        {8, 0.1, 200},
                        {1, 0.5, 125},
                        {3, 0.0101, 7}}) {
    SCOPED_TRACE(std::to_string(c.rows) + " rows, trim " + std::to_string(c.trim));
    const at::Tensor y = RandomTensor({c.rows, 5, 50}, 1);
    const at::Tensor t = RandomTensor({c.rows, 5, 50}, 2);
    EXPECT_NEAR(Loss("trimmed_mse", y, t, c.trim).item<double>(),
                TrimmedByBruteForce(y, t, c.dropped), 1e-6);
  }
}

TEST(ReconstructionLossTest, TiesAtTheTrimAreDroppedByTheirNumber) {
  // Ten differences of 1: trimming three leaves seven.
  EXPECT_FLOAT_EQ(
      Loss("trimmed_mse", at::ones({1, 1, 10}), at::zeros({1, 1, 10}), 0.3).item<float>(), 0.7F);
}

TEST(ReconstructionLossTest, TrimmedBelowSoManyBits) {
  const at::Tensor y = RandomTensor({2, 5, 50}, 1);
  const at::Tensor t = RandomTensor({2, 5, 50}, 2);
  const auto loss = Losses().FromText("type: trimmed_mse\nbelow_bits: 4").make();
  const double trimmed = Loss("trimmed_mse", y, t).item<double>();
  const double whole = Loss("mse", y, t).item<double>();
  ASSERT_LT(trimmed, whole);
  for (const std::int64_t bits : {4, 3, 8, 2}) {
    loss->SetCodes({.bits = bits});
    EXPECT_EQ(loss->Of(y, t).item<double>(), bits < 4 ? trimmed : whole) << bits;
  }
  const auto of_one_grid =
      Losses().FromText("type: trimmed_mse\nbelow_bits: 4\nsym_full_only: true").make();
  for (const bool sym_full : {true, false}) {
    of_one_grid->SetCodes({.bits = 2, .sym_full = sym_full});
    EXPECT_EQ(of_one_grid->Of(y, t).item<double>(), sym_full ? trimmed : whole);
  }
}

TEST(ReconstructionLossTest, TrimmedForInputsOfFewBits) {
  const at::Tensor y = RandomTensor({2, 5, 50}, 1);
  const at::Tensor t = RandomTensor({2, 5, 50}, 2);
  const double trimmed = Loss("trimmed_mse", y, t).item<double>();
  const double whole = Loss("mse", y, t).item<double>();
  const std::string few = "type: trimmed_mse\nbelow_bits: 4\ninputs_up_to_bits: 4";
  for (const bool one_grid : {false, true}) {
    const auto loss = Losses().FromText(few + (one_grid ? "\nsym_full_only: true" : "")).make();
    for (const std::int64_t bits : {3, 4, 8}) {
      for (const std::int64_t inputs : {3, 4, 5, 8, 32}) {
        for (const bool sym_full : {false, true}) {
          SCOPED_TRACE(std::to_string(bits) + " " + std::to_string(inputs));
          loss->SetCodes({.bits = bits, .input_bits = inputs, .sym_full = sym_full});
          const bool trims = (bits < 4 || inputs <= 4) && (sym_full || !one_grid);
          EXPECT_EQ(loss->Of(y, t).item<double>(), trims ? trimmed : whole);
        }
      }
    }
  }
}

TEST(ReconstructionLossTest, InputsAreThoseOfTheUnitsLayersAsTheyAreFed) {
  LinearUnit unit(RandomTensor({50, 32}, 1), RandomTensor({4, 5, 32}, 2));
  unit.slot().effective = RandomTensor({50, 32}, 3);
  unit.unit.bits = 8;
  TuneOptions options;
  options.loss = Losses().FromText("type: trimmed_mse\nbelow_bits: 4\ninputs_up_to_bits: 4");
  for (const std::int64_t bits : {4, 5, 0}) {
    if (bits > 0) {
      const ActivationSpec spec{.bits = bits};
      unit.slot().quantizer =
          std::make_shared<const ActivationQuantizer>(ActivationQuantizer{spec});
    } else {
      unit.slot().quantizer = nullptr;
    }
    const at::Tensor y = unit.slot().Forward(unit.data.inputs.values());
    const double expected =
        Loss(bits == 4 ? "trimmed_mse" : "mse", y, unit.data.targets.values()).item<double>();
    EXPECT_EQ(FullLoss(unit.unit, unit.data, options), expected) << bits;
  }
}

TEST(ReconstructionLossTest, TrimmedElementsGetNoGradient) {
  const at::Tensor y = at::tensor({1.0F, -8.0F, 2.0F, 3.0F}).view({1, 1, 4}).requires_grad_(true);
  Loss("trimmed_mse", y, at::zeros({1, 1, 4}), 0.25).backward();
  EXPECT_TRUE(TensorNear(y.grad(), at::tensor({0.5F, 0.0F, 1.0F, 1.5F}).view({1, 1, 4}), 0, 1e-6));
}

/// All that is wrong with a stage's tuning options, or "".
std::string OptionErrors(const std::string& yaml) {
  TuneOptions options;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(yaml, "a.yaml"), "stage", FieldsOf(&options), &diagnostics);
  return diagnostics.empty() ? "" : ConfigError(diagnostics).what();
}

TEST(TuneOptionsTest, Messages) {
  EXPECT_EQ(OptionErrors("unit: {blocks: 2}\nbatch: 4\naccumulate: 4\n"), "");
  EXPECT_EQ(OptionErrors("unit: row\n"),
            "a.yaml:1:7: stage.unit: expected linear, block or {blocks: N}, got 'row'");
  EXPECT_EQ(OptionErrors("unit: {blocks: 0}\n"),
            "a.yaml:1:16: stage.unit.blocks: 0 is out of range [1, inf)");
  EXPECT_EQ(OptionErrors("unit: {block: 2}\n"),
            "a.yaml:1:7: missing required key 'stage.unit.blocks'\n"
            "a.yaml:1:8: unknown key 'stage.unit.block'; did you mean 'blocks'? (known: blocks)");
  EXPECT_EQ(OptionErrors("batch: 4\naccumulate: 5\n"),
            "a.yaml:2:13: stage: accumulate 5 is more than batch 4");
  EXPECT_EQ(OptionErrors("loss: mae\n"),
            "a.yaml:1:7: stage.loss.type: unknown loss 'mae'; did you mean 'mse'? "
            "(known: mse, soft_labels, sum_squares, sum_tokens, trimmed_mse)");
  EXPECT_EQ(OptionErrors("loss: {type: trimmed_mse, trim: 0.6}\n"),
            "a.yaml:1:33: stage.loss.trim: 0.6 is out of range [0, 0.5]");
  EXPECT_EQ(OptionErrors("steps: -1\n"), "a.yaml:1:8: stage.steps: -1 is out of range [0, inf)");
}

TEST(TuneOptionsTest, UnitsAreReadAndWritten) {
  for (const auto& [yaml, blocks] : {std::pair{"unit: linear\n", 0}, std::pair{"unit: block\n", 1},
                                     std::pair{"unit: {blocks: 3}\n", 3}}) {
    TuneOptions options;
    std::vector<Diagnostic> diagnostics;
    ReadFields(ParseYaml(yaml, "a.yaml"), "stage", FieldsOf(&options), &diagnostics);
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(options.unit_blocks, blocks);
    const std::string canonical = WriteFields(FieldsOf(&options));
    TuneOptions again;
    ReadFields(ParseYaml(canonical.empty() ? "{}" : canonical, "b.yaml"), "stage", FieldsOf(&again),
               &diagnostics);
    EXPECT_TRUE(diagnostics.empty()) << canonical;
    EXPECT_EQ(again.unit_blocks, blocks);
    EXPECT_EQ(WriteFields(FieldsOf(&again)), canonical);
  }
}

}  // namespace
}  // namespace roundlab
