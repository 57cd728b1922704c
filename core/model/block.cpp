#include "core/model/block.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "core/kernels/linear.h"
#include "core/kernels/ops.h"
#include "core/quant/activation_quantizer.h"
#include "core/quant/incoherence.h"

namespace roundlab {
namespace {

void Move(const at::Device& device, std::shared_ptr<const ActivationQuantizer>* quantizer) {
  if (*quantizer == nullptr || (*quantizer)->Dynamic()) return;
  *quantizer = std::make_shared<const ActivationQuantizer>((*quantizer)->To(device));
}

at::Tensor Scaled(const at::Tensor& x, double scale) { return scale == 1 ? x : x * scale; }

/// What training begins with: alpha_p = alpha_n = 0.8 behind their softplus, beta = 0.5.
at::Tensor XieluNumbers() {
  return at::tensor({std::log(std::expm1(0.8F)), std::log(std::expm1(0.3F)), 0.5F, -1e-6F});
}

}  // namespace

at::Tensor LinearSlot::Forward(const at::Tensor& x) const {
  const at::Tensor turned = signs.defined() ? HadamardTransform(x * signs.to(x.scalar_type())) : x;
  if (on_input) on_input(turned);
  return Multiply(turned);
}

at::Tensor LinearSlot::Quantized(const at::Tensor& turned) const {
  if (quantizer == nullptr) return turned;
  const at::Tensor quantized = quantizer->Apply(turned);
  if (on_quantized) on_quantized(turned, quantized);
  return quantized;
}

at::Tensor LinearSlot::Multiply(const at::Tensor& turned) const {
  const at::Tensor x = Quantized(turned);
  const at::Tensor w = Current().to(x.scalar_type());
  const at::Tensor& b = effective_bias.defined() ? effective_bias : bias;
  return Linear(x, w, b.defined() ? b.to(x.scalar_type()) : b, tuning);
}

at::Tensor NormSlot::Forward(const at::Tensor& x) const {
  const at::Tensor factor = plan.offset == 0 ? weight : weight + plan.offset;
  if (plan.groups > 1) {
    const at::Tensor parts = x.unflatten(-1, {plan.groups, -1});
    const at::Tensor ones = at::ones({parts.size(-1)}, factor.options().requires_grad(false));
    return RmsNorm(parts, ones, plan.eps).flatten(-2) * factor;
  }
  if (plan.kind == NormKind::kRms) return RmsNorm(x, factor, plan.eps);
  const at::Tensor wide = x.to(at::kFloat);
  if (plan.split > 0) {
    const at::Tensor normed = at::layer_norm(wide, {plan.width}, {}, {}, plan.eps);
    return (normed * factor.view({plan.split, plan.width})).to(x.scalar_type());
  }
  return at::layer_norm(wide, {plan.width}, factor, bias, plan.eps).to(x.scalar_type());
}

DecoderBlock::DecoderBlock(const ModelDescription& description, std::int64_t place)
    : index(place), plan_(description.Plan(place)), hidden_(description.hidden) {
  for (const LinearPlan& linear : plan_.linears) {
    LinearSlot slot;
    slot.name = linear.name;
    slot.input = linear.input;
    slot.role = linear.role;
    slot.expert = linear.expert;
    slots_.push_back(std::move(slot));
  }
  for (const NormPlan& norm : plan_.norms) norms_.push_back({norm.name, {}, {}, norm});
  const AttentionPlan& attention = plan_.attention;
  mixing_.scale = attention.scale;
  mixing_.window = attention.window;
  mixing_.chunk = attention.chunk;
  mixing_.soft_cap = attention.soft_cap;
  if (attention.alibi) mixing_.slopes = AlibiSlopes(attention.heads);
  if (plan_.mlp.activation == Activation::kXielu) activation = XieluNumbers();
  const auto experts = plan_.mlp.experts ? plan_.mlp.experts->count : 0;
  expert_tokens_ =
      std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(experts), 0);
}

void NormSlot::To(const at::Device& device) {
  for (at::Tensor* t : {&weight, &bias}) {
    if (t->defined()) *t = t->to(device);
  }
}

void DecoderBlock::SetSinks(const at::Tensor& sinks) {
  const at::Tensor numbers = sinks.to(at::kCPU, at::kFloat).contiguous();
  mixing_.sinks.assign(numbers.const_data_ptr<float>(),
                       numbers.const_data_ptr<float>() + numbers.numel());
}

std::vector<at::Tensor*> DecoderBlock::Weights() {
  std::vector<at::Tensor*> all = {&router,         &router_bias,   &correction,
                                  &expert_factors, &output_factor, &activation};
  if (plan_.mixer) {
    for (const MixerTensor& tensor : TensorsOf(*plan_.mixer)) all.push_back(&(mixer.*tensor.place));
  }
  for (LinearSlot& slot : slots_) {
    all.insert(all.end(),
               {&slot.weight, &slot.bias, &slot.effective, &slot.effective_bias, &slot.signs});
  }
  for (NormSlot& norm : norms_) all.insert(all.end(), {&norm.weight, &norm.bias});
  std::erase_if(all, [](const at::Tensor* t) { return !t->defined(); });
  return all;
}

void DecoderBlock::To(const at::Device& device) {
  // From pinned memory this only queues the copies.
  for (at::Tensor* t : Weights()) *t = t->to(device, /*non_blocking=*/device.is_cuda());
  for (LinearSlot& slot : slots_) Move(device, &slot.quantizer);
  Move(device, &cache.keys);
  Move(device, &cache.values);
}

void DecoderBlock::Pin() {
  for (at::Tensor* t : Weights()) *t = t->pin_memory();
}

std::vector<LinearSlot*> DecoderBlock::Linears() {
  std::vector<LinearSlot*> slots;
  for (LinearSlot& slot : slots_) slots.push_back(&slot);
  return slots;
}

std::vector<NormSlot*> DecoderBlock::Norms() {
  std::vector<NormSlot*> norms;
  for (NormSlot& norm : norms_) norms.push_back(&norm);
  return norms;
}

NormSlot& DecoderBlock::Norm(NormPlace place) {
  for (NormSlot& norm : norms_) {
    if (norm.plan.place == place) return norm;
  }
  throw std::logic_error("the block has no norm at this place");
}

const NormSlot* DecoderBlock::FindNorm(NormPlace place) const {
  for (const NormSlot& norm : norms_) {
    if (norm.plan.place == place) return &norm;
  }
  return nullptr;
}

bool DecoderBlock::Has(LinearRole role, std::int64_t expert) const {
  for (const LinearSlot& slot : slots_) {
    if (slot.role == role && slot.expert == expert) return true;
  }
  return false;
}

const LinearSlot& DecoderBlock::Role(LinearRole role, std::int64_t expert) const {
  for (const LinearSlot& slot : slots_) {
    if (slot.role == role && slot.expert == expert) return slot;
  }
  throw std::logic_error(std::string("the block has no linear layer for ") + RoleName(role));
}

at::Tensor DecoderBlock::Normed(NormPlace place, const at::Tensor& x) const {
  const NormSlot* norm = FindNorm(place);
  return norm == nullptr ? x : norm->Forward(x);
}

at::Tensor DecoderBlock::MixTokens(const at::Tensor& x, const RopeTable& rope,
                                   const Segments* segments) const {
  const auto given = [&](const at::Tensor& t, double scale) {
    return Scaled(Normed(NormPlace::kOnAttention, t), scale);
  };
  at::Tensor sum;
  if (plan_.HasAttention()) sum = given(Attention(x, rope, segments), plan_.scales.attention);
  if (!plan_.mixer) return sum;  // undefined where there is neither
  const at::Tensor mixed = given(Mix(x, segments), plan_.scales.mixer);
  return sum.defined() ? mixed + sum : mixed;
}

at::Tensor DecoderBlock::Run(const at::Tensor& hidden, const RopeTable& rope,
                             const Segments* segments) const {
  ROUNDLAB_CHECK(hidden.dim() == 3 && hidden.size(2) == hidden_,
                 "hidden must be [batch, seq, hidden]");
  const at::Tensor read = Normed(NormPlace::kBeforeAttention, hidden);
  const at::Tensor given = MixTokens(read, rope, segments);
  if (plan_.parallel) {
    const bool own = FindNorm(NormPlace::kBeforeMlp) != nullptr;
    const at::Tensor y = own ? Normed(NormPlace::kBeforeMlp, hidden) : read;
    return hidden + given + Scaled(Mlp(y), plan_.scales.mlp);
  }
  at::Tensor attended = hidden;
  if (given.defined()) {
    attended = Normed(NormPlace::kAfterAttention, (plan_.residual_of_norm ? read : hidden) + given);
  }
  const at::Tensor y = plan_.HasMlp() ? MlpBranch(attended) : attended;
  return output_factor.defined() ? y * output_factor.to(y.scalar_type()) : y;
}

at::Tensor DecoderBlock::MlpBranch(const at::Tensor& attended) const {
  const at::Tensor y = Normed(NormPlace::kBeforeMlp, attended);
  at::Tensor given = Mlp(y);
  if (plan_.ExpertsAside()) {
    const at::Tensor fed = Normed(NormPlace::kBeforeExperts, attended);
    const at::Tensor routed_by = Normed(NormPlace::kRouter, attended);
    given = Normed(NormPlace::kOnSharedMlp, given) +
            Normed(NormPlace::kOnExperts, Experts(fed, routed_by));
  }
  return Normed(NormPlace::kAfterMlp,
                (plan_.residual_of_norm ? y : attended) +
                    Scaled(Normed(NormPlace::kOnMlp, given), plan_.scales.mlp));
}

at::Tensor DecoderBlock::Forward(const at::Tensor& hidden, const RopeTable& rope) const {
  return Run(hidden, rope, nullptr);
}

std::string DecoderBlock::RangesOfTexts() const {
  const auto of = [](const std::string& what, const auto& quantizer) -> std::string {
    if (quantizer == nullptr || !quantizer->SpansTokens()) return "";
    return what + " are quantized per " + EnumName(quantizer->spec.per, RangePerNames()) +
           " with ranges of each text";
  };
  std::string found;
  for (const LinearSlot& slot : slots_) {
    if (found.empty()) found = of("inputs of " + slot.name, slot.quantizer);
  }
  if (found.empty()) found = of("keys of block " + std::to_string(index), cache.keys);
  return found.empty() ? of("values of block " + std::to_string(index), cache.values) : found;
}

/// Texts that begin alike share rows of packed tokens, so that a row can have but one value.
at::Tensor DecoderBlock::ForwardPacked(const at::Tensor& hidden, const RopeTable& rope,
                                       const Segments& segments) const {
  const std::string spans = RangesOfTexts();
  if (!spans.empty()) {
    throw Error(spans +
                ": texts can't be scored packed then (use per token or group, or static ranges)");
  }
  return Run(hidden, rope, &segments);
}

}  // namespace roundlab
