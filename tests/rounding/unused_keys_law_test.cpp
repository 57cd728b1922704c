#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/rounding/product_fixture.h"
#include "tests/rounding/same_weights.h"

namespace roundlab {
namespace {

using testing::ProductTest;

/// Stages with keys that are of no use, on a grid.
struct UnusedCase {
  std::string name;
  std::string grid;
  std::vector<std::string> stages;
};

std::string Round(const std::string& scheme, const std::string& more = "") {
  return "{type: round, scheme: {type: " + scheme + "}" + more + "}";
}

std::string Tuned(const std::string& scheme, const std::string& more = "") {
  return Round(scheme, ", steps: 3, batch: 2" + more);
}

UnusedCase Behind(const std::string& name, const std::string& stage) {
  return {name, "asym", {stage, Tuned("signround")}};
}

std::vector<UnusedCase> UnusedCases() {
  return {
      {"one_shot", "asym", {Round("gptq", ", steps: 3, batch: 2, select: last")}},
      {"start", "asym", {Tuned("signround", ", start: {scheme: rtn, loss_scale: 2}")}},
      {"lr", "sym_full", {Tuned("signround_v2", ", optimizer: {type: sign_sgd, lr: 0.7}")}},
      {"doubled", "asym", {Tuned("signround", ", lr_times_steps: 0, lr_doubled_from: 1")}},
      {"check", "asym", {Tuned("signround", ", check_every: 1")}},
      {"momentum", "asym", {Tuned("signround", ", optimizer: {type: sgd, dampening: 0.5}")}},
      {"trim", "asym", {Tuned("signround", ", loss: {type: trimmed_mse, inputs_up_to_bits: 4}")}},
      {"freeze", "asym", {Tuned("signround", ", oscillation: {dampen: 0.1, freeze_end: 0.5}")}},
      {"dampen",
       "asym",
       {Tuned("signround", ", oscillation: {freeze: 0.1, dampen_reduction: sum}")}},
      {"offset", "asym", {Tuned("signround, tune_offset: false, offset_clamp: 0.1")}},
      {"range", "asym", {Tuned("signround, tune_range: false, range_lr_factor: 2")}},
      {"scale", "sym_full", {Tuned("signround_v2, tune_scale: false, scale_lr_factor: 2")}},
      {"search", "sym_full", {Tuned("signround_v2, own_range: false, weighted: false")}},
      {"decay", "asym", {Tuned("tesseraq, tune_scale: false, scale_decay: 1, scale_lr_factor: 2")}},
      {"exponent", "power", {Tuned("nupes, tune_exponent: false, exponent_lr_factor: 3")}},
      {"penalty", "asym", {Tuned("adaround, reg_weight: 0, beta_start: 5, warmup: 0.1")}},
      {"rank", "asym", {Tuned("lrq, rank: 2, full_rank_fallback: false")}},
      {"static", "asym", {Round("gptq, static_groups: true, stale_groups: false")}},
      {"alpha", "asym", {Round("gptq, asymmetric_alpha: 1")}},
      {"nearest",
       "float_zero",
       {Round("hqq, iterations: 0, norm: 0.3, beta: 2, early_stop: false")}},
      {"threshold", "sym_restricted", {Round("llm_int8, threshold: 0, columns: codes")}},
      {"tables", "asym", {Round("squeezellm, solver: exact, iterations: 1, sensitivity: none")}},
      Behind("clip", "{type: let, clip: false, clip_lr_factor: 9, steps: 2, batch: 2}"),
      Behind("dynamic", "{type: activations, bits: 4, range: percentile, averaging: 0.5}"),
      Behind("channel", "{type: activations, bits: 4, group_size: 2, clusters: 2, spread: 1}"),
      Behind("average",
             "{type: activations, bits: 4, per: tensor, ranges: static, averaging: 0.5}"),
      Behind("percentile",
             "{type: activations, bits: 4, per: tensor, ranges: static, percentile: 60}"),
      Behind("border",
             "{type: activations, bits: 4, per: tensor, ranges: static, "
             "learn: {steps: 2, batch: 2, border_lr_factor: 50}}"),
      Behind("cache", "{type: kv_cache, bits: 4, group_size: 2}"),
  };
}

class UnusedKeysTest : public ProductTest, public ::testing::WithParamInterface<UnusedCase> {};
INSTANTIATE_TEST_SUITE_P(All, UnusedKeysTest, ::testing::ValuesIn(UnusedCases()),
                         [](const auto& of) { return of.param.name; });

TEST_P(UnusedKeysTest, ChangeNothing) {
  QuantOptions quant = Quant("rtn", "minmax");
  quant.spec.grid = EnumValue(GetParam().grid, GridNames()).value();
  const std::vector<StageRecipe> given = Recipes(GetParam().stages);
  std::vector<std::string> without;
  std::size_t unused = 0;
  for (const StageRecipe& stage : given) {
    without.push_back(stage.canonical);
    unused += stage.unused.size();
  }
  ASSERT_GT(unused, 0U);
  const PipelineInputs inputs = Inputs(1);
  const QuantizedModel one = Run(inputs, quant, given);
  const QuantizedModel two = Run(inputs, quant, Recipes(without));
  for (const auto& [name, weight] : one.layers()) {
    EXPECT_TRUE(testing::SameWeights(weight, two.layers().at(name))) << name;
  }
}

}  // namespace
}  // namespace roundlab
