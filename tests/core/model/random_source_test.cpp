#include "core/model/random_source.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "core/model/model.h"
#include "core/model/shapes.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TensorNear;

/// A named shape made small, all else as it is.
ModelDescription Small(const std::string& shape) {
  ModelDescription d = DescribeShape(shape);
  const std::int64_t group = std::min<std::int64_t>(d.heads / d.kv_heads, 2);
  d.layers = 2;
  d.windows.resize(2);
  d.kv_heads = 2;
  d.heads = d.kv_heads * group;
  if (d.family == "codegen") d.kv_heads = d.heads = 4;  // in quarters
  d.head_dim = 8;
  if (d.rotary_dim > 0) d.rotary_dim = d.rotary_dim < DescribeShape(shape).head_dim ? 4 : 8;
  d.hidden = d.heads * d.head_dim;
  d.intermediate = 24;
  d.vocab = 40;
  d.max_positions = 32;
  return d;
}

class ShapesTest : public ::testing::TestWithParam<const char*> {};

at::Tensor TokenIds() {
  return at::tensor({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}, at::kLong).view({2, 6});
}

TEST_P(ShapesTest, LogitsAreFiniteAndCausal) {
  const ModelDescription d = Small(GetParam());
  const LanguageModel model(RandomSource(d, "random", 1), at::kFloat);
  const at::Tensor logits = model.Logits(TokenIds());
  ASSERT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 6, d.vocab}));
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
  at::Tensor other = TokenIds();
  other[0][4] = 7;
  const at::Tensor changed = model.Logits(other);
  // Experts take rows together, so that others may change the order of sums.
  EXPECT_TRUE(TensorNear(changed.narrow(1, 0, 4), logits.narrow(1, 0, 4), 1e-5, 0));
  EXPECT_TRUE(TensorNear(changed[1], logits[1], 1e-5, 0));
  EXPECT_FALSE(TensorNear(changed[0][5], logits[0][5], 1e-3, 0));
}

// The gradient of a block's linear layers by finite differences, along a random direction each.
TEST_P(ShapesTest, GradientsAreThoseOfTheBlock) {
  const RandomSource source(Small(GetParam()), "random", 2);
  const ModelDescription& d = source.description();
  const auto block = source.LoadBlock(0);
  const RopeTable rope = source.LoadEnds().Rope(6);
  const at::Tensor x = at::linspace(-3, 3, 12 * d.hidden).sin().view({2, 6, d.hidden});
  const at::Tensor weight = at::linspace(1, 9, x.numel()).cos().view(x.sizes());
  for (LinearSlot* slot : block->Linears()) {
    slot->effective = slot->weight.clone().set_requires_grad(true);
  }
  (block->Forward(x, rope) * weight).sum().backward();
  for (LinearSlot* slot : block->Linears()) {
    const at::Tensor gradient = slot->effective.grad();
    ASSERT_TRUE(gradient.defined()) << slot->name;
    if (slot->expert > 1) continue;  // the others are alike
    // Of so many experts, the slightest step of a layer before the router has others run.
    const auto& experts = block->plan().mlp.experts;
    if (experts && experts->count > 8 && slot->expert < 0) continue;
    const at::Tensor direction =
        at::linspace(0.2, 9.7, slot->weight.numel()).sin().view(slot->weight.sizes());
    const auto sum_at = [&](double by) {
      const at::NoGradGuard no_grad;
      slot->effective = slot->weight + by * direction;
      return (block->Forward(x, rope) * weight).to(at::kDouble).sum().item<double>();
    };
    // What many inputs of a layer move together is not small by the same step.
    const auto in = static_cast<double>(slot->weight.size(1));
    const double step = 2e-4 * std::min(1.0, std::sqrt(1024 / in));
    const double slope = (sum_at(step) - sum_at(-step)) / (2 * step);
    slot->effective = slot->weight;
    const double expected = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(slope, expected, 2e-2 * std::max(1.0, std::abs(expected))) << slot->name;
  }
}

TEST_P(ShapesTest, SlotsOfOneInputSeeTheSameTensor) {
  const RandomSource source(Small(GetParam()), "random", 3);
  const auto block = source.LoadBlock(1);
  std::map<std::size_t, at::Tensor> seen;
  for (LinearSlot* slot : block->Linears()) {
    slot->on_input = [&seen, slot](const at::Tensor& x) {
      const auto [first, added] = seen.emplace(slot->input, x);
      EXPECT_TRUE(added || first->second.equal(x)) << slot->name;
    };
  }
  block->Forward(at::linspace(-1, 1, 6 * source.description().hidden).view({1, 6, -1}),
                 source.LoadEnds().Rope(6));
  EXPECT_EQ(seen.size(), block->plan().InputCount());
}

/// Scales a norm's output and takes the factors out of all that it feeds: nothing changes.
TEST_P(ShapesTest, FactorsFoldedIntoANormAreTakenOutOfWhatItFeeds) {
  const RandomSource source(Small(GetParam()), "random", 4);
  const auto block = source.LoadBlock(0);
  const std::int64_t hidden = source.description().hidden;
  const at::Tensor x = at::linspace(-2, 2, 6 * hidden).sin().view({1, 6, hidden});
  const RopeTable rope = source.LoadEnds().Rope(6);
  const at::NoGradGuard no_grad;
  const at::Tensor before = block->Forward(x, rope);
  const at::Tensor factor = at::linspace(0.5, 2, hidden);
  for (NormSlot* norm : block->Norms()) {
    if (norm->plan.feeds.empty()) continue;
    norm->weight = (norm->weight + norm->plan.offset) * factor - norm->plan.offset;
    if (norm->bias.defined()) norm->bias = norm->bias * factor;
    for (LinearSlot* slot : block->Linears()) {
      const auto& feeds = norm->plan.feeds;
      const bool fed = std::find(feeds.begin(), feeds.end(), slot->input) != feeds.end();
      if (fed) slot->weight = slot->weight / factor;
    }
    const bool alone =
        block->plan().parallel && block->plan().Norm(NormPlace::kBeforeMlp) == nullptr;
    const NormPlace routed = alone ? NormPlace::kBeforeAttention : NormPlace::kBeforeMlp;
    if (norm->plan.place == routed && block->router.defined()) {
      block->router = block->router / factor;
    }
  }
  EXPECT_TRUE(TensorNear(block->Forward(x, rope), before, 1e-4, 1e-4));
}

std::vector<const char*> AllShapes() {
  std::vector<const char*> names;
  std::set<std::string> families;
  for (const NamedShape& shape : NamedShapes()) {
    if (families.insert(DescribeShape(shape.name).family).second) names.push_back(shape.name);
  }
  names.push_back("falcon-40b");
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, ShapesTest, ::testing::ValuesIn(AllShapes()), [](const auto& test) {
  std::string name = test.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

TEST(RandomSourceTest, WeightsFollowFromSeedAndName) {
  const ModelDescription d = Small("llama2-7b");
  const RandomSource a(d, "random", 1);
  const RandomSource again(d, "random", 1);
  const RandomSource other(d, "random", 2);
  EXPECT_TRUE(a.LoadBlock(1)->Slot(3).weight.equal(again.LoadBlock(1)->Slot(3).weight));
  EXPECT_FALSE(a.LoadBlock(1)->Slot(3).weight.equal(other.LoadBlock(1)->Slot(3).weight));
  EXPECT_FALSE(a.LoadBlock(1)->Slot(3).weight.equal(a.LoadBlock(0)->Slot(3).weight));
  EXPECT_EQ(a.Fingerprint(), again.Fingerprint());
  EXPECT_NE(a.Fingerprint(), other.Fingerprint());
}

TEST(RandomSourceTest, ShapesHaveTheWeightsTheyAreKnownFor) {
  const auto billions = [](const char* shape) {
    return static_cast<double>(DescribeShape(shape).TotalWeights()) * 1e-9;
  };
  EXPECT_NEAR(billions("llama2-7b"), 6.738, 0.001);
  EXPECT_NEAR(billions("llama2-70b"), 68.977, 0.001);
  EXPECT_NEAR(billions("llama3-8b"), 8.030, 0.001);
  EXPECT_NEAR(billions("mistral-7b"), 7.242, 0.001);
  EXPECT_NEAR(billions("mixtral-8x7b"), 46.703, 0.001);
  EXPECT_NEAR(billions("opt-6.7b"), 6.658, 0.001);
  EXPECT_NEAR(billions("gpt2"), 0.1244, 0.0001);
  EXPECT_NEAR(billions("qwen3-30b-a3b"), 30.532, 0.001);
  EXPECT_NEAR(billions("command-r"), 34.981, 0.001);
  EXPECT_NEAR(billions("dbrx"), 131.597, 0.001);
  EXPECT_NEAR(billions("deepseek-v2-lite"), 15.706, 0.001);
  EXPECT_NEAR(billions("deepseek-v3"), 671.026, 0.001);
  EXPECT_NEAR(billions("dots1"), 142.774, 0.001);
  EXPECT_NEAR(billions("ernie4.5-21b-a3b"), 21.825, 0.001);
  EXPECT_NEAR(billions("flexolmo-7x7b"), 33.271, 0.001);
  EXPECT_NEAR(billions("glm4.5-air"), 106.852, 0.001);
  EXPECT_NEAR(billions("gpt-neo-1.3b"), 1.316, 0.001);
  EXPECT_NEAR(billions("granite3.1-8b"), 8.171, 0.001);
  EXPECT_NEAR(billions("hunyuan-a13b"), 80.393, 0.001);
  EXPECT_NEAR(billions("k-exaone-236b-a23b"), 236.571, 0.001);
  EXPECT_NEAR(billions("llama4-scout"), 107.770, 0.001);
  EXPECT_NEAR(billions("mistral-small4-119b"), 119, 0.5);
  EXPECT_NEAR(billions("llama3.2-11b-vision"), 8.030, 0.001);  // as llama3-8b
  EXPECT_NEAR(billions("trinity-mini-26b"), 26.1, 0.1);
  EXPECT_NEAR(billions("mellum2-12b-a2.5b"), 12.1, 0.1);
  EXPECT_NEAR(billions("iquest-coder-40b"), 39.8, 0.1);
  EXPECT_NEAR(billions("hy3"), 295, 1);
  EXPECT_NEAR(billions("glm4.5v"), 106.85, 0.01);
  EXPECT_NEAR(billions("qwen3-vl-30b-a3b"), 30.532, 0.001);
  EXPECT_NEAR(billions("nemotron-h-8b"), 8.1, 0.05);
  EXPECT_NEAR(billions("nemotron3-nano-30b-a3b"), 31.6, 0.05);
  EXPECT_NEAR(billions("minicpm3-4b"), 4.074, 0.001);
  EXPECT_NEAR(billions("minimax-m2"), 228.690, 0.001);
  EXPECT_NEAR(billions("mpt-7b"), 6.649, 0.001);
  EXPECT_NEAR(billions("olmoe-1b-7b"), 6.919, 0.001);
  EXPECT_NEAR(billions("phi3.5-moe"), 41.873, 0.001);
  EXPECT_NEAR(billions("qwen2.5-vl-7b"), 7.616, 0.001);
  EXPECT_NEAR(billions("qwen3-vl-8b"), 8.191, 0.001);
  EXPECT_NEAR(billions("qwen1.5-moe-a2.7b"), 14.316, 0.001);
  EXPECT_NEAR(billions("smollm3-3b"), 3.075, 0.001);
  EXPECT_NEAR(billions("solar-open-100b"), 102.652, 0.001);
  EXPECT_NEAR(billions("youtu-llm-2b"), 1.962, 0.001);
}

TEST(RandomSourceTest, UnknownShapesNameTheNearest) {
  const std::string message = ErrorOf([] { RandomSource("llama2-7", 0); });
  EXPECT_EQ(message.find("unknown shape 'llama2-7'; did you mean 'llama2-7b'? (known: afm-4.5b, "),
            0U)
      << message;
}

TEST(RandomSourceTest, ExpertsCountTheirTokens) {
  const RandomSource source(Small("mixtral-8x7b"), "random", 5);
  const auto block = source.LoadBlock(0);
  const std::int64_t hidden = source.description().hidden;
  block->Forward(at::linspace(-2, 2, 6 * hidden).sin().view({1, 6, hidden}),
                 source.LoadEnds().Rope(6));
  std::int64_t sum = 0;
  for (const std::int64_t tokens : block->ExpertTokens()) sum += tokens;
  EXPECT_EQ(block->ExpertTokens().size(), 8U);
  EXPECT_EQ(sum, 6 * 2);
}

}  // namespace
}  // namespace roundlab
