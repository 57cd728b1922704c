#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tests/experiments/program.h"

namespace roundlab {
namespace {

using testing::ProgramResult;
using testing::RunProgram;
using testing::Tells;
using testing::TempFolder;

/// A config that is wrong whatever models and data there are, and what the program says of it.
struct BadConfig {
  const char* name;
  const char* yaml;
  const char* error;
};

void PrintTo(const BadConfig& bad, std::ostream* out) { *out << bad.name; }

class BadConfigTest : public ::testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigTest, IsToldWithPlaceAndExitCode2AndNothingIsWritten) {
  const TempFolder folder;
  folder.Write("c.yaml", GetParam().yaml);
  const ProgramResult run = RunProgram(folder.path(), {"run", "c.yaml", "--out", "out"});
  EXPECT_TRUE(Tells(run.err, GetParam().error)) << run.err;
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

const BadConfig kBadConfigs[] = {
    {"UnknownKey", "model: m/\nquand: {bits: 4}\n",
     "c.yaml:2:1: unknown key 'quand'; did you mean 'quant'? (known: ablate, axes, "
     "calibration, compute, eval, except, extends, keep_weights, model, name, pipeline, plots, "
     "quant, seed, "
     "seeds, "
     "tables, targets, threads, where)"},
    {"MisspeltKey", "model: m/\nquant: {bits: 4, grup_size: 128}\n",
     "c.yaml:2:18: unknown key 'quant.grup_size'; did you mean 'group_size'? (known: bits, budget, "
     "gptq_sym_quirk, grid, group_size, overrides, range, scale_dtype, skip)"},
    {"AugLossOfFpInputs",
     "model: m/\npipeline: [{type: round, scheme: signround, inputs: fp, aug_loss: true}]\n",
     "c.yaml:2:67: pipeline.0: aug_loss is for inputs: quantized; what it would add to inputs: fp "
     "is the loss itself"},
    {"AugLossLayerByLayer",
     "model: m/\npipeline: [{type: round, scheme: signround, unit: linear, aug_loss: true}]\n",
     "c.yaml:2:69: pipeline.0: aug_loss is for blocks (unit: block or {blocks: N})"},
    {"MissingModel", "threads: 1\n", "c.yaml:1:1: missing required key 'model'"},
    {"WrongType", "model: m/\nquant: {bits: four}\n",
     "c.yaml:2:15: quant.bits: expected an integer, got 'four'"},
    {"OutOfRange", "model: m/\nthreads: 0\n",
     "c.yaml:2:10: compute.threads: 0 is out of range [1, 1024]"},
    {"GroupSizeMinus2", "model: m/\nquant: {bits: 4, group_size: -2}\n",
     "c.yaml:2:30: quant.group_size: -2 is out of range [-1, inf)"},
    {"Bits1", "model: m/\nquant: {bits: 1}\n", "c.yaml:2:15: quant.bits: 1 is out of range [2, 8]"},
    {"Bits9", "model: m/\nquant: {bits: 9}\n", "c.yaml:2:15: quant.bits: 9 is out of range [2, 8]"},
    {"OverrideBits9", "model: m/\nquant: {bits: 4, overrides: [{match: x, bits: 9}]}\n",
     "c.yaml:2:47: quant.overrides.0.bits: 9 is out of range [2, 8]"},
    {"UnknownScheme", "model: m/\npipeline: [{type: round, scheme: {type: signrund}}]\n",
     "c.yaml:2:41: pipeline.0.scheme.type: unknown rounding scheme 'signrund'; did you mean "
     "'signround'? (known: *)"},
    {"UnknownStage", "model: m/\npipeline: [{type: rond}]\n",
     "c.yaml:2:19: pipeline.0.type: unknown stage 'rond'; did you mean 'round'? (known: *)"},
    {"UnknownOptimizer",
     "model: m/\npipeline:\n  - {type: round, scheme: {type: rtn}, optimizer: {type: adan}}\n",
     "c.yaml:3:58: pipeline.0.optimizer.type: unknown optimizer 'adan'; did you mean 'adam'? "
     "(known: adam, adamw, lion, sgd, sign_sgd)"},
    {"UnknownEvaluator", "model: m/\neval: [{type: perplexty, data: {path: t}}]\n",
     "c.yaml:2:15: eval.0.type: unknown evaluator 'perplexty'; did you mean 'perplexity'? (known: "
     "divergence, perplexity, zero_shot)"},
    {"UnknownChoice", "model: m/\nquant: {bits: 4, grid: asymm}\n",
     "c.yaml:2:24: quant.grid: unknown value 'asymm'; did you mean 'asym'? (known: asym, "
     "float_zero, power, sym, sym_full, sym_restricted)"},
    {"UnknownDataName", "model: m/\neval: [{type: perplexity, data: wikitext3}]\n",
     "c.yaml:2:33: eval.0.data: unknown data 'wikitext3'; did you mean 'wikitext2'? (known: "
     "arc_challenge, arc_easy, boolq, c4, hellaswag, lab, lambada_openai, mmlu, openbookqa, pile, "
     "piqa, ptb, rte, tinystories, truthfulqa, wikitext2, winogrande); a file is given as {path: "
     "FILE}"},
    {"TwoEvaluatorsOfOneName",
     "model: m/\neval:\n  - {type: perplexity, data: {path: t}}\n"
     "  - {type: perplexity, name: t, data: {path: u}}\n",
     "c.yaml:4:5: eval.1: name 't' is taken by eval.0; give one of them a name (zero_shot: a "
     "suffix)"},
    {"RoundWithoutQuant", "model: m/\npipeline: [{type: round, scheme: {type: rtn}}]\n",
     "c.yaml:1:1: a pipeline needs the section 'quant'"},
    {"TunedWithoutCalibration",
     "model: m/\nquant: {bits: 4}\npipeline: [{type: round, scheme: {type: signround}}]\n",
     "c.yaml:3:12: pipeline.0: scheme 'signround' needs the section 'calibration'"},
    {"TwoRoundStages",
     "model: m/\nquant: {bits: 4}\npipeline:\n  - {type: round, scheme: rtn}\n"
     "  - {type: round, scheme: {type: stochastic}}\n",
     "c.yaml:5:5: pipeline.1: the weights are rounded by pipeline.0 already: one round stage at "
     "the most"},
    {"StageTwice",
     "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: t}}\n"
     "pipeline: [smoothquant, {type: smoothquant}, {type: round, scheme: rtn}]\n",
     "c.yaml:4:25: pipeline.1: 'smoothquant' is there already (pipeline.0)"},
    {"QuantizersTwice", "model: m/\nquant: {bits: 4}\npipeline: [kv_cache, {type: kv_cache}]\n",
     "c.yaml:3:22: pipeline.1: 'kv_cache' is there already (pipeline.0): give this one a match of "
     "its own, or leave one out"},
    {"OscillationOfASchemeThatDoesNotTell",
     "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: t}}\n"
     "pipeline: [{type: round, scheme: llm_qat, oscillation: {}}]\n",
     "c.yaml:4:56: pipeline.0: oscillation can't hold the codes of scheme 'llm_qat', which does "
     "not tell what it rounds (known: aquant, flexround, lrq, omniquant, signround, signround_v2)"},
    {"GridThatTheStartDoesNotTake",
     "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: t}}\n"
     "pipeline: [{type: round, scheme: gptq, start: {scheme: hqq}}]\n",
     "c.yaml:2:8: quant.grid 'asym': scheme 'hqq' does not take it (known: float_zero)"},
    {"RepairWithoutRound", "model: m/\nquant: {bits: 4}\npipeline: [{type: scale_refit}]\n",
     "c.yaml:3:12: pipeline.0: 'scale_refit' repairs what rounding did and must come after a round "
     "stage"},
    {"RepairWithoutCalibration",
     "model: m/\nquant: {bits: 4}\npipeline: [{type: round, scheme: rtn}, {type: "
     "bias_correction}]\n",
     "c.yaml:3:40: pipeline.1: stage 'bias_correction' needs the section 'calibration'"},
    {"StepSizeThatFloat32CannotHold",
     "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\n"
     "pipeline: [{type: round, scheme: signround, optimizer: {type: adam, lr: 1e38}}]\n",
     "c.yaml:4:73: pipeline.0.optimizer.lr: 1e38 is out of range (0, 1e+30]"},
    {"BestMinibatchOfASoftScheme",
     "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\n"
     "pipeline: [{type: round, scheme: adaround, select: best_minibatch}]\n",
     "c.yaml:4:52: pipeline.0: select: best_minibatch is not for scheme 'adaround': it is soft "
     "while it is tuned, and its least loss is that of weights that are hardly rounded (known: "
     "last, best_full)"},
    {"GridThatTheSchemeDoesNotTake",
     "model: m/\nquant: {bits: 4, grid: float_zero}\n"
     "pipeline: [{type: round, scheme: stochastic}]\n",
     "c.yaml:2:24: quant.grid 'float_zero': scheme 'stochastic' does not take it (known: asym, "
     "sym, sym_full, sym_restricted)"},
    {"OverriddenGridThatTheSchemeDoesNotTake",
     "model: m/\nquant: {bits: 4, grid: float_zero, overrides: [{match: a, grid: sym}]}\n"
     "pipeline: [{type: round, scheme: hqq}]\n",
     "c.yaml:2:65: quant.overrides.0.grid 'sym': scheme 'hqq' does not take it (known: "
     "float_zero)"},
    {"RangePassedOver",
     "model: m/\nquant: {bits: 4, range: mse}\n"
     "calibration: {data: {path: t}}\n"
     "pipeline: [{type: round, scheme: omniquant}]\n",
     "c.yaml:2:25: quant.range 'mse': scheme 'omniquant' makes its own on grid 'asym' and would "
     "pass over it: leave it out (or, where the scheme has it, set own_range: false)"},
    {"ARangeForAnotherGrid",
     "model: m/\nquant: {bits: 4, range: scale_search}\n"
     "calibration: {data: {path: x}, samples: 1, seqlen: 4}\n"
     "pipeline: [{type: round, scheme: rtn}]\n",
     "c.yaml:2:25: quant.range 'scale_search' is min-max on grid 'asym' (known: sym_full)"},
    {"BudgetWithoutCalibration",
     "model: m/\nquant: {budget: 3}\npipeline: [{type: round, scheme: rtn}]\n",
     "c.yaml:2:17: quant.budget needs the section 'calibration'"},
    {"UnknownAxisInTable",
     "model: m/\naxes: [{key: seed, values: [1, 2]}]\n"
     "tables: [{rows: sead, value: cost/seconds}]\n",
     "c.yaml:3:10: tables.0.rows: unknown axis 'sead'; did you mean 'seed'? (known: seed)"},
    {"TwoAxesSetOneKey",
     "model: m/\naxes:\n  - {key: seed, values: [1]}\n  - {name: b, values: {x: {seed: 3}}}\n",
     "c.yaml:4:34: axes 'seed' and 'b' both set 'seed'"},
    {"AnAxisSetsPartOfWhatAnotherSets",
     "model: m/\naxes:\n  - {key: quant.bits, values: [4]}\n"
     "  - {name: b, values: {x: {quant: {bits: 3}}}}\n",
     "c.yaml:4:35: axes 'quant.bits' and 'b' both set 'quant.bits' and 'quant'"},
    {"AxisKeyNotThere", "model: m/\nquant: {bits: 4}\naxes: [{key: quant.bit, values: [4]}]\n",
     "c.yaml:3:34: unknown key 'quant.bit'; did you mean 'bits'? (known: bits, budget, "
     "gptq_sym_quirk, grid, "
     "group_size, overrides, range, scale_dtype, skip)"},
    {"ZipOfUnequalLengths", "model: m/\naxes: [{name: s, zip: {seed: [1, 2], threads: [1]}}]\n",
     "c.yaml:2:47: axes.0.zip.threads: has 1 values, 'seed' has 2"},
    {"TwoLabelsForThree", "model: m/\naxes: [{key: seed, values: [1, 2, 3], labels: [a, b]}]\n",
     "c.yaml:2:47: axes.0.labels: 2 labels for 3 values"},
    {"LabelTwice", "model: m/\naxes: [{key: seed, values: [1, 2], labels: [a, a]}]\n",
     "c.yaml:2:8: axes.0: label 'a' is there twice"},
    {"SeedBesideSeeds", "model: m/\nseed: 3\nseeds: [1, 2]\n",
     "c.yaml:2:7: seed: 'seeds' sets it in every run; remove one of them"},
    {"WhereOfAnUnknownAxis", "model: m/\naxes: [{key: seed, values: [1]}]\nwhere: [{sead: 1}]\n",
     "c.yaml:3:10: where.0: unknown axis 'sead'; did you mean 'seed'? (known: seed)"},
    {"ExceptOfAnUnknownLabel",
     "model: m/\naxes: [{key: seed, values: [1, 2]}]\nexcept: [{seed: [1, 3]}]\n",
     "c.yaml:3:17: except.0.seed: axis 'seed' has no '3'; did you mean '1'? (known: 1, 2)"},
    {"NothingLeft", "model: m/\naxes: [{key: seed, values: [1]}]\nexcept: [{seed: 1}]\n",
     "c.yaml:1:1: where and except leave no run"},
    {"TableOfWhatNobodyMeasures",
     "model: m/\neval: [{type: perplexity, name: t, data: {path: x}}]\n"
     "axes: [{key: seed, values: [1]}]\ntables: [{rows: seed, value: t/perplexty}]\n",
     "c.yaml:4:10: tables.0.value: no run measures 't/perplexty'; did you mean 't/perplexity'? "
     "(known: cost/peak_gib, cost/seconds, cost/tune_seconds, model/bits_per_weight, "
     "t/context_least, t/context_mean, t/nll_sum, t/perplexity, t/stderr, t/tokens, t/windows, "
     "t/windows_available)"},
    {"CompareToWhatIsNotThere",
     "model: m/\naxes: [{key: seed, values: [1, 2]}]\n"
     "tables: [{rows: seed, value: cost/seconds, compare_to: rtn}]\n",
     "c.yaml:3:10: tables.0.compare_to: axis 'seed' has no 'rtn' (known: 1, 2)"},
    {"TableOfAnAxisByItself",
     "model: m/\naxes: [{key: seed, values: [1, 2]}]\n"
     "tables: [{rows: seed, columns: seed, value: cost/seconds}]\n",
     "c.yaml:3:10: tables.0.columns: 'seed' is the axis of the rows"},
    {"PlotOfWhatIsNotThere",
     "model: m/\naxes: [{key: seed, values: [1, 2]}]\n"
     "plots: [{x: sead, y: cost/second, series: bits}]\n",
     "c.yaml:3:9: plots.0.y: no run measures 'cost/second'; did you mean 'cost/seconds'? (known: "
     "cost/peak_gib, cost/seconds, cost/tune_seconds, model/bits_per_weight)\n"
     "c.yaml:3:9: plots.0.series: unknown axis 'bits' (known: seed)\n"
     "c.yaml:3:9: plots.0.x: 'sead' is no axis and no metric that a run measures; did you mean "
     "'seed'? (known: cost/peak_gib, cost/seconds, cost/tune_seconds, model/bits_per_weight, "
     "seed)"},
    {"PlotWithLogOfWords",
     "model: m/\naxes: [{name: s, values: {a: {seed: 1}, b: {seed: 2}}}]\n"
     "plots: [{x: s, y: cost/seconds, log: x}]\n",
     "c.yaml:3:9: plots.0.log: the labels of axis 's' are not numbers"},
    {"AblateNothing", "model: m/\nablate: {value: cost/seconds}\n",
     "c.yaml:2:9: ablate.off: expected a mapping of components to the dotted keys that switch them "
     "off"},
    {"PairThatSetsOneKey",
     "model: m/\nablate: {value: cost/seconds, pairs: true, off: {a: {seed: 1}, b: {seed: 2}}}\n",
     "c.yaml:2:74: axis 'ablate', '- a - b', sets twice 'seed'"},
    {"AxisNameTwice",
     "model: m/\naxes:\n  - {key: model, values: [n/]}\n  - {name: model, values: {x: {}}}\n",
     "c.yaml:4:5: axes: name 'model' is used twice"},
    {"AxisNamedSeedThatSetsAnother", "model: m/\naxes: [{name: seed, key: model, values: [m/]}]\n",
     "c.yaml:2:8: axes.0: name 'seed' is what each run's own seed is listed as; choose another "
     "(key: "
     "seed is the axis of seeds)"},
    {"AxisWithoutValues", "model: m/\naxes: [{key: seed, values: []}]\n",
     "c.yaml:2:8: axes.0: has no values"},
    {"SeedTwice", "model: m/\nseeds: [1, 1]\n", "c.yaml:2:12: seeds: 1 is there twice"},
    {"SeedByAnAxisAndBySeeds", "model: m/\nseeds: [0]\naxes: [{key: seed, values: [3, 4]}]\n",
     "c.yaml:2:8: seeds: axis 'seed' sets the seed too"},
    {"AxisOfWhatIsNoOption", "model: m/\naxes: [{key: seeds, values: [[0, 1]]}]\n",
     "c.yaml:2:30: axis 'seeds' sets 'seeds', which is no option of a run"},
    {"NameAboveOut", "model: m/\nname: ../x\n",
     "c.yaml:2:7: name: '../x' can't be the name of a folder in --out"},
    {"NameOfNothing", "model: m/\nname: ''\n",
     "c.yaml:2:7: name: '' can't be the name of a folder in --out"},
    {"WhereWithoutLabel", "model: m/\naxes: [{key: seed, values: [1]}]\nexcept: [{seed: []}]\n",
     "c.yaml:3:17: except.0.seed: expected a label or a list of labels"},
    {"AblationLabelTwice",
     "model: m/\nablate: {value: cost/seconds, full: '- a', off: {a: {seed: 1}}}\n",
     "c.yaml:2:50: ablate: label '- a' is there twice"},
    {"AliasOfWhatItLiesIn", "axes: &a [*a]\n",
     "c.yaml:1:11: yaml: nested too deep or too large once aliases are written out (an alias of "
     "what it lies in?)"},
    {"TwoDocuments", "model: m/\n---\nseeds: [1]\n", "c.yaml:2:1: yaml: a second document"},
    {"ExtendsItself", "extends: c.yaml\n", "c.yaml:1:10: extends: 'c.yaml' extends itself"},
    {"ExtendsMissing", "extends: base.yaml\n", "c.yaml:1:10: extends: no such file 'base.yaml'"},
    {"Empty", "", "c.yaml: config: expected a mapping"},
    {"BadYaml", "model: [m\n", "c.yaml:2:1: yaml: end of sequence flow not found"},
    {"AllAtOnce", "model: m/\nthreads: 0\nquant: {bits: 9}\nsed: 1\n",
     "c.yaml:3:15: quant.bits: 9 is out of range [2, 8]\n"
     "c.yaml:2:10: compute.threads: 0 is out of range [1, 1024]\n"
     "c.yaml:4:1: unknown key 'sed'; did you mean 'seed'? (known: ablate, axes, "
     "calibration, compute, eval, except, extends, keep_weights, model, name, pipeline, plots, "
     "quant, seed, "
     "seeds, "
     "tables, targets, threads, where)"},
};

INSTANTIATE_TEST_SUITE_P(Configs, BadConfigTest, ::testing::ValuesIn(kBadConfigs),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(BadPatternTest, IsToldWithPlaceAndExitCode2) {
  const TempFolder folder;
  folder.Write("c.yaml", "model: m/\nquant: {bits: 4, skip: ['(']}\n");
  const ProgramResult run = RunProgram(folder.path(), {"run", "c.yaml"});
  // What follows is the standard library's.
  EXPECT_EQ(run.err.find("c.yaml:2:24: quant: skip: '(' is no regular expression: "), 0U);
  EXPECT_EQ(run.code, 2);
}

}  // namespace
}  // namespace roundlab
