#include "rounding/unit_work.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "rounding/range.h"

namespace roundlab {

UnitWork::UnitWork(const WorkSetting& setting, const Unit& unit, HiddenStates original,
                   HiddenStates quantized, HiddenStates spare, MetricSink* sink)
    : setting_(setting),
      unit_(unit),
      original_(std::move(original)),
      quantized_(std::move(quantized)),
      spare_(std::move(spare)),
      sink_(sink) {
  for (std::size_t b = 0; b < unit.blocks().size(); ++b) {
    for (LinearSlot* slot : unit.blocks()[b]->Linears()) {
      keys_[slot] = {b, slot->input};
      if (setting_.quant->For(slot->name)) {
        slots_.push_back(slot);
      } else {
        log().Write(slot->name + ": not rounded (quant.skip)");
      }
    }
  }
}

std::uint64_t UnitWork::Seed(const std::string& stream) const {
  return StreamSeed(setting_.seed, stream);
}

std::vector<std::vector<LinearSlot*>> UnitWork::SlotsByInput() const {
  std::map<Key, std::vector<LinearSlot*>> groups;
  for (LinearSlot* slot : slots_) groups[KeyOf(*slot)].push_back(slot);
  std::vector<std::vector<LinearSlot*>> list;
  for (auto& [key, slots] : groups) list.push_back(std::move(slots));
  return list;
}

std::optional<QuantSpec> UnitWork::Spec(const LinearSlot& slot) const {
  return setting_.quant->For(slot.name);
}

LayerContext UnitWork::Context(const LinearSlot& slot, const LayerNeeds& needs) {
  LayerContext context;
  context.name = slot.name;
  context.weight = slot.weight;
  context.spec = *setting_.quant->For(slot.name);
  context.seed = Seed(slot.name);
  for (const HiddenStates& chain : {original_, quantized_}) {
    if (chain.defined()) context.products = chain.dtype();
  }
  const LayerNeeds range = setting_.range->Uses();
  if (range.inputs.Any()) context.inputs = Statistics(slot, range.chain);
  context.tell = [this](const std::string& text) { log().Write(text); };
  const LayerContext seen = setting_.range->AnyDevice() ? context : context.To(at::kCPU);
  const GroupRange found = setting_.range->Estimate(seen);
  context.range_of = RangeOfColumns(*setting_.range, seen);
  context.range = {found.low.to(slot.weight.device()), found.high.to(slot.weight.device())};
  const std::string problem =
      GridProblem(MakeGrid(context.range, context.spec), context.range, context.spec);
  if (!problem.empty()) throw Diverged(slot.name + ": " + problem);
  context.inputs = needs.inputs.Any() ? Statistics(slot, needs.chain) : nullptr;
  if (needs.fisher) {
    ROUNDLAB_CHECK(setting_.fisher != nullptr, "a stage must say that it needs gradients");
    context.fisher = setting_.fisher->at(slot.name).to(slot.weight.device());
  }
  return context;
}

const HiddenStates& UnitWork::Inputs(Chain chain) const {
  const HiddenStates& inputs = chain == Chain::kOriginal ? original_ : quantized_;
  ROUNDLAB_CHECK(inputs.defined(), "a stage must say which chain it needs, and take it in time");
  return inputs;
}

const HiddenStates& UnitWork::Targets(bool keep_inputs) {
  if (targets_.defined()) return targets_;
  // Nobody can look at the original inputs later.
  if (setting_.needs.of_original.Any()) Measure(slots_, Chain::kOriginal);
  HiddenStates chain = keep_inputs ? Inputs(Chain::kOriginal).Clone() : Inputs(Chain::kOriginal);
  unit_.WithOriginalWeights([&] { unit_.Advance(chain, "the unquantized model"); });
  targets_ = std::move(chain);
  if (!keep_inputs) original_ = {};
  return targets_;
}

HiddenStates UnitWork::TargetsOfQuantized() const {
  HiddenStates chain = Inputs(Chain::kQuantized).Clone();
  unit_.WithOriginalWeights([&] { unit_.Advance(chain, "the unquantized unit"); });
  return chain;
}

void UnitWork::Measure(const std::vector<LinearSlot*>& slots, Chain chain) {
  const auto& known = statistics_[chain];
  std::map<Key, LinearSlot*> wanted;
  for (LinearSlot* slot : slots) {
    const Key key = KeyOf(*slot);
    if (known.count(key) == 0) wanted.emplace(key, slot);
  }
  if (wanted.empty()) return;
  if (chain == Chain::kQuantized) return Pass(wanted, chain);
  unit_.WithOriginalWeights([&] { Pass(wanted, chain); });
}

/// Watches one slot of each wanted input while the chain goes through the unit.
void UnitWork::Pass(const std::map<Key, LinearSlot*>& wanted, Chain chain) {
  const StatisticsKinds kinds =
      chain == Chain::kQuantized ? setting_.needs.of_quantized : setting_.needs.of_original;
  const HiddenStates& inputs = Inputs(chain);
  const std::int64_t tokens = inputs.rows() * inputs.values().size(1);
  std::map<Key, InputAccumulator> sums;
  for (const auto& [key, slot] : wanted) sums.emplace(key, InputAccumulator(kinds, tokens));
  std::map<Key, at::Tensor> others;  // of the unquantized model, same rows
  std::size_t reached = 0;
  const auto forward = [&](const at::Tensor& rows,
                           const std::function<void(const Key&, const at::Tensor&)>& see) {
    reached = 0;
    for (const auto& [key, slot] : wanted) {
      slot->on_input = [&, key = key, slot = slot](const at::Tensor& x) {
        see(key, slot->Quantized(x));
        if (++reached == wanted.size()) throw ForwardReached();
      };
    }
    try {
      unit_.Forward(rows);
    } catch (const ForwardReached&) {
    }
    for (const auto& [key, slot] : wanted) slot->on_input = {};
  };
  ForRows(inputs, [&](const at::Tensor& rows, std::int64_t first) {
    if (kinds.cross_moment) {
      const at::Tensor fp = Inputs(Chain::kOriginal).Narrow(first, rows.size(0));
      unit_.WithOriginalWeights([&] {
        forward(fp, [&](const Key& key, const at::Tensor& x) { others[key] = x.detach(); });
      });
    }
    forward(rows, [&](const Key& key, const at::Tensor& x) {
      const at::Tensor& other = others[key];
      // Experts are sent other tokens in either model: nothing to compare.
      const bool same = other.defined() && other.sizes() == x.sizes() && wanted.at(key)->expert < 0;
      sums.at(key).Add(x, same ? other : at::Tensor());
    });
  });
  for (const auto& [key, sum] : sums) {
    statistics_[chain][key] = std::make_shared<InputStatistics>(sum.Finish());
  }
}

std::shared_ptr<const InputStatistics> UnitWork::Statistics(const LinearSlot& slot, Chain chain) {
  const Key key = KeyOf(slot);
  if (statistics_[chain].count(key) == 0) Measure(slots_, chain);
  return statistics_[chain].at(key);
}

void UnitWork::Keep(LinearSlot* slot, QuantizedWeight weight) {
  slot->effective = weight.Dequantize();
  KeepInstalled(slot, std::move(weight));
}

void UnitWork::KeepInstalled(LinearSlot* slot, QuantizedWeight weight) {
  for (const QuantizedWeight::Part& part : weight.Parts()) {
    if (part.tensor->defined()) *part.tensor = part.tensor->contiguous();  // as hashed and stored
  }
  const std::string problem = WeightProblem(weight, slot->effective);
  if (!problem.empty()) throw Diverged(slot->name + ": " + problem);
  slot->effective_bias = weight.bias;
  weights_.insert_or_assign(slot->name, std::move(weight));
}

void UnitWork::Transformed() {
  statistics_.clear();
  transformed_ = true;
}

void UnitWork::KeepTransformed() {
  const auto keep = [this](const std::string& name, const at::Tensor& tensor) {
    if (tensor.defined()) tensors_[name] = tensor.contiguous();
  };
  for (const auto& block : unit_.blocks()) {
    for (NormSlot* norm : block->Norms()) {
      keep(norm->name + ".weight", norm->weight);
      keep(norm->name + ".bias", norm->bias);
    }
    for (LinearSlot* slot : block->Linears()) {
      const auto made = weights_.find(slot->name);
      if (made == weights_.end()) keep(slot->name + ".weight", slot->weight);
      if (made == weights_.end() || !made->second.bias.defined()) {
        keep(slot->name + ".bias", slot->bias);  // else a repair has given another
      }
    }
  }
}

void UnitWork::Changed(const LinearSlot& slot) {
  auto& known = statistics_[Chain::kQuantized];
  known.erase(known.upper_bound(KeyOf(slot)), known.end());
}

HiddenStates UnitWork::RoomForOutputs() {
  if (!setting_.spare_chain) return quantized_;
  if (!spare_.defined()) spare_ = quantized_.Another();
  return spare_;
}

void UnitWork::OutputsAreMade(const HiddenStates& outputs) {
  if (!outputs.SharesMemory(quantized_)) spare_ = std::exchange(quantized_, outputs);
  advanced_ = true;
}

void UnitWork::Finish() {
  if (transformed_) KeepTransformed();
  if (original_.defined() && !targets_.defined()) Targets();
  if (quantized_.defined() && !advanced_) unit_.Advance(quantized_, "the quantized model");
}

}  // namespace roundlab
