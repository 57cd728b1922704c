#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/quant/grid.h"
#include "core/quant/groups.h"
#include "rounding/solvers/awq.h"
#include "tests/rounding/golden_block.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/golden_stage.h"

namespace roundlab {
namespace {

using testing::GoldenBlock;
using testing::GoldenDoubles;
using testing::GoldenMatch;
using testing::GoldenTensor;
using testing::TensorNear;
using Weights = std::vector<at::Tensor>;

/// The scheme of a tensor name: "w4g32" or, a group a row, "w4grow".
struct AwqScheme {
  AwqScheme(const std::string& bits, const std::string& group)
      : code_max(std::exp2(std::stod(bits)) - 1),
        group_size(group == "row" ? -1 : std::stoll(group)) {}

  GroupLayout Layout(const at::Tensor& weight) const {
    return GroupLayout::For(weight.size(0), weight.size(1), group_size);
  }
  /// As upstream's: 0 need not lie between a group's weights.
  AffineGrid Grid(const at::Tensor& groups) const {
    const at::Tensor low = groups.amin(1);
    const at::Tensor scale = (groups.amax(1) - low).clamp_min(1e-5) / code_max;
    return {scale, (-(low / scale).round()).clamp(0, code_max)};
  }
  at::Tensor Codes(const at::Tensor& groups) const {
    const AffineGrid grid = Grid(groups);
    return (groups / grid.scale.unsqueeze(1))
        .round()
        .add(grid.zero.unsqueeze(1))
        .clamp(0, code_max);
  }
  at::Tensor Decoded(const at::Tensor& groups) const {
    const AffineGrid grid = Grid(groups);
    return grid.scale.unsqueeze(1) * (Codes(groups) - grid.zero.unsqueeze(1));
  }

  double code_max;
  std::int64_t group_size;
};

/// The modules of the file's block, with their inputs.
class AwqGoldenBlock {
 public:
  explicit AwqGoldenBlock(const SafetensorsFile& file) : file_(file) {}

  at::Tensor Weight(const std::string& linear) const { return GoldenTensor(file_, "W." + linear); }
  /// k and v share q's input, up shares gate's.
  at::Tensor Input(std::string linear) const {
    if (linear == "self_attn.k_proj" || linear == "self_attn.v_proj") linear = "self_attn.q_proj";
    if (linear == "mlp.up_proj") linear = "mlp.gate_proj";
    return GoldenTensor(file_, "in." + linear);
  }

  static std::vector<std::string> Linears(const std::string& part) {
    if (part == "qkv") return {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    if (part == "gateup") return {"mlp.gate_proj", "mlp.up_proj"};
    return {part == "down" ? "mlp.down_proj" : "self_attn.o_proj"};
  }

  /// Outputs of the module that is inspected for `part`.
  at::Tensor Inspect(const std::string& part, const Weights& w) const {
    const at::Tensor x = Input(Linears(part)[0]);
    if (part == "qkv") return at::mm(Attend(x, w), Weight("self_attn.o_proj").t());
    if (part != "gateup") return at::mm(x, w[0].t());
    const at::Tensor hidden = at::silu(at::mm(x, w[0].t())) * at::mm(x, w[1].t());
    return at::mm(hidden, Weight("mlp.down_proj").t());
  }

 private:
  std::int64_t Number(const std::string& key) const { return std::stoll(file_.metadata().at(key)); }

  at::Tensor Rotate(const at::Tensor& x) const {  // [samples, heads, positions, dim]
    const std::int64_t half = x.size(3) / 2;
    const double theta = std::stod(file_.metadata().at("rope_theta"));
    const at::Tensor frequency =
        at::pow(theta, at::arange(half, at::kDouble) / -static_cast<double>(half));
    const at::Tensor angle = at::outer(at::arange(x.size(2), at::kDouble), frequency);
    const at::Tensor cosine = angle.cos().to(at::kFloat);
    const at::Tensor sine = angle.sin().to(at::kFloat);
    const at::Tensor a = x.narrow(3, 0, half);
    const at::Tensor b = x.narrow(3, half, half);
    return at::cat({a * cosine - b * sine, b * cosine + a * sine}, 3);
  }

  at::Tensor Attend(const at::Tensor& x, const Weights& w) const {
    const std::int64_t heads = Number("num_attention_heads");
    const std::int64_t kv_heads = Number("num_key_value_heads");
    const std::int64_t positions = Number("positions");
    const auto split = [&](std::size_t i, std::int64_t count) {
      return at::mm(x, w[i].t()).view({-1, positions, count, w[i].size(0) / count}).transpose(1, 2);
    };
    const at::Tensor q = Rotate(split(0, heads));
    const at::Tensor k = Rotate(split(1, kv_heads)).repeat_interleave(heads / kv_heads, 1);
    const at::Tensor v = split(2, kv_heads).repeat_interleave(heads / kv_heads, 1);
    const at::Tensor future = at::ones({positions, positions}, at::kBool).triu(1);
    const at::Tensor scores =
        (at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3))))
            .masked_fill(future, -INFINITY);
    return at::matmul(scores.softmax(3), v).transpose(1, 2).reshape({x.size(0), -1});
  }

  const SafetensorsFile& file_;
};

constexpr const char* kSearches = R"(((?:mha\.)?w(\d+)g(\d+|row)\.(qkv|gateup|down|o))\.scales)";
constexpr const char* kClips = R"((w(\d+)g(\d+|row))\.clip\.(.+))";
constexpr const char* kGrids = R"((w(\d+)g(\d+|row))\.final\.scale\.(.+))";

class AwqGoldenTest : public testing::GoldenTest {
 protected:
  /// For all tensors of all files that match.
  static void ForAllMatches(
      const std::string& pattern,
      const std::function<void(const SafetensorsFile& file, const GoldenMatch& m)>& check) {
    ROUNDLAB_GOLDENS_OR_SKIP(files, "awq_golden");
    for (const std::string& path : files) {
      const SafetensorsFile file(path);
      for (const GoldenMatch& m : testing::MatchesOf(file, pattern)) {
        SCOPED_TRACE(path + " " + m.name);
        check(file, m);
      }
    }
  }
};

TEST_F(AwqGoldenTest, LossesRatiosAndScalesAreTheOriginals) {
  ForAllMatches(kSearches, [](const SafetensorsFile& file, const GoldenMatch& m) {
    const AwqGoldenBlock block(file);
    const std::string part = m.str(4);
    const AwqScheme scheme(m.str(2), m.str(3));
    AwqScaleProblem problem;
    for (const std::string& linear : AwqGoldenBlock::Linears(part)) {
      problem.weights.push_back(block.Weight(linear));
    }
    const at::Tensor losses = GoldenDoubles(file, m.str(1) + ".loss");
    problem.ratios = losses.numel();
    problem.absolute_mean = block.Input(AwqGoldenBlock::Linears(part)[0]).abs().mean(0);
    problem.quantize = [&](const at::Tensor& w, std::size_t /*i*/) {
      const GroupLayout layout = scheme.Layout(w);
      return layout.Join(scheme.Decoded(layout.Split(w)));
    };
    const at::Tensor outputs = block.Inspect(part, problem.weights);
    problem.losses = [&](const Weights& w, std::int64_t /*first*/, std::int64_t /*count*/) {
      const at::Tensor gap = block.Inspect(part, w) - outputs;
      return std::vector<double>{gap.square().mean(at::kDouble).item<double>()};
    };
    const AwqScaleSolution solution = SearchAwqScale(problem);
    EXPECT_TRUE(solution.found);
    EXPECT_TRUE(TensorNear(at::tensor(solution.losses, at::kDouble), losses, 0, 3e-3));
    EXPECT_DOUBLE_EQ(solution.ratio, std::stod(file.metadata().at(m.str(1) + ".best_ratio")));
    EXPECT_TRUE(TensorNear(solution.scale, GoldenTensor(file, m.name), 0, 1e-5));
  });
}

std::int64_t ClipTokens(const SafetensorsFile& file) {
  return static_cast<std::int64_t>(testing::MetadataNumber(file, "clip_tokens"));
}

/// A linear's weight and inputs after all scales of scheme `s` are folded.
std::pair<at::Tensor, at::Tensor> Folded(const SafetensorsFile& file, const std::string& s,
                                         const std::string& linear) {
  const AwqGoldenBlock block(file);
  const at::Tensor weight = block.Weight(linear);
  const at::Tensor inputs = block.Input(linear);
  const std::string readers = linear == "mlp.up_proj" ? "down" : "o";
  const std::string reader_scale = s + "." + readers + ".scales";
  const bool writes = linear == "mlp.up_proj" || linear == "self_attn.v_proj";
  // In the original's order, on which last bits depend: first what it reads is scaled.
  const auto written = [&](const at::Tensor& w) {  // none from v to o under grouped queries
    const bool scaled = writes && file.Find(reader_scale) != nullptr;
    return scaled ? w / GoldenTensor(file, reader_scale).unsqueeze(1) : w;
  };
  for (const std::string part : {"qkv", "o", "gateup", "down"}) {
    for (const std::string& name : AwqGoldenBlock::Linears(part)) {
      const std::string key = s + "." + part + ".scales";
      if (name != linear || file.Find(key) == nullptr) continue;
      const at::Tensor scale = GoldenTensor(file, key);
      return {written(weight * scale), inputs / scale};
    }
  }
  return {written(weight), inputs};
}

TEST_F(AwqGoldenTest, ClipsAreTheOriginals) {
  ForAllMatches(kClips, [](const SafetensorsFile& file, const GoldenMatch& m) {
    const AwqScheme scheme(m.str(2), m.str(3));
    const auto [weight, inputs] = Folded(file, m.str(1), m.str(4));
    AwqClipProblem problem;
    problem.weight = weight;
    const std::int64_t stride = std::max<std::int64_t>(1, inputs.size(0) / ClipTokens(file));
    problem.inputs = inputs.slice(0, 0, inputs.size(0), stride).contiguous();
    problem.layout = scheme.Layout(weight);
    problem.quantize = [&](const at::Tensor& groups) { return scheme.Decoded(groups); };
    const at::Tensor golden = GoldenTensor(file, m.name);
    const at::Tensor clip = SearchAwqClip(problem).view(golden.sizes());
    const at::Tensor same = (clip - golden).abs() <= 1e-5 * golden;
    EXPECT_GE(same.to(at::kDouble).mean().item<double>(), 0.97);
  });
}

TEST_F(AwqGoldenTest, GridsAfterFoldingAndClippingAreTheOriginals) {
  ForAllMatches(kGrids, [](const SafetensorsFile& file, const GoldenMatch& m) {
    const AwqScheme scheme(m.str(2), m.str(3));
    const at::Tensor weight = Folded(file, m.str(1), m.str(4)).first;
    const GroupLayout layout = scheme.Layout(weight);
    at::Tensor groups = layout.Split(weight);
    const std::string clip = m.str(1) + ".clip." + m.str(4);
    if (file.Find(clip) != nullptr) {
      const at::Tensor bound = GoldenTensor(file, clip).reshape({-1, 1});
      groups = at::min(at::max(groups, -bound), bound);
    }
    const AffineGrid grid = scheme.Grid(groups);
    const at::Tensor scale = GoldenTensor(file, m.name);
    EXPECT_TRUE(TensorNear(grid.scale.view(scale.sizes()), scale, 0, 1e-5));
    const at::Tensor zero = GoldenTensor(file, m.str(1) + ".final.zero." + m.str(4));
    // Two clipped tails put the zero point on a tie, which the last bit decides.
    const at::Tensor off = (grid.zero.view(zero.sizes()).to(at::kLong) - zero).abs();
    EXPECT_LE(off.max().item<std::int64_t>(), 1);
    EXPECT_LE(off.to(at::kDouble).mean().item<double>(), 0.03);
    const std::string codes = m.str(1) + ".final.codes." + m.str(4);
    if (file.Find(codes) == nullptr) return;
    const at::Tensor golden = GoldenTensor(file, codes);
    const at::Tensor own = layout.Join(scheme.Codes(groups)).narrow(0, 0, golden.size(0));
    const at::Tensor same = own.to(at::kLong) == golden;
    EXPECT_GE(same.to(at::kDouble).mean().item<double>(), 0.97);
  });
}

/// The stage `awq_scale` on a file's block at one scheme, "w4g32" or "mha.w4g32".
std::unique_ptr<testing::StagedBlock> ScaledBlock(const SafetensorsFile& file,
                                                  const std::string& scheme, std::int64_t ratios) {
  const bool copied = scheme.starts_with("mha.");
  GoldenBlock golden(file, "", copied ? testing::KeyHeads::kCopied : testing::KeyHeads::kShared);
  QuantOptions quant;
  quant.spec = testing::SpecOf(scheme);
  auto staged = std::make_unique<testing::StagedBlock>(golden.TakeBlock(), golden.Rope(), quant,
                                                       golden.Inputs());
  staged->Apply("type: awq_scale\ncertainty: 0\nratios: " + std::to_string(ratios));
  return staged;
}

LinearSlot& SlotOf(testing::StagedBlock* staged, const std::string& linear) {
  return staged->Block().Slot(GoldenBlock::Place(linear));
}

/// Part of a part's groups in which 0 does not lie between the weights: where the original's range
/// lacks it, and ours has it. Scales of a column don't move a sign.
double OneSigned(const SafetensorsFile& file, const std::string& scheme, const std::string& part) {
  std::int64_t found = 0;
  std::int64_t all = 0;
  for (const std::string& linear : AwqGoldenBlock::Linears(part)) {
    LayerContext layer{linear, GoldenTensor(file, "W." + linear), testing::SpecOf(scheme), {}, 0};
    const at::Tensor groups = layer.Layout().Split(layer.weight);
    found += (groups.amin(1) * groups.amax(1) > 0).sum().item<std::int64_t>();
    all += groups.size(0);
  }
  return static_cast<double>(found) / static_cast<double>(all);
}

/// What the stage did for one part of a scheme.
void ExpectScaled(const SafetensorsFile& file, const std::string& scheme, const std::string& part,
                  testing::StagedBlock* staged) {
  const std::string name = scheme + "." + part;
  const std::vector<std::string> linears = AwqGoldenBlock::Linears(part);
  const std::string first = SlotOf(staged, linears[0]).name;
  const at::Tensor losses = GoldenDoubles(file, name + ".loss");
  const double one_signed = OneSigned(file, scheme, part);
  EXPECT_TRUE(TensorNear(at::tensor(staged->Recorded("units/" + first + "/awq_loss"), at::kDouble),
                         losses, 0, 3e-3 + 20 * one_signed));
  if (one_signed > 1e-2) return;  // another quantizer, whose ratios need not be the original's
  EXPECT_DOUBLE_EQ(staged->Recorded("layers/" + first + "/awq_ratio")[0],
                   testing::MetadataNumber(file, name + ".best_ratio"));
  for (const std::string& linear : linears) {
    const at::Tensor folded = Folded(file, scheme, linear).first;
    EXPECT_TRUE(TensorNear(SlotOf(staged, linear).weight, folded, 0, 1e-5)) << linear;
  }
  if (part != "qkv" && part != "gateup") return;
  const bool attention = part == "qkv";
  const NormPlace place = attention ? NormPlace::kBeforeAttention : NormPlace::kBeforeMlp;
  const at::Tensor norm = GoldenTensor(file, attention ? "norm1" : "norm2");
  EXPECT_TRUE(TensorNear(staged->Block().Norm(place).weight,
                         norm / GoldenTensor(file, name + ".scales"), 0, 1e-5));
}

/// 0 is always in our ranges, as it is in the original's but for groups of one sign.
TEST_F(AwqGoldenTest, TheStageFindsAndFoldsTheOriginalsScales) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "awq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    std::map<std::string, std::unique_ptr<testing::StagedBlock>> blocks;  // by scheme
    for (const GoldenMatch& m : testing::MatchesOf(file, kSearches)) {
      SCOPED_TRACE(path + " " + m.name);
      const std::string scheme = m.str(1).substr(0, m.str(1).rfind('.'));
      auto& staged = blocks[scheme];
      if (!staged) {
        staged = ScaledBlock(file, scheme, GoldenDoubles(file, m.str(1) + ".loss").numel());
      }
      ExpectScaled(file, scheme, m.str(4), staged.get());
    }
  }
}

TEST_F(AwqGoldenTest, TheRangeEstimatorFindsTheOriginalsClips) {
  ForAllMatches(kClips, [](const SafetensorsFile& file, const GoldenMatch& m) {
    const auto [weight, inputs] = Folded(file, m.str(1), m.str(4));
    LayerContext layer{"model.layers.0." + m.str(4), weight, testing::SpecOf(m.str(1)), {}, 0};
    auto statistics = std::make_shared<InputStatistics>();
    statistics->tokens = inputs.size(0);
    statistics->sample = inputs;
    layer.inputs = statistics;
    const GroupRange range =
        RangeEstimators()
            .FromText("type: awq_clip\ntokens: " + std::to_string(ClipTokens(file)))
            .make()
            ->Estimate(layer);
    const at::Tensor groups = layer.Layout().Split(weight);
    const at::Tensor two_signed = groups.amin(1) * groups.amax(1) <= 0;  // else another range
    const GroupRange whole = MinMaxRange(groups);
    const at::Tensor clip = GoldenTensor(file, m.name).flatten();
    const auto near = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs() <= 1e-5 * b.abs();
    };
    const at::Tensor same = near(range.low, at::max(whole.low, -clip))
                                .logical_and(near(range.high, at::min(whole.high, clip)));
    EXPECT_GE(same.index({two_signed}).to(at::kDouble).mean().item<double>(), 0.97);
  });
}

}  // namespace
}  // namespace roundlab
