#include "core/model/ends.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "core/base/error.h"

namespace roundlab {
namespace {

at::Tensor Sinusoids(std::int64_t rows, std::int64_t width) {
  const std::int64_t half = width / 2;
  const double step = std::log(10000.0) / static_cast<double>(half - 1);
  const at::Tensor frequency = (at::arange(half, at::kFloat) * -step).exp();
  const at::Tensor angle = at::outer(at::arange(rows, at::kFloat), frequency);
  return at::constant_pad_nd(at::cat({angle.sin(), angle.cos()}, 1), {0, width - 2 * half});
}

}  // namespace

ModelEnds::ModelEnds(const ModelDescription& description)
    : description_(description), plan_(description.Ends()) {
  const auto slot = [](const std::optional<NormPlan>& norm) {
    return norm ? std::optional<NormSlot>({norm->name, {}, {}, *norm}) : std::nullopt;
  };
  embedding_norm = slot(plan_.embedding_norm);
  final_norm = slot(plan_.final_norm);
  if (plan_.sinusoidal) positions = Sinusoids(plan_.position_rows, description.hidden);
}

void ModelEnds::SetHead(const at::Tensor& weight, const at::Tensor& bias) {
  head_ = LogitHead(weight, bias, plan_.logit_soft_cap, plan_.logit_scale);
}

void ModelEnds::To(const at::Device& device, at::ScalarType products) {
  const bool tied = head_.weight.is_same(embedding);
  for (at::Tensor* t : {&embedding, &positions, &project_in, &project_out, &head_.bias}) {
    if (t->defined()) *t = t->to(device);
  }
  head_.weight = tied ? embedding : head_.weight.to(device);
  if (device.is_cuda()) head_.weight = head_.weight.to(products);
  if (embedding_norm) embedding_norm->To(device);
  if (final_norm) final_norm->To(device);
}

at::Tensor ModelEnds::Embed(const at::Tensor& tokens) const {
  return Embed(tokens, at::arange(tokens.size(-1), at::kLong));
}

at::Tensor ModelEnds::Embed(const at::Tensor& tokens, const at::Tensor& at_positions) const {
  const at::Tensor flat = tokens.flatten();
  ROUNDLAB_CHECK(flat.numel() > 0, "no tokens to embed");
  const auto low = flat.min().item<std::int64_t>();
  const auto high = flat.max().item<std::int64_t>();
  if (low < 0 || high >= description_.vocab) {
    throw Error("token id " + std::to_string(low < 0 ? low : high) +
                " is outside the model's vocabulary of " + std::to_string(description_.vocab));
  }
  const at::Device device = embedding.device();
  at::Tensor x =
      embedding.index_select(0, flat.to(device)).view({tokens.size(0), tokens.size(1), -1});
  if (plan_.embedding_scale != 1) x = x * plan_.embedding_scale;
  if (project_in.defined()) x = at::linear(x, project_in);
  if (positions.defined()) {
    const std::int64_t rows = plan_.position_rows - plan_.position_offset;
    const auto last = at_positions.max().item<std::int64_t>();
    if (last >= rows) {
      throw Error("position " + std::to_string(last) + " is beyond the model's " +
                  std::to_string(rows) + " learned positions");
    }
    x = x + positions.index_select(0, (at_positions + plan_.position_offset).to(device));
  }
  return embedding_norm ? embedding_norm->Forward(x) : x;
}

at::Tensor ModelEnds::Final(const at::Tensor& hidden) const {
  at::Tensor x = hidden.to(at::kFloat);
  if (final_norm) x = final_norm->Forward(x);
  return project_out.defined() ? at::linear(x, project_out) : x;
}

at::Tensor ModelEnds::NextTokenLoss(const at::Tensor& states, const at::Tensor& tokens) const {
  const at::Tensor logits = head_.Logits(states.reshape({-1, states.size(2)}));
  return at::cross_entropy_loss(logits, tokens.narrow(1, 1, tokens.size(1) - 1).reshape({-1}));
}

RopeTable ModelEnds::Rope(std::int64_t positions_of_text) const {
  return MakeRopeTable(description_, positions_of_text).To(embedding.device());
}

}  // namespace roundlab
