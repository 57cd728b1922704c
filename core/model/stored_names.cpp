#include "core/model/stored_names.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/model/mixer.h"

namespace roundlab {
namespace {

using Names = std::set<std::string, std::less<>>;

void AddNorm(const NormPlan& norm, std::vector<StoredPlan>* tensors) {
  const bool apart = norm.split > 0 && !norm.stacked;
  for (std::int64_t head = 0; apart && head < norm.split; ++head) {
    tensors->push_back({norm.name + ".norms." + std::to_string(head) + ".weight", {norm.width}});
  }
  std::vector<std::int64_t> shape = {norm.width};
  if (norm.stacked) shape.insert(shape.begin(), norm.split);
  if (!apart && norm.stored) tensors->push_back({norm.name + ".weight", shape});
  if (norm.bias) tensors->push_back({norm.name + ".bias", {norm.width}});
}

void AddLinear(const LinearPlan& linear, std::vector<StoredPlan>* tensors) {
  if (!linear.stack.empty()) {
    tensors->push_back({linear.stack, {}});
    if (linear.bias) tensors->push_back({linear.stack + "_bias", {}});
    return;
  }
  tensors->push_back({linear.name + ".weight", {linear.out, linear.in}});
  if (linear.transposed) tensors->back().shape = {linear.in, linear.out};
  if (linear.bias) tensors->push_back({linear.name + ".bias", {linear.out}});
}

void AddBlock(const BlockPlan& plan, std::int64_t hidden, std::vector<StoredPlan>* tensors) {
  for (const NormPlan& norm : plan.norms) AddNorm(norm, tensors);
  for (const LinearPlan& linear : plan.linears) AddLinear(linear, tensors);
  const std::string& numbers = plan.mlp.activation_numbers;
  if (!numbers.empty()) {
    for (const char* learned : {".alpha_p", ".alpha_n"})
      tensors->push_back({numbers + learned, {1}});
    for (const char* given : {".beta", ".eps"}) tensors->push_back({numbers + given, {}, true});
  }
  if (!plan.attention.sinks.empty()) {
    tensors->push_back({plan.attention.sinks, {plan.attention.heads}});
  }
  if (!plan.output_factor.empty()) tensors->push_back({plan.output_factor, {1}});
  if (plan.mixer) {
    for (const MixerTensor& tensor : TensorsOf(*plan.mixer)) {
      tensors->push_back({tensor.name, tensor.shape});
      if (tensor.part) tensors->back().shape.clear();
    }
  }
  if (!plan.mlp.experts) return;
  const ExpertsPlan& experts = *plan.mlp.experts;
  tensors->push_back({experts.router + ".weight", {experts.count, hidden}});
  if (experts.router_bias) tensors->push_back({experts.router + ".bias", {experts.count}});
  if (!experts.shared_gate.empty()) {
    tensors->push_back({experts.shared_gate + ".weight", {1, hidden}});
  }
  if (!experts.router_scale.empty()) tensors->push_back({experts.router_scale, {hidden}});
  if (!experts.expert_factors.empty()) {
    tensors->push_back({experts.expert_factors, {experts.count}});
  }
  if (!experts.correction.empty()) {
    tensors->push_back({experts.correction, experts.CorrectionShape()});
  }
}

/// "model.layers." of a block's "model.layers.0.mlp.up_proj".
std::string BlockPrefix(const ModelDescription& description) {
  const std::string name = description.Plan(0).linears.front().name;
  return name.substr(0, name.find(".0.") + 1);
}

std::string Renamed(const std::string& stored, const CheckpointNames& names) {
  std::string renamed = stored;
  for (const auto& [from, to] : names.prefixes) {
    if (!stored.starts_with(from)) continue;
    renamed = to + stored.substr(from.size());
    break;
  }
  for (const auto& [from, to] : names.middles) {
    const std::size_t place = renamed.find(from);
    if (place != std::string::npos) renamed.replace(place, from.size(), to);
  }
  return renamed;
}

/// The model's name of a stored tensor; empty where it has none such.
std::string OwnName(const std::string& stored, const Names& own, const std::string& prefix) {
  if (stored.starts_with(prefix) && own.count(stored.substr(prefix.size())) > 0) {
    return stored.substr(prefix.size());
  }
  if (own.count(stored) > 0) return stored;
  return own.count(prefix + stored) > 0 ? prefix + stored : "";
}

/// Causal masks and rotary frequencies, which older releases kept in their files.
bool IsBuffer(const TensorView& tensor) {
  constexpr std::array kEnds = {
      "rotary_emb.inv_freq", "rotary_emb.cos_cached",    "rotary_emb.sin_cached", ".masked_bias",
      ".embed_positions",    ".embed_positions.weights", ".position_ids"};
  const auto ends = [&](const char* end) { return tensor.name.ends_with(end); };
  if (std::any_of(kEnds.begin(), kEnds.end(), ends)) return true;
  return tensor.shape.size() == 4 && (ends("attn.bias") || ends("attention.bias"));
}

/// What the name begins with where it is of another part; else "".
std::string OtherPartOf(const TensorView& tensor, const CheckpointNames& names) {
  const std::string renamed = Renamed(tensor.name, names);
  for (const std::string& part : names.other_parts) {
    if (tensor.name.starts_with(part) || renamed.starts_with(part)) return part;
  }
  return "";
}

/// Throws where a tensor is part of a matrix that is quantized already.
void CheckPacked(const TensorView& tensor) {
  constexpr std::array kEnds = {".qweight",          ".qzeros",       ".g_idx",
                                ".weight_packed",    ".weight_scale", ".weight_zero_point",
                                ".weight_scale_inv", ".SCB",          ".absmax"};
  for (const char* end : kEnds) {
    if (!tensor.name.ends_with(end)) continue;
    throw Error(tensor.file + ": tensor '" + tensor.name +
                "': the model is quantized already; expected one in full precision");
  }
}

}  // namespace

std::vector<StoredPlan> StoredPlans(const ModelDescription& description) {
  std::vector<StoredPlan> tensors;
  const EndsPlan ends = description.Ends();
  const std::int64_t width = ends.embedding_width;
  const std::int64_t hidden = description.hidden;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    if (!name.empty()) tensors.push_back({name + ".weight", std::move(shape)});
  };
  add(ends.embedding, {description.vocab + ends.further_rows, width});
  add(ends.positions, {ends.position_rows, hidden});
  add(ends.project_in, {hidden, width});
  add(ends.project_out, {width, hidden});
  if (ends.embedding_norm) AddNorm(*ends.embedding_norm, &tensors);
  for (std::int64_t i = 0; i < description.layers; ++i) {
    AddBlock(description.Plan(i), hidden, &tensors);
  }
  if (ends.final_norm) AddNorm(*ends.final_norm, &tensors);
  if (!description.tied_head) add(ends.head, {description.vocab, width});
  if (ends.head_bias) tensors.push_back({ends.head + ".bias", {description.vocab}});
  return tensors;
}

StoredNames::StoredNames(const Checkpoint& checkpoint, const ModelDescription& description) {
  const EndsPlan ends = description.Ends();
  const std::string head = ends.head + ".weight";
  Names own;
  for (const StoredPlan& tensor : StoredPlans(description)) own.insert(tensor.name);
  own.insert(head);  // also of a tied one
  const std::string prefix = ends.BasePrefix();
  std::vector<const TensorView*> rest;
  for (const std::string& stored : checkpoint.Names()) {
    const std::string name = OwnName(Renamed(stored, description.naming), own, prefix);
    const TensorView* tensor = checkpoint.Find(stored);
    if (name.empty()) {
      rest.push_back(tensor);
    } else if (const auto [twin, added] = stored_.emplace(name, stored); !added) {
      throw Error(tensor->file + ": tensors '" + twin->second + "' and '" + stored +
                  "' are both the model's '" + name + "'");
    }
  }
  // A tied checkpoint may store the shared matrix under the head's name only.
  const std::string embedding = ends.embedding + ".weight";
  if (description.tied_head && stored_.count(embedding) == 0 && stored_.count(head) > 0) {
    stored_[embedding] = stored_[head];
  }
  std::set<const TensorView*> factors;
  for (const auto& [name, stored] : stored_) factors.insert(checkpoint.Find(stored)->factors);
  std::erase_if(rest, [&](const TensorView* tensor) { return factors.count(tensor) > 0; });
  std::map<std::string, std::size_t> others;  // tensors of each other part
  std::erase_if(rest, [&](const TensorView* tensor) {
    const std::string part = OtherPartOf(*tensor, description.naming);
    if (!part.empty()) ++others[part];
    return !part.empty();
  });
  for (const TensorView* tensor : rest) CheckPacked(*tensor);
  for (const TensorView* tensor : rest) CheckUnused(*tensor, description);
  for (const TensorView* tensor : rest) {
    const bool used = checkpoint.gguf() != nullptr;  // rope_freqs.weight; the rest is refused
    if (!used && !IsBuffer(*tensor)) unused_.push_back(tensor->name);
  }
  for (const auto& [part, count] : others) {
    unused_.push_back(part + "* (" + std::to_string(count) + " tensors)");
  }
}

const std::string& StoredNames::Find(const std::string& name) const {
  static const std::string kNone;
  const auto found = stored_.find(name);
  return found == stored_.end() ? kNone : found->second;
}

void StoredNames::CheckUnused(const TensorView& tensor, const ModelDescription& description) const {
  if (IsBuffer(tensor) || !HoldsWeights(tensor.type)) return;
  const CheckpointNames& names = description.naming;
  const EndsPlan ends = description.Ends();
  const std::string prefix = ends.BasePrefix();
  std::string name = Renamed(tensor.name, names);
  const std::string blocks = BlockPrefix(description);
  const auto is_bias = [&](const std::string& text) {
    return text.ends_with(".bias") &&
           stored_.count(text.substr(0, text.size() - 5) + ".weight") > 0;
  };
  // A name without the base prefix is known by what it is in a block, or beside which weight.
  const std::string longer = prefix + name;
  if (longer.starts_with(blocks) || is_bias(longer)) name = longer;
  if (!name.starts_with(prefix) && !name.starts_with(ends.head + ".") && !names.complete) return;
  const std::string place = tensor.file + ": tensor '" + tensor.name + "' ";
  if (name.starts_with(blocks)) {
    const std::string after = name.substr(blocks.size());
    const std::string number = after.substr(0, after.find('.'));
    const bool digits = !number.empty() && number.size() < 10 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (digits && std::stoll(number) >= description.layers) {
      throw Error(place + "is of block " + number + ", but the model is said to have " +
                  std::to_string(description.layers) + " blocks");
    }
  }
  if (is_bias(name)) {
    throw Error(place + "is a bias, but the model is said to have none there");
  }
  throw Error(place + "has no place in the " + description.family + " model that is described");
}

}  // namespace roundlab
