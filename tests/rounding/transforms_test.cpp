#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/base/keys.h"
#include "core/kernels/reference.h"
#include "core/model/families.h"
#include "core/model/families/builtin.h"
#include "core/model/model.h"
#include "core/model/random_source.h"
#include "core/model/rotation.h"
#include "rounding/pipeline.h"
#include "rounding/stages/learned_transform.h"
#include "rounding/stages/spiq.h"
#include "rounding/tuner/rotation_learning.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::RandomTensor;
using testing::TensorNear;

/// A small model of a family, of random weights. The keys of all families at once.
RandomSource Small(const std::string& family, const json& change = json::object()) {
  json config = {{"model_type", family},
                 {"hidden_size", 32},
                 {"n_embd", 32},
                 {"d_model", 32},
                 {"intermediate_size", 48},
                 {"ffn_dim", 48},
                 {"num_hidden_layers", 2},
                 {"n_layer", 2},
                 {"n_layers", 2},
                 {"num_attention_heads", 4},
                 {"n_head", 4},
                 {"n_heads", 4},
                 {"vocab_size", 50},
                 {"n_positions", 16},
                 {"max_seq_len", 16},
                 {"max_position_embeddings", 16},
                 {"head_dim", 8},
                 {"rotary_dim", 4},
                 {"hidden_size_per_layer_input", 0},
                 {"global_head_dim", 16},
                 {"attention_k_eq_v", true},
                 {"enable_moe_block", true},
                 {"top_k_experts", 2},
                 {"num_local_experts", 3},
                 {"num_experts", 3},
                 {"n_routed_experts", 16},
                 {"num_experts_per_tok", 2},
                 {"moe_intermediate_size", 24},
                 {"shared_expert_intermediate_size", 24},
                 {"cross_attention_layers", {1}},
                 {"mamba_n_heads", 4},
                 {"layers_block_type", {"attention", "mlp"}},
                 {"mamba_num_heads", 4},
                 {"n_groups", 2},
                 {"linear_key_head_dim", 4},
                 {"linear_value_head_dim", 4},
                 {"full_attention_interval", 2},
                 {"full_attn_idxs", {1}},
                 {"ffn_config", {{"ffn_hidden_size", 24}}},
                 {"word_embed_proj_dim", 32},
                 {"query_pre_attn_scalar", 8}};
  config.update(change);
  return RandomSource(DescribeHuggingFace(config.dump(), "config.json"), "random:" + family, 1);
}

std::vector<std::string> TextFamilies() { return Keys(BuiltinFamilies()); }

at::Tensor LogitsOf(const ModelSource& source, const LanguageModel::BlockHook& hook) {
  const at::Tensor tokens = at::arange(24, at::kLong).view({2, 12});
  return LanguageModel(source, at::kFloat, hook).Logits(tokens);
}

at::Tensor RandomScale(std::int64_t count, unsigned seed) {
  return (RandomTensor({count}, seed) * 0.7).exp();
}

/// Every transform that a block allows, by random numbers. Answers how many there were.
int TransformAll(DecoderBlock* block) {
  int folded = 0;
  unsigned seed = 5;
  for (const auto& groups : {NormGroups(block), OutputGroups(block), DownGroups(block)}) {
    for (const ScaleGroup& group : groups) {
      if (!group.obstacle.empty()) continue;
      const std::int64_t in = group.slots[0]->weight.size(1);
      if (group.shift_input) Shift(group, RandomTensor({in}, ++seed));
      Fold(group, RandomScale(in, ++seed));
      ++folded;
    }
  }
  for (const QueryKeyGroup& group : QueryKeyGroups(block)) {
    if (!group.obstacle.empty()) continue;
    Fold(group, RandomScale(group.factors, ++seed));
    ++folded;
  }
  return folded;
}

class FamilyTransformsTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, FamilyTransformsTest, ::testing::ValuesIn(TextFamilies()),
                         [](const auto& of) {
                           std::string name = of.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(FamilyTransformsTest, LeaveTheLogits) {
  const RandomSource source = Small(GetParam());
  const at::Tensor before = LogitsOf(source, {});
  int folded = 0;
  const at::Tensor after =
      LogitsOf(source, [&](DecoderBlock* block) { folded += TransformAll(block); });
  const double size = before.abs().max().item<double>();
  EXPECT_TRUE(TensorNear(after, before, 2e-4 * size, 0));
  if (GetParam() == "olmo2") return;  // its norms are behind the branches
  EXPECT_GT(folded, 0);
}

TEST(QueryKeyGroupsTest, SharedHeadsAndRotaryPairsShareFactors) {
  const auto group_of = [](const std::string& family, const json& change) {
    const auto block = Small(family, change).LoadBlock(0);
    return QueryKeyGroups(block.get())[0];
  };
  const QueryKeyGroup half = group_of("llama", {{"num_key_value_heads", 2}});
  EXPECT_EQ(half.factors, 2 * 4);
  EXPECT_TRUE(at::equal(half.of_key,
                        at::tensor({0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7}, at::kLong)));
  EXPECT_TRUE(at::equal(half.of_query.narrow(0, 0, 16),
                        at::tensor({0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, at::kLong)));
  EXPECT_EQ(half.of_query.size(0), 32);
  // gptj turns 2k with 2k + 1 and leaves the last four alone.
  const QueryKeyGroup pair = group_of("gptj", json::object());
  EXPECT_TRUE(
      at::equal(pair.of_key.narrow(0, 0, 8), at::tensor({0, 0, 1, 1, 2, 3, 4, 5}, at::kLong)));
  EXPECT_EQ(group_of("opt", json::object()).factors, 4 * 8);
  EXPECT_EQ(group_of("qwen3", json::object()).obstacle, "q and k are normalized");
  EXPECT_EQ(group_of("gpt2", json::object()).obstacle, "q and k are stored in one matrix");
  EXPECT_EQ(group_of("deepseek_v3", json::object()).obstacle, "k is made of a latent");
}

TEST(TransformPipelineTest, ACacheOfLatentsIsNotQuantized) {
  const RandomSource source = Small("deepseek_v3");
  const auto error = testing::ErrorOf(
      [&] { Stages().FromText("type: kv_cache").make()->Check(source.description(), {}); });
  EXPECT_EQ(error,
            "family 'deepseek_v3' keeps a latent in its cache, not keys and values: it can't be "
            "quantized here");
}

TEST(TransformPipelineTest, ARepairedBiasTakesThePlaceOfTheTransformedOne) {
  const RandomSource source = Small("opt");
  const testing::TempFolder folder;
  PipelineInputs inputs;
  inputs.source = &source;
  inputs.tokens = at::arange(48, at::kLong).view({4, 12});
  inputs.progress_folder = folder.path();
  QuantOptions quant;
  quant.spec.bits = 3;
  quant.spec.group_size = 16;
  std::vector<StageRecipe> pipeline;
  for (const char* stage :
       {"type: smoothquant", "type: round\nscheme: rtn", "type: bias_correction"}) {
    pipeline.push_back(Stages().FromText(stage));
  }
  Log log("", true);
  const auto make = [&] {
    RunRecord record;
    return QuantizeModel(inputs, quant, pipeline, &record, &log);
  };
  const QuantizedModel made = make();
  EXPECT_EQ(make().CodesSha256(), made.CodesSha256());  // all units are taken from the folder
  for (const auto& [name, weight] : made.layers()) {
    EXPECT_TRUE(weight.bias.defined()) << name;
    EXPECT_EQ(made.tensors().count(name + ".bias"), 0U) << name;
  }
}

/// Parameters of all groups that a block allows, at random.
TransformParameters RandomParameters(DecoderBlock* block) {
  TransformParameters all;
  unsigned seed = 50;
  for (const auto& groups : {NormGroups(block), OutputGroups(block), DownGroups(block)}) {
    for (const ScaleGroup& group : groups) {
      if (!group.obstacle.empty()) continue;
      const std::int64_t in = group.slots[0]->weight.size(1);
      TransformParameters::Input input{group, RandomScale(in, ++seed).requires_grad_(true), {}};
      if (group.shift_input) input.shift = RandomTensor({in}, ++seed).requires_grad_(true);
      all.inputs.push_back(std::move(input));
    }
  }
  for (const QueryKeyGroup& group : QueryKeyGroups(block)) {
    if (!group.obstacle.empty()) continue;
    all.query_keys.push_back({group, RandomScale(group.factors, ++seed).requires_grad_(true)});
  }
  return all;
}

/// What runs while it is learned is what the transformed block, rounded, computes.
TEST_P(FamilyTransformsTest, LearnedAsTheTransformedBlockRuns) {
  const RandomSource source = Small(GetParam());
  const auto block = source.LoadBlock(0);
  const RopeTable rope = source.LoadEnds().Rope(12);
  const at::Tensor hidden = RandomTensor({2, 12, 32}, 3);
  const QuantSpec spec{3, 16, GridKind::kAsym, ScaleType::kFloat32};
  LearnedTransform::Options options;
  options.clip = false;
  LearnedTransform learned(
      RandomParameters(block.get()), block->Linears(),
      [&](const LinearSlot&) { return std::optional<QuantSpec>(spec); }, options);
  learned.Install(Hardness::kHard);
  at::Tensor untransformed;
  {
    const c10::NoGradGuard no_grad;
    untransformed = block->Forward(hidden, rope);
  }
  learned.Install(Hardness::kSoft);
  {
    const c10::NoGradGuard no_grad;  // attention that is differentiated takes another way
    EXPECT_TRUE(at::equal(block->Forward(hidden, rope), untransformed));
  }
  learned.Clear();
  for (const TransformParameters::Input& input : learned.parameters().inputs) {
    if (input.shift.defined()) Shift(input.group, input.shift.detach());
    Fold(input.group, input.scale.detach());
  }
  for (const TransformParameters::QueryKey& pair : learned.parameters().query_keys) {
    Fold(pair.group, pair.factor.detach());
  }
  for (LinearSlot* slot : block->Linears()) {
    const GroupLayout layout = GroupLayout::For(slot->weight.size(0), slot->weight.size(1), 16);
    const at::Tensor groups = layout.Split(slot->weight);
    const AffineGrid grid = MakeGrid(MinMaxRange(groups), spec);
    slot->effective = QuantizeAffine(groups, {}, grid, layout, spec).Dequantize();
  }
  const at::Tensor transformed = block->Forward(hidden, rope);
  // A weight on a tie may fall either way.
  const at::Tensor gap = (transformed - untransformed).abs();
  EXPECT_LT(gap.mean().item<double>(), 1e-3 * untransformed.abs().mean().item<double>());
}

/// In 16 bits there is nothing to lose: the loss that a turn is learned by is the model's.
TEST_P(FamilyTransformsTest, ATurnIsLearnedByTheModelsLoss) {
  auto source = std::make_shared<RandomSource>(Small(GetParam()));
  RotationOptions options;
  options.heads = options.down = false;
  if (!RotationProblem(source->description(), options).empty()) return;
  RotationLearning learning;
  learning.steps = 1;
  learning.batch = 2;
  learning.bits = 16;
  const at::Tensor tokens = at::arange(24, at::kLong).view({2, 12});
  Log log("", true);
  const RotatedSource start(source, options);
  const double learned = LearnRotation({&start, tokens, learning}, &log).loss_before;
  const double nll =
      LanguageModel(*source, at::kFloat).Nll(tokens).mean(at::kDouble).item<double>();
  EXPECT_NEAR(learned, nll, 2e-3 * nll);
}

TEST(LetTest, LowersTheLossOfEachBlockAndRepeats) {
  for (const std::string family : {"llama", "opt"}) {
    SCOPED_TRACE(family);
    const RandomSource source = Small(family);
    PipelineInputs inputs;
    inputs.source = &source;
    at::Generator generator = at::detail::createCPUGenerator(3);
    inputs.tokens = at::randint(0, 50, {16, 12}, generator, at::TensorOptions(at::kLong));
    QuantOptions quant;
    quant.spec.bits = 3;
    quant.spec.group_size = -1;
    Log log("", true);
    RunRecord record;
    const auto run = [&](const std::vector<std::string>& stages) {
      std::vector<StageRecipe> pipeline;
      for (const std::string& text : stages) pipeline.push_back(Stages().FromText(text));
      record = {};
      return QuantizeModel(inputs, quant, pipeline, &record, &log);
    };
    const std::string let = "type: let\nsteps: 120\nbatch: 4";
    const std::string nearest = "type: round\nscheme: {type: rtn}";
    const QuantizedModel learned = run({let, nearest});
    for (const char* unit : {"units/block_0_let", "units/block_1_let"}) {
      const std::string prefix = unit;
      EXPECT_LT(record.arrays().at(prefix + "/loss_after").values[0],
                record.arrays().at(prefix + "/loss_before").values[0]);
    }
    EXPECT_EQ(learned.CodesSha256(), run({let, nearest}).CodesSha256());
  }
}

/// What a transform and rounding to nearest write to the log.
std::string ToldBy(const std::string& transform, const RandomSource& source) {
  const testing::TempFolder folder;
  PipelineInputs inputs;
  inputs.source = &source;
  inputs.tokens = at::arange(24, at::kLong).view({2, 12});
  RunRecord unused;
  {
    Log log(folder.path() + "/log.txt", true);
    QuantizeModel(inputs, {},
                  {Stages().FromText("type: " + transform),
                   Stages().FromText("type: round\nscheme: {type: rtn}")},
                  &unused, &log);
  }
  return ReadFile(folder.path() + "/log.txt");
}

// Those of dead channels would widen the range of their group.
TEST(SpiqTest, ChannelsThatNothingReachesTakeTheLeastFactor) {
  const Spiq spiq(Spiq::Options{});
  const auto factors = [&](const std::vector<float>& weight) {
    NormSlot norm;
    norm.weight = at::tensor(weight);
    return spiq.Factors(norm) * 127;
  };
  EXPECT_TRUE(testing::TensorNear(factors({2, 0, -1}), at::tensor({12.F, 6.F, 6.F}), 1e-5, 0));
  EXPECT_TRUE(testing::TensorNear(factors({0, 0}), at::tensor({127.F, 127.F}), 0, 0));
}

TEST(TransformPipelineTest, ABlockThatAllowsNothingIsToldAndStaysAsItIs) {
  const RandomSource olmo = Small("olmo2");  // all norms are of what branches give
  for (const auto& [transform, undone] :
       {std::pair{"smoothquant", "smoothed"},
        {"spiq", "scaled"},
        {"teq\nsteps: 1", "scaled"},
        {"awq_scale\nscale_output: false\nscale_down: false", "scaled"},
        {"let\nsteps: 1\nscale_output: false\nscale_query_key: false", "transformed"}}) {
    const std::string told = ToldBy(transform, olmo);
    for (const char* block : {"block_0: not ", "block_1: not "}) {
      EXPECT_NE(told.find(block + std::string(undone) +
                          ", since it has no layers whose input alone can be scaled"),
                std::string::npos)
          << transform << "\n"
          << told;
    }
  }
}

TEST(LetTest, WhatIsNotTransformedIsTold) {
  const std::string told = ToldBy("let\nsteps: 1\nscale_norms: false", Small("gpt2"));
  for (const char* line : {"transformer.h.0.attn.c_proj: not transformed, since v is stored in one "
                           "matrix with q and k",
                           "q with k: not transformed, since q and k are stored in one matrix"}) {
    EXPECT_NE(told.find(line), std::string::npos) << told;
  }
  EXPECT_EQ(testing::ErrorOf([] {
              Stages().FromText(
                  "type: let\nscale_norms: false\nscale_output: false\nscale_query_key: false");
            }),
            "builtin:1:1: stage: nothing to transform: scale_norms, scale_output and "
            "scale_query_key are all false");
}

}  // namespace
}  // namespace roundlab
