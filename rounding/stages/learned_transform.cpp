#include "rounding/stages/learned_transform.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/kernels/reference.h"
#include "core/quant/grid.h"
#include "core/quant/groups.h"

namespace roundlab {
namespace {

constexpr double kFirstClip = 4;  // sigmoid: 0.982, as OmniQuant's

bool Reads(const ScaleGroup& group, const LinearSlot* slot) {
  return std::find(group.slots.begin(), group.slots.end(), slot) != group.slots.end();
}

}  // namespace

LearnedTransform::LearnedTransform(
    TransformParameters parameters, const std::vector<LinearSlot*>& slots,
    const std::function<std::optional<QuantSpec>(const LinearSlot&)>& spec, const Options& options)
    : all_(std::move(parameters)), options_(options) {
  for (LinearSlot* slot : slots) {
    const auto own = spec(*slot);
    if (!own) continue;
    Layer layer;
    layer.slot = slot;
    layer.spec = *own;
    for (const TransformParameters::Input& input : all_.inputs) {
      if (Reads(input.group, slot)) layer.reads = &input;
      if (input.group.made_by == slot) layer.makes = &input;
    }
    for (const TransformParameters::QueryKey& pair : all_.query_keys) {
      if (pair.group.query == slot || pair.group.key == slot) layer.heads = &pair;
    }
    if (options_.clip) {
      const at::Tensor& w = slot->weight;
      const auto groups = GroupLayout::For(w.size(0), w.size(1), own->group_size).Count();
      layer.low_logit = at::full({groups}, kFirstClip, w.options()).requires_grad_(true);
      layer.high_logit = at::full({groups}, kFirstClip, w.options()).requires_grad_(true);
    }
    layers_.push_back(std::move(layer));
  }
}

std::vector<ParameterGroup> LearnedTransform::Parameters() {
  ParameterGroup scale{"scale", {}, 1};
  ParameterGroup shift{"shift", {}, 1};
  ParameterGroup query_key{"query_key", {}, 1};
  ParameterGroup clip{"clip", {}, options_.clip_lr_factor};
  for (const TransformParameters::Input& input : all_.inputs) {
    scale.tensors.push_back(input.scale);
    if (input.shift.defined()) shift.tensors.push_back(input.shift);
  }
  for (const TransformParameters::QueryKey& pair : all_.query_keys) {
    query_key.tensors.push_back(pair.factor);
  }
  for (const Layer& layer : layers_) {
    if (!layer.low_logit.defined()) continue;
    clip.tensors.insert(clip.tensors.end(), {layer.low_logit, layer.high_logit});
  }
  std::vector<ParameterGroup> groups;
  for (ParameterGroup& group : std::vector<ParameterGroup>{scale, shift, query_key, clip}) {
    if (!group.tensors.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

/// [out] that the rows are multiplied with; undefined: 1.
at::Tensor LearnedTransform::RowFactors(const Layer& layer) const {
  if (layer.makes != nullptr) {
    const std::int64_t first = layer.makes->group.first_row;
    const at::Tensor divided = layer.makes->scale.reciprocal();
    if (divided.size(0) == layer.slot->weight.size(0)) return divided;
    const at::Tensor ones = at::ones({layer.slot->weight.size(0)}, divided.options());
    return at::cat({ones.narrow(0, 0, first), divided,
                    ones.narrow(0, 0, ones.size(0) - first - divided.size(0))});
  }
  if (layer.heads == nullptr) return {};
  const at::Tensor& t = layer.heads->factor;
  if (layer.heads->group.query == layer.slot) {
    return t.reciprocal().index_select(0, layer.heads->group.of_query.to(t.device()));
  }
  return t.index_select(0, layer.heads->group.of_key.to(t.device()));
}

at::Tensor LearnedTransform::Rounded(const Layer& layer) const {
  at::Tensor weight = layer.slot->weight;
  const at::Tensor rows = RowFactors(layer);
  if (rows.defined()) weight = weight * rows.unsqueeze(1);
  if (layer.reads != nullptr) weight = weight * layer.reads->scale;
  const GroupLayout layout =
      GroupLayout::For(weight.size(0), weight.size(1), layer.spec.group_size);
  const at::Tensor groups = layout.Split(weight);
  GroupRange range = MinMaxRange(groups);
  if (layer.low_logit.defined()) {
    range = {range.low * layer.low_logit.sigmoid(), range.high * layer.high_logit.sigmoid()};
  }
  const AffineGrid grid = MakeGrid(range, layer.spec);
  const at::Tensor scale = grid.scale.to(at::kFloat).unsqueeze(1);
  const at::Tensor zero = grid.zero.unsqueeze(1);
  const at::Tensor codes =
      reference::RoundSte(groups / scale + zero).clamp(0, layer.spec.CodeMax());
  weight = layout.Join(scale * (codes - zero));
  if (layer.reads != nullptr) weight = weight / layer.reads->scale;
  return rows.defined() ? weight / rows.unsqueeze(1) : weight;
}

void LearnedTransform::Install(Hardness hardness) {
  // What is rounded straight through is what is stored: soft and hard differ by the graph only.
  const at::AutoGradMode mode(hardness == Hardness::kSoft);
  for (const Layer& layer : layers_) {
    LinearSlot* slot = layer.slot;
    slot->effective = Rounded(layer);
    if (layer.reads == nullptr || !layer.reads->shift.defined()) continue;
    const at::Tensor change = at::mv(slot->weight - slot->effective, layer.reads->shift);
    slot->effective_bias = slot->bias.defined() ? slot->bias + change : change;
  }
}

bool LearnedTransform::Project(double /*progress*/) {
  const at::NoGradGuard no_grad;
  for (const TransformParameters::Input& input : all_.inputs)
    input.scale.clamp_min_(options_.least);
  for (const TransformParameters::QueryKey& pair : all_.query_keys) {
    pair.factor.clamp_min_(options_.least);
  }
  return false;
}

void LearnedTransform::Clear() const {
  for (const Layer& layer : layers_) {
    layer.slot->effective.reset();
    layer.slot->effective_bias.reset();
  }
}

}  // namespace roundlab
