#include "rounding/stages/round.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/metrics/metric_sink.h"
#include "rounding/diagnostics.h"
#include "rounding/range.h"
#include "rounding/schemes/oscillation_layer.h"
#include "rounding/stages/tuning_report.h"
#include "rounding/tuner/tuner.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

void AddNeeds(const LayerNeeds& layer, StageNeeds* needs) {
  if (layer.fisher) needs->tokens = needs->fisher = true;
  if (!layer.inputs.Any()) return;
  needs->tokens = true;
  if (layer.chain == Chain::kOriginal || layer.inputs.cross_moment) needs->original = true;
  if (layer.chain == Chain::kQuantized) needs->quantized = true;
  StatisticsKinds& kinds =
      layer.chain == Chain::kOriginal ? needs->of_original : needs->of_quantized;
  kinds = kinds | layer.inputs;
}

/// hidden [rows, seq, hidden] -> [rows, seq, vocab], differentiable.
at::Tensor LogitsOf(const at::Tensor& hidden, const ModelEnds& ends) {
  return ends.head().Logits(ends.Final(hidden.to(at::kFloat)));
}

/// Measurements of a start, by the same names below start/.
class StartSink : public MetricSink {
 public:
  explicit StartSink(MetricSink* sink) : sink_(sink) {}
  void Record(std::string_view series, std::int64_t step, double value) override {
    sink_->Record(kPrefix + std::string(series), step, value);
  }
  void Array(std::string_view name, std::vector<std::int64_t> shape,
             std::vector<double> values) override {
    sink_->Array(kPrefix + std::string(name), std::move(shape), std::move(values));
  }

  static constexpr const char* kPrefix = "start/";

 private:
  MetricSink* sink_;
};

}  // namespace

RoundStage::RoundStage(const Options& options) : options_(options), scheme_(options.scheme.make()) {
  if (!options_.tune.select) {
    options_.tune.select =
        scheme_->Traits().straight_through ? Select::kBestMinibatch : Select::kLast;
  }
  if (options_.start) {
    start_ = std::make_shared<const RoundStage>(RoundOptions{*options_.start, std::nullopt});
  }
}

StageNeeds RoundStage::Needs(const QuantOptions& quant) const {
  StageNeeds needs;
  needs.tunes = scheme_->Traits().tunable;
  needs.seed = scheme_->Traits().draws || (needs.tunes && options_.tune.Draws());
  if (needs.tunes) {
    needs.tokens = true;
    needs.original = true;
    needs.quantized = options_.tune.inputs == UnitInputs::kQuantized;
  }
  AddNeeds(scheme_->Traits().needs, &needs);
  if (quant.range.make) AddNeeds(quant.range.make()->Uses(), &needs);
  return start_ ? needs | start_->Needs(quant) : needs;
}

std::int64_t RoundStage::UnitBlocks() const {
  const std::int64_t own =
      std::max<std::int64_t>(scheme_->Traits().tunable ? options_.tune.unit_blocks : 1, 1);
  return start_ ? std::max(own, start_->UnitBlocks()) : own;
}

std::vector<const TuneOptions*> RoundStage::Tunings() const {
  std::vector<const TuneOptions*> tunings;
  if (start_) tunings = start_->Tunings();
  if (scheme_->Traits().tunable) tunings.push_back(&options_.tune);
  return tunings;
}

std::int64_t RoundStage::Steps(std::int64_t linears) const {
  const std::int64_t before = start_ ? start_->Steps(linears) : 0;
  if (!scheme_->Traits().tunable) return before + 1;
  return before + options_.tune.steps * (options_.tune.unit_blocks == 0 ? linears : 1);
}

std::vector<std::string> RoundStage::Series(const std::string& unit,
                                            const std::vector<std::string>& linears) const {
  std::vector<std::string> names;
  if (start_) {
    for (const std::string& name : start_->Series(unit, linears)) {
      names.push_back(StartSink::kPrefix + name);
    }
  }
  if (!scheme_->Traits().tunable) return names;
  const std::vector<std::string> units =
      options_.tune.unit_blocks == 0 ? linears : std::vector<std::string>{unit};
  for (const std::string& name : units) {
    for (std::string& series : TuningSeries(name)) names.push_back(std::move(series));
  }
  return names;
}

void RoundStage::Apply(UnitWork* work) const {
  const Started started = MakeStart(work);
  if (!scheme_->Traits().tunable) return RoundOneShot(work, started);
  if (options_.tune.unit_blocks == 0) return TuneLinears(work, started);
  TuneBlocks(work, started);
}

RoundStage::Started RoundStage::MakeStart(UnitWork* work) const {
  if (!start_) return {};
  // The start's targets must leave the inputs that this stage may want.
  const auto needs = Needs({});
  if (needs.original && needs.tunes) work->Targets(true);
  StartSink sink(work->sink());
  MetricSink* const own = work->ExchangeSink(&sink);
  const bool last = std::exchange(work->last_stage, false);
  start_->Apply(work);
  work->last_stage = last;
  work->ExchangeSink(own);
  Started started;
  for (const auto& [name, weight] : work->weights()) {
    started[name] = std::make_shared<const QuantizedWeight>(weight);
  }
  return started;
}

double RoundStage::WorkingBytes(const BlockPlan& block) const {
  double most = 0;
  for (const LinearPlan& linear : block.linears) {
    const LayerShape layer{linear.name, linear.out, linear.in, {}};
    most = std::max(most, scheme_->OnLayer(layer).working_bytes);
    if (start_) most = std::max(most, start_->scheme_->OnLayer(layer).working_bytes);
  }
  return most;
}

LayerContext RoundStage::Context(UnitWork* work, const LinearSlot& slot,
                                 const Started& started) const {
  LayerContext context = work->Context(slot, scheme_->Traits().needs);
  const auto found = started.find(slot.name);
  if (found != started.end()) context.start = found->second;
  return context;
}

void RoundStage::RoundOneShot(UnitWork* work, const Started& started) const {
  const LayerNeeds needs = scheme_->Traits().needs;
  const bool sequential = needs.inputs.Any() && needs.sequential;
  std::vector<std::vector<LinearSlot*>> groups = {work->Slots()};
  if (sequential) groups = work->SlotsByInput();
  for (const std::vector<LinearSlot*>& group : groups) {
    if (sequential) work->Measure(group, needs.chain);
    std::vector<LayerContext> contexts;  // all before any: one pass measures their inputs
    for (LinearSlot* slot : group) {
      const LayerContext context = Context(work, *slot, started);
      contexts.push_back(scheme_->Traits().any_device ? context : context.To(at::kCPU));
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto layer = Begin(contexts[i]);
      QuantizedWeight rounded = FinishedWeight(*layer, contexts[i].name, contexts[i].weight);
      const at::Tensor sample = contexts[i].inputs ? contexts[i].inputs->sample : at::Tensor();
      DescribeLayer(contexts[i], *layer, rounded, sample, work->sink());
      work->Keep(group[i], rounded.To(group[i]->weight.device()));
      contexts[i] = {};
    }
    if (!group.empty()) work->Changed(*group.front());
  }
  work->Step();
}

std::unique_ptr<LayerRounding> RoundStage::Begin(const LayerContext& layer) const {
  const std::string scheme = "scheme '" + options_.scheme.type + "'";
  const auto version = layer.weight._version();
  auto state = scheme_->Begin(layer);
  if (!state) throw Error(layer.name + ": " + scheme + " begins nothing: its Begin gives null");
  if (layer.weight._version() != version) {
    throw Error(layer.name + ": " + scheme + " changes the weight that it is to round");
  }
  return state;
}

void RoundStage::CheckStraight(const LayerContext& layer, LayerRounding* state,
                               const QuantizedWeight& rounded) const {
  if (!scheme_->Traits().straight_through) return;
  const at::NoGradGuard no_grad;
  // The conformance tests ask for equal bits; a plug-in's scheme has none, kernels may differ
  // there.
  const at::Tensor soft = state->SoftWeight();
  const at::Tensor hard = rounded.Dequantize().to(soft.scalar_type());
  const double off = soft.scalar_type() == at::kFloat ? 1e-4 : 1e-2;
  const double gap = (soft - hard).abs().max().item<double>();
  if (!(gap > off * hard.abs().max().item<double>())) return;
  throw Error(layer.name + ": scheme '" + options_.scheme.type +
              "' says that it is straight-through, but what it tunes (SoftWeight) is not what it "
              "ends as (Finish): set straight_through to false in its Traits");
}

std::unique_ptr<LayerRounding> RoundStage::BeginTuned(const LayerContext& layer) const {
  auto state = Begin(layer);
  return options_.oscillation ? WithOscillation(std::move(state), *options_.oscillation)
                              : std::move(state);
}

void RoundStage::TuneBlocks(UnitWork* work, const Started& started) const {
  const Unit& blocks = work->unit();
  const auto head = HeadFor(*work);
  Reconstruction unit{blocks.name(), work->Slots(),
                      [&](const at::Tensor& x) { return blocks.Forward(x); }};
  if (head) unit.read = [&](const at::Tensor& hidden) { return LogitsOf(hidden, *head); };
  std::vector<LayerContext> contexts;
  std::vector<std::unique_ptr<LayerRounding>> layers;
  for (LinearSlot* slot : unit.slots) {
    contexts.push_back(Context(work, *slot, started));
    layers.push_back(BeginTuned(contexts.back()));
    unit.bits = std::min(unit.bits, contexts.back().spec.bits);
  }
  unit.sym_full = std::all_of(contexts.begin(), contexts.end(), [](const LayerContext& context) {
    return context.spec.grid == GridKind::kSymFull;
  });
  UnitData data;
  TunerHooks hooks = TuningHooks(work);
  if (options_.tune.inputs == UnitInputs::kQuantized) {
    data.targets = work->Targets();
    data.inputs = work->Inputs(Chain::kQuantized);
    if (options_.tune.aug_loss) data.also = work->TargetsOfQuantized();
    if (work->last_stage) hooks.outputs = work->RoomForOutputs();
  } else {
    data.targets = work->Targets(true);
    data.inputs = work->Inputs(Chain::kOriginal);
  }
  const at::Tensor sample = SampleOf(data.inputs).clone();
  UnitResult result =
      TuneUnit(unit, data, layers, options_.tune, work->Seed("tune/" + unit.name), hooks);
  if (hooks.outputs.defined()) work->OutputsAreMade(hooks.outputs);
  TellTuning(unit.name, result, work);
  const std::vector<at::Tensor> inputs = blocks.CaptureAllInputs(sample);
  const std::vector<LinearSlot*> all = blocks.Slots();
  for (std::size_t i = 0; i < unit.slots.size(); ++i) {
    if (i == 0) CheckStraight(contexts[i], layers[i].get(), result.weights[i]);
    const auto place = std::find(all.begin(), all.end(), unit.slots[i]) - all.begin();
    DescribeLayer(contexts[i], *layers[i], result.weights[i],
                  inputs[static_cast<std::size_t>(place)], work->sink());
    work->KeepInstalled(unit.slots[i], std::move(result.weights[i]));
  }
  if (!unit.slots.empty()) work->Changed(*unit.slots.front());
}

std::optional<ModelEnds> RoundStage::HeadFor(const UnitWork& work) const {
  if (!options_.tune.loss.make()->OfLogits()) return std::nullopt;
  ModelEnds ends = work.source().LoadEnds();
  ends.To(work.unit().blocks().front()->Slot(0).weight.device());
  return ends;
}

/// Layer by layer in forward order, each fed by what is rounded so far (AdaRound's protocol).
void RoundStage::TuneLinears(UnitWork* work, const Started& started) const {
  const Unit& blocks = work->unit();
  for (LinearSlot* slot : work->Slots()) {
    HiddenStates original;
    UnitData data;
    blocks.WithOriginalWeights([&] {
      original = blocks.CaptureInputs(work->Inputs(Chain::kOriginal), slot);
      data.targets = original.Map([&](const at::Tensor& x) { return slot->Multiply(x); });
    });
    data.inputs = options_.tune.inputs == UnitInputs::kQuantized
                      ? blocks.CaptureInputs(work->Inputs(Chain::kQuantized), slot)
                      : original;
    original = {};
    Reconstruction unit{
        slot->name, {slot}, [slot](const at::Tensor& x) { return slot->Multiply(x); }};
    const LayerContext context = Context(work, *slot, started);
    unit.bits = context.spec.bits;
    unit.sym_full = context.spec.grid == GridKind::kSymFull;
    std::vector<std::unique_ptr<LayerRounding>> layers;
    layers.push_back(BeginTuned(context));
    UnitResult result = TuneUnit(unit, data, layers, options_.tune,
                                 work->Seed("tune/" + slot->name), TuningHooks(work));
    TellTuning(unit.name, result, work);
    CheckStraight(context, layers.front().get(), result.weights.front());
    DescribeLayer(context, *layers.front(), result.weights.front(), SampleOf(data.inputs),
                  work->sink());
    work->KeepInstalled(slot, std::move(result.weights.front()));
    work->Changed(*slot);
  }
}

Work RoundStage::WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
                        std::int64_t seqlen) const {
  const auto range = quant.range.make();
  Work work;
  for (const LinearPlan& linear : block.linears) {
    const auto spec = quant.For(linear.name);
    if (!spec) continue;
    const LayerShape layer{linear.name, linear.out, linear.in, *spec};
    if (range->SearchesOn(spec->grid)) work += range->WorkOn(layer);
    work += scheme_->WorkOn(layer);
  }
  if (start_) work += start_->WorkOn(block, quant, samples, seqlen);
  return work;
}

}  // namespace roundlab
