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
  list.reserve(groups.size());
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
  const GroupRange found = EstimatedRange(*setting_.range, seen);
  context.range_of = RangeOfColumns(*setting_.range, seen);
  context.range = {found.low.to(slot.weight.device()), found.high.to(slot.weight.device())};
  const std::string problem =
      GridProblem(MakeGrid(context.range, context.spec), context.range, context.spec);
  if (!problem.empty()) throw Diverged(slot.name + ": " + problem);
  context.inputs = needs.inputs.Any() ? Statistics(slot, needs.chain) : nullptr;
  const auto dead = dead_columns_.find(KeyOf(slot));
  if (dead != dead_columns_.end()) context.dead_columns = dead->second;
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

void UnitWork::WatchOriginal(const std::vector<LinearSlot*>& slots, const Unit::SeeRows& see) {
  if (!targets_.defined()) return MakeTargets(RoomForTargets(), slots, see);
  unit_.WithOriginalWeights([&] { unit_.Watch(Inputs(Chain::kOriginal), slots, see); });
}

const HiddenStates& UnitWork::Targets(bool keep_inputs) {
  keeps_inputs_ = keeps_inputs_ || keep_inputs;
  if (targets_.defined() && (keeps_inputs_ || !original_.defined())) return targets_;
  // Nobody can look at the original inputs later.
  if (setting_.needs.of_original.Any()) Measure(slots_, Chain::kOriginal);
  if (!targets_.defined()) MakeTargets(keeps_inputs_ ? RoomForTargets() : original_);
  if (!keeps_inputs_) DropOriginal();
  return targets_;
}

HiddenStates UnitWork::RoomForTargets() {
  return spare_.defined() ? std::exchange(spare_, {}) : Inputs(Chain::kOriginal).Another();
}

void UnitWork::MakeTargets(const HiddenStates& room, const std::vector<LinearSlot*>& slots,
                           const Unit::SeeRows& see) {
  const HiddenStates& inputs = Inputs(Chain::kOriginal);
  unit_.WithOriginalWeights(
      [&] { unit_.Advance(inputs, room, "the unquantized model", slots, see); });
  targets_ = room;
}

/// Its memory is spare where the targets do not lie in it.
void UnitWork::DropOriginal() {
  HiddenStates dropped = std::exchange(original_, {});
  if (!dropped.SharesMemory(targets_)) spare_ = std::move(dropped);
}

HiddenStates UnitWork::TargetsOfQuantized() const {
  const HiddenStates& inputs = Inputs(Chain::kQuantized);
  HiddenStates outputs = inputs.Another();
  unit_.WithOriginalWeights([&] { unit_.Advance(inputs, outputs, "the unquantized unit"); });
  return outputs;
}

void UnitWork::Measure(const std::vector<LinearSlot*>& slots, Chain chain) {
  auto& known = statistics_[chain];
  std::map<Key, LinearSlot*> wanted;  // one of each input
  for (LinearSlot* slot : slots) {
    const Key key = KeyOf(*slot);
    if (known.count(key) == 0) wanted.emplace(key, slot);
  }
  if (wanted.empty()) return;
  std::vector<LinearSlot*> watched;
  watched.reserve(wanted.size());
  for (const auto& [key, slot] : wanted) watched.push_back(slot);
  const bool original = chain == Chain::kOriginal;
  const StatisticsKinds& kinds =
      original ? setting_.needs.of_original : setting_.needs.of_quantized;
  const std::int64_t tokens = Inputs(chain).rows() * Inputs(chain).values().size(1);
  std::vector<InputAccumulator> sums(watched.size(), InputAccumulator(kinds, tokens));
  if (original) {
    const auto see = [&](std::size_t i, const at::Tensor& x, std::int64_t /*first*/) {
      sums[i].Add(x);
    };
    unit_.WithOriginalWeights([&] { unit_.Watch(Inputs(chain), watched, see); });
  } else {
    MeasureQuantized(watched, kinds.cross_moment, &sums);
  }
  std::size_t i = 0;
  for (const auto& [key, slot] : wanted) {
    known[key] = std::make_shared<InputStatistics>(sums[i++].Finish());
    const auto dead = known[key]->DeadColumns();
    if (dead) dead_columns_[key] = std::max(dead_columns_[key], *dead);
  }
}

void UnitWork::MeasureQuantized(const std::vector<LinearSlot*>& slots, bool beside_original,
                                std::vector<InputAccumulator>* sums) {
  ForRows(Inputs(Chain::kQuantized), [&](const at::Tensor& rows, std::int64_t first) {
    const auto forward = [&](const at::Tensor& x, const SeeInput& see) {
      WatchSlots(slots, see, WatchUntil::kLast, [&] { unit_.Forward(x); });
    };
    std::vector<at::Tensor> others(slots.size());  // of the unquantized model, same rows
    if (beside_original) {
      const at::Tensor fp = Inputs(Chain::kOriginal).Narrow(first, rows.size(0));
      const auto see = [&](std::size_t i, const at::Tensor& x) { others[i] = x.detach(); };
      unit_.WithOriginalWeights([&] { forward(fp, see); });
    }
    forward(rows, [&](std::size_t i, const at::Tensor& input) {
      const at::Tensor x = slots[i]->Quantized(input);
      // Experts are sent other tokens in either model: nothing to compare.
      const bool same =
          others[i].defined() && others[i].sizes() == x.sizes() && slots[i]->expert < 0;
      (*sums)[i].Add(x, same ? others[i] : at::Tensor());
    });
  });
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

void UnitWork::Step(std::int64_t count) const {
  for (std::int64_t i = 0; i < count; ++i) setting_.on_step();
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

void UnitWork::NewQuantizers() { statistics_[Chain::kQuantized].clear(); }

HiddenStates UnitWork::RoomForOutputs() {
  if (!spare_.defined() && !setting_.spare_chain) return quantized_;
  if (!spare_.defined()) spare_ = quantized_.Another();
  return spare_;
}

void UnitWork::OutputsAreMade(const HiddenStates& outputs) {
  if (!outputs.SharesMemory(quantized_)) spare_ = std::exchange(quantized_, outputs);
  advanced_ = true;
}

void UnitWork::Finish() {
  if (transformed_) KeepTransformed();
  if (original_.defined()) {
    if (!targets_.defined()) MakeTargets(original_);
    DropOriginal();
  }
  if (quantized_.defined() && !advanced_) {
    unit_.Advance(quantized_, quantized_, "the quantized model");
  }
}

}  // namespace roundlab
