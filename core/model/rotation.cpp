#include "core/model/rotation.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/random.h"
#include "core/config/enum_field.h"
#include "core/config/value_fields.h"
#include "core/quant/incoherence.h"

namespace roundlab {
namespace {

const EnumNames<ResidualRotation> kRotations = {
    {ResidualRotation::kNone, "none"},
    {ResidualRotation::kHadamard, "hadamard"},
    {ResidualRotation::kRandomHadamard, "random_hadamard"},
    {ResidualRotation::kRandom, "random"}};

at::Tensor Wide(const at::Tensor& t) { return t.to(at::kDouble); }
at::Tensor Narrow(const at::Tensor& t) { return t.to(at::kFloat).contiguous(); }

/// A norm's factor [width] and bias (or undefined), taken out of it: it becomes an RMS norm alone.
std::pair<at::Tensor, at::Tensor> TakeOut(NormSlot* norm) {
  const at::Tensor factor = Wide(norm->weight) + norm->plan.offset;
  const at::Tensor bias = norm->bias.defined() ? Wide(norm->bias) : at::Tensor();
  norm->weight = at::full_like(norm->weight, 1 - norm->plan.offset);
  norm->bias.reset();
  norm->plan.kind = NormKind::kRms;
  return {factor, bias};
}

/// Rows of the matrix that makes values, head by head.
at::Tensor ValueRows(const LinearSlot& slot, const AttentionPlan& a) {
  const at::Tensor rows = at::arange(slot.weight.size(0), at::kLong);
  if (slot.role == LinearRole::kValue) return rows;
  if (slot.role == LinearRole::kKeyValueUp) {
    return rows.view({a.heads, -1}).slice(1, a.head_dim - a.rotary_dim).reshape({-1});
  }
  const FusedHeads fused = HeadsOf(a);
  return rows.view({fused.groups, fused.Size(), a.head_dim})
      .narrow(1, fused.value, fused.keys)
      .reshape({-1});
}

/// Each head's part of the first dimension of t turned: t [heads * dim, ...].
at::Tensor TurnedHeads(const at::Tensor& t, std::int64_t dim) {
  const at::Tensor wide = Wide(t).reshape({-1, dim, t.numel() / t.size(0)});
  return Narrow(HadamardTransform(wide.transpose(1, 2)).transpose(1, 2).reshape(t.sizes()));
}

void TurnHeads(DecoderBlock* block) {
  const AttentionPlan& a = block->plan().attention;
  for (LinearSlot* slot : block->Linears()) {
    if (slot->role == LinearRole::kAttentionOutput) {
      slot->weight = TurnedHeads(slot->weight.t(), a.value_dim).t().contiguous();
    }
    if (!block->plan().MakesValues(slot->role)) continue;
    const at::Tensor rows = ValueRows(*slot, a);
    for (at::Tensor* t : {&slot->weight, &slot->bias}) {
      if (!t->defined()) continue;
      *t = t->index_copy(0, rows, TurnedHeads(t->index_select(0, rows), a.value_dim));
    }
  }
}

void TurnDown(DecoderBlock* block) {
  for (LinearSlot* slot : block->Linears()) {
    if (slot->role != LinearRole::kDown) continue;
    slot->signs = at::ones({slot->weight.size(1)}, slot->weight.options());
    slot->weight = Narrow(HadamardTransform(Wide(slot->weight)));
  }
}

bool FeedsExperts(const NormPlan& norm, const BlockPlan& plan) {
  return std::any_of(plan.linears.begin(), plan.linears.end(), [&](const LinearPlan& linear) {
    return linear.expert >= 0 &&
           std::find(norm.feeds.begin(), norm.feeds.end(), linear.input) != norm.feeds.end();
  });
}

/// Why the residual stream can't be turned, or "".
std::string ResidualProblem(const ModelDescription& model) {
  const EndsPlan ends = model.Ends();
  if (ends.embedding_norm) return "a norm follows its embedding";
  if (!ends.project_in.empty() || !ends.project_out.empty()) {
    return "its embedding is projected to another width";
  }
  std::optional<NormKind> kind;
  if (ends.final_norm) kind = ends.final_norm->kind;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const BlockPlan plan = model.Plan(i);
    if (plan.residual_of_norm) return "its residual stream is a norm's output";
    for (const NormPlan& norm : plan.norms) {
      if (InsideAttention(norm.place)) continue;
      if (norm.place != NormPlace::kBeforeAttention && norm.place != NormPlace::kBeforeMlp) {
        return "norm '" + norm.name + "' scales what is written to the residual stream";
      }
      if (kind && norm.kind != *kind) return "some of its norms subtract the mean and some do not";
      kind = norm.kind;
      if (norm.bias && FeedsExperts(norm, plan)) {
        return "norm '" + norm.name + "' of experts has a bias";
      }
    }
  }
  if (!ends.final_norm && kind == NormKind::kLayer) {
    return "its head reads the mean of the residual stream, which the blocks' norms subtract";
  }
  return "";
}

bool SubtractsMean(const ModelDescription& model) {
  const BlockPlan plan = model.Plan(0);
  for (const NormPlace place : {NormPlace::kBeforeAttention, NormPlace::kBeforeMlp}) {
    const NormPlan* norm = plan.Norm(place);
    if (norm != nullptr) return norm->kind == NormKind::kLayer;
  }
  return false;
}

}  // namespace

at::Tensor RotationMatrix(ResidualRotation rotation, std::int64_t size, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(StreamSeed(seed, "rotation"));
  if (rotation == ResidualRotation::kNone) return at::eye(size, at::kDouble);
  if (rotation == ResidualRotation::kRandom) {
    const auto [q, r] = at::linalg_qr(at::randn({size, size}, generator, at::kDouble));
    return q * r.diagonal().sign();  // evenly from all of them: arXiv math-ph/0609050
  }
  const at::Tensor matrix = HadamardTransform(at::eye(size, at::kDouble));
  if (rotation == ResidualRotation::kHadamard) return matrix;
  const at::Tensor signs = at::randint(2, {size, 1}, generator, at::kDouble) * 2 - 1;
  return signs * matrix;
}

void RotationLearning::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "steps on the orthogonal matrices");
  f.Int("batch", &batch, AtLeast(1), "calibration sequences a step");
  f.Real("lr", &lr, Above(0), "of the first step; it falls linearly, and no step goes too far");
  f.Int("bits", &bits, Between(2, 16), "of what linear layers are fed while it is learned");
}

void RotationOptions::Fields(FieldVisitor& f) {
  EnumField residual_field(&residual, kRotations);
  f.Value("residual", residual_field, "what the residual stream is turned by");
  f.Bool("heads", &heads, "turn each head's values, and back in the attention's output layer");
  f.Bool("down", &down, "turn what down is fed while the model runs");
  f.Bool("keys", &keys, "turn queries and keys after rotary while the model runs");
  const bool drawn =
      residual == ResidualRotation::kRandom || residual == ResidualRotation::kRandomHadamard;
  f.UsedIf(drawn, "without random in residual", [this](FieldVisitor& random) {
    random.Int("seed", &seed, AtLeast(0), "of random matrices and signs");
  });
  OptionalSection<RotationLearning> learn_field(&learn);
  f.Value("learn", learn_field,
          "move the residual stream's matrix to where the model loses least with quantized "
          "activations (SpinQuant); nothing where absent");
  f.Rule([this]() -> std::string {
    return learn && residual == ResidualRotation::kNone
               ? "learn needs a matrix to start from, not residual: none"
               : "";
  });
}

std::string RotationProblem(const ModelDescription& model, const RotationOptions& options) {
  for (std::int64_t i = 0; options.heads && i < model.layers; ++i) {
    const BlockPlan plan = model.Plan(i);
    std::string reason;
    if (plan.attention.gated) reason = "what they give is gated";
    if (plan.attention.clip > 0) reason = "its values are held to a range";
    if (plan.KeysAreValues()) reason = "values are rows of keys in some blocks";
    if (reason.empty()) continue;
    return "the heads of family '" + model.family + "' can't be turned, since " + reason +
           " (heads: false)";
  }
  if (options.residual == ResidualRotation::kNone) return "";
  const std::string problem = ResidualProblem(model);
  return problem.empty() ? ""
                         : "the residual stream of family '" + model.family +
                               "' can't be turned, since " + problem + " (residual: none)";
}

RotatedSource::RotatedSource(std::shared_ptr<const ModelSource> original,
                             const RotationOptions& options)
    : original_(std::move(original)), options_(options), description_(original_->description()) {
  const std::string problem = RotationProblem(description_, options_);
  if (!problem.empty()) throw Error(original_->path() + ": " + problem);
  if (options_.residual == ResidualRotation::kNone) return;
  rotation_ = RotationMatrix(options_.residual, description_.hidden,
                             static_cast<std::uint64_t>(options_.seed));
  centered_ = SubtractsMean(description_);
  description_.tied_head = false;
}

RotatedSource::RotatedSource(std::shared_ptr<const ModelSource> original,
                             const RotationOptions& options, const at::Tensor& rotation)
    : RotatedSource(std::move(original), options) {
  const std::int64_t n = description_.hidden;
  ROUNDLAB_CHECK(rotation_.defined() && rotation.sizes() == at::IntArrayRef({n, n}),
                 "a rotation of the residual stream");
  const at::Tensor narrow = Narrow(rotation);
  rotation_ = Wide(narrow);
  rotation_sha256_ =
      Sha256Hex({static_cast<const char*>(narrow.const_data_ptr()), narrow.nbytes()});
}

std::string RotatedSource::Fingerprint() const {
  RotationOptions options = options_;
  return Sha256Hex(original_->Fingerprint() + " " + WriteFields(FieldsOf(&options)) +
                   rotation_sha256_);
}

/// What writes to the stream, [hidden, ...] float64, writes to the turned one.
at::Tensor RotatedSource::Written(const at::Tensor& columns) const {
  const at::Tensor free = centered_ ? columns - columns.mean(0, true) : columns;
  return Narrow(at::matmul(rotation_.t(), free));
}

void RotatedSource::RotateResidual(DecoderBlock* block) const {
  const BlockPlan& plan = block->plan();
  const bool own = plan.Norm(NormPlace::kBeforeMlp) != nullptr;
  std::array<at::Tensor, 2> factor;  // of attention, of the MLP
  std::array<at::Tensor, 2> bias;
  for (NormSlot* norm : block->Norms()) {
    const bool first = norm->plan.place == NormPlace::kBeforeAttention;
    if (!first && norm->plan.place != NormPlace::kBeforeMlp) continue;
    const std::size_t branch = first ? 0 : 1;
    std::tie(factor[branch], bias[branch]) = TakeOut(norm);
  }
  if (plan.parallel && !own) {
    factor[1] = factor[0];
    bias[1] = bias[0];
  }
  const auto read = [this](const at::Tensor& weight, const at::Tensor& by) {
    return Narrow(at::matmul(by.defined() ? Wide(weight) * by : Wide(weight), rotation_));
  };
  for (LinearSlot* slot : block->Linears()) {
    if (WritesResidual(slot->role)) {
      slot->weight = Written(Wide(slot->weight));
      if (slot->bias.defined()) slot->bias = Written(Wide(slot->bias));
      continue;
    }
    if (!ReadsResidual(slot->role)) continue;
    const std::size_t branch = ReadsAttention(slot->role) ? 0 : 1;
    if (bias[branch].defined()) {
      const at::Tensor added = at::mv(Wide(slot->weight), bias[branch]);
      slot->bias = Narrow(slot->bias.defined() ? Wide(slot->bias) + added : added);
    }
    slot->weight = read(slot->weight, factor[branch]);
  }
  if (block->router.defined()) block->router = read(block->router, factor[1]);
}

std::unique_ptr<DecoderBlock> RotatedSource::LoadBlock(std::int64_t index) const {
  const at::NoGradGuard no_grad;
  auto block = original_->LoadBlock(index);
  if (rotation_.defined()) RotateResidual(block.get());
  if (options_.heads) TurnHeads(block.get());
  if (options_.down) TurnDown(block.get());
  block->cache.turned = options_.keys;
  return block;
}

ModelEnds RotatedSource::LoadEnds() const {
  const at::NoGradGuard no_grad;
  ModelEnds ends = original_->LoadEnds();
  if (!rotation_.defined()) return ends;
  at::Tensor head = Wide(ends.head().weight);
  at::Tensor head_bias = ends.head().bias;
  for (at::Tensor* t : {&ends.embedding, &ends.positions}) {
    if (t->defined()) *t = Written(Wide(*t).t()).t().contiguous();
  }
  if (ends.final_norm) {
    const auto [factor, bias] = TakeOut(&*ends.final_norm);
    if (bias.defined()) {
      const at::Tensor added = at::mv(head, bias);
      head_bias = Narrow(head_bias.defined() ? Wide(head_bias) + added : added);
    }
    head = head * factor;
  }
  ends.SetHead(Narrow(at::matmul(head, rotation_)), head_bias);
  return ends;
}

}  // namespace roundlab
