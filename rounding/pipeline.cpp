#include "rounding/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/random.h"
#include "core/config/part_field.h"
#include "core/model/model.h"
#include "rounding/diagnostics.h"
#include "rounding/portion.h"
#include "rounding/progress_store.h"
#include "rounding/tuner/tuner.h"

namespace roundlab {
namespace {

using Weights = std::map<std::string, QuantizedWeight>;

std::string PortionName(std::int64_t first, std::int64_t last) {
  if (first == last) return "block_" + std::to_string(first);
  return "blocks_" + std::to_string(first) + "-" + std::to_string(last);
}

/// Portions of the model and what tuning calls them.
struct PortionPlan {
  std::int64_t first;
  std::int64_t last;
  std::string name;
};

std::vector<PortionPlan> PlanPortions(std::int64_t layers, const TuneOptions& tune) {
  const std::int64_t size = std::max<std::int64_t>(tune.unit_blocks, 1);
  std::vector<PortionPlan> plan;
  for (std::int64_t first = 0; first < layers; first += size) {
    const std::int64_t last = std::min(layers, first + size) - 1;
    plan.push_back({first, last, PortionName(first, last)});
  }
  return plan;
}

class Pipeline {
 public:
  Pipeline(const PipelineInputs& inputs, const QuantOptions& quant, const RoundStage& stage,
           MetricSink* record, Log* log)
      : in_(inputs),
        quant_(quant),
        tune_(stage.tune),
        scheme_type_(stage.scheme.type),
        scheme_(stage.scheme.make()),
        range_(quant.range.make()),
        record_(record),
        log_(log),
        store_(scheme_->Tunable() ? inputs.progress_folder : ""),
        plan_(PlanPortions(inputs.files->description().layers, stage.tune)) {}

  QuantizedModel Run() {
    ProgressStore::State state = store_.Load();
    StartChains(&state);
    const auto portions = static_cast<std::int64_t>(plan_.size());
    const std::int64_t linears =
        tune_.unit_blocks == 0 ? static_cast<std::int64_t>(DecoderBlock::LinearNames().size()) : 1;
    const std::int64_t steps = scheme_->Tunable() ? tune_.steps * linears : 1;
    progress_ = std::make_unique<Progress>(*log_, "rounding", "steps", portions * steps,
                                           state.finished * steps);
    for (std::int64_t i = 0; i < state.finished; ++i) {
      store_.Record(i).Replay(record_);
      Keep(store_.Weights(i), plan_[static_cast<std::size_t>(i)]);
    }
    if (state.finished > 0) {
      log_->Write("continuing after " + std::to_string(state.finished) + " of " +
                  std::to_string(portions) + " units");
    }
    for (std::int64_t i = state.finished; i < portions; ++i) RoundPortion(i);
    return std::move(model_);
  }

 private:
  void StartChains(ProgressStore::State* state) {
    if (!scheme_->Tunable()) return;
    if (!in_.tokens.defined()) {
      throw Error("scheme '" + scheme_type_ + "' is tuned and needs calibration data");
    }
    const ModelEnds ends(*in_.files);
    rope_ = ends.Rope(in_.tokens.size(1));
    if (state->finished > 0) {
      fp_chain_ = std::move(state->fp_chain);
      q_chain_ = std::move(state->q_chain);
      return;
    }
    fp_chain_ = ends.Embed(in_.tokens).to(in_.dtype);
    if (tune_.inputs == UnitInputs::kQuantized) q_chain_ = fp_chain_.clone();
  }

  void RoundPortion(std::int64_t unit) {
    CheckInterrupt();
    const PortionPlan& plan = plan_[static_cast<std::size_t>(unit)];
    const Portion portion(*in_.files, plan.first, plan.last, rope_);
    RunRecord own;
    TeeSink sink(&own, record_);
    Weights weights;
    if (!scheme_->Tunable()) {
      weights = RoundOneShot(portion, &sink);
    } else if (tune_.unit_blocks == 0) {
      weights = TuneLinears(portion, &sink);
    } else {
      weights = TunePortion(portion, plan, &sink);
    }
    store_.Save(unit, weights, own, fp_chain_, q_chain_);
    if (scheme_->Tunable() && in_.unit_kept) in_.unit_kept();
    Keep(std::move(weights), plan);
  }

  /// Into the model, in the order of its layers (a map has them by name).
  void Keep(Weights weights, const PortionPlan& plan) {
    for (std::int64_t i = plan.first; i <= plan.last; ++i) {
      for (const std::string& name : DecoderBlock::LinearNames(i)) {
        const auto found = weights.find(name);
        if (found != weights.end()) model_.Add(name, std::move(found->second));
      }
    }
  }

  std::vector<LinearSlot*> RoundedSlots(const Portion& portion) {
    std::vector<LinearSlot*> slots;
    for (LinearSlot* slot : portion.Slots()) {
      if (quant_.For(slot->name)) {
        slots.push_back(slot);
      } else {
        log_->Write(slot->name + ": not rounded (quant.skip)");
      }
    }
    return slots;
  }

  LayerContext Context(const LinearSlot& slot) const {
    LayerContext context;
    context.name = slot.name;
    context.weight = slot.weight;
    context.spec = *quant_.For(slot.name);
    context.seed = StreamSeed(in_.seed, slot.name);
    context.range = range_->Estimate(context);
    return context;
  }

  Weights RoundOneShot(const Portion& portion, MetricSink* sink) {
    Weights weights;
    for (LinearSlot* slot : RoundedSlots(portion)) {
      const LayerContext context = Context(*slot);
      const auto layer = scheme_->Begin(context);
      QuantizedWeight rounded = layer->Finish();
      DescribeLayer(context, *layer, rounded, {}, sink);
      weights.emplace(slot->name, std::move(rounded));
    }
    progress_->Advance();
    return weights;
  }

  TunerHooks Hooks(MetricSink* sink) {
    TunerHooks hooks;
    hooks.sink = sink;
    hooks.on_step = [this] {
      progress_->Advance();
      CheckInterrupt();
    };
    return hooks;
  }

  void Report(const ReconstructionUnit& unit, const UnitResult& result, MetricSink* sink) {
    const std::string prefix = "units/" + unit.name + "/";
    sink->Array(prefix + "loss_before", {1}, {result.loss_before});
    sink->Array(prefix + "loss_after", {1}, {result.loss_after});
    sink->Array(prefix + "chosen_step", {1}, {static_cast<double>(result.chosen_step)});
    sink->Array(prefix + "nan_events", {1}, {static_cast<double>(result.events.size())});
    for (const std::string& event : result.events) log_->Write(event);
    char text[96];
    std::snprintf(text, sizeof(text), ": loss %.6g -> %.6g", result.loss_before, result.loss_after);
    log_->Write(unit.name + text);
  }

  Weights TunePortion(const Portion& portion, const PortionPlan& plan, MetricSink* sink) {
    const ReconstructionUnit unit{plan.name, RoundedSlots(portion),
                                  [&](const at::Tensor& x) { return portion.Forward(x); }};
    std::vector<LayerContext> contexts;
    std::vector<std::unique_ptr<LayerRounding>> layers;
    for (LinearSlot* slot : unit.slots) {
      contexts.push_back(Context(*slot));
      layers.push_back(scheme_->Begin(contexts.back()));
    }
    UnitData data;
    TunerHooks hooks = Hooks(sink);
    if (tune_.inputs == UnitInputs::kQuantized) {
      portion.Advance(fp_chain_);
      data = {q_chain_, fp_chain_};
      hooks.outputs = q_chain_;
    } else {
      data = {fp_chain_, fp_chain_.clone()};
      portion.Advance(data.targets);
    }
    const at::Tensor sample =
        data.inputs.narrow(0, 0, std::min(kSampleRows, data.inputs.size(0))).clone();
    UnitResult result =
        TuneUnit(unit, data, layers, tune_, StreamSeed(in_.seed, "tune/" + plan.name), hooks);
    Report(unit, result, sink);
    if (tune_.inputs == UnitInputs::kFp) fp_chain_ = data.targets;
    const std::vector<at::Tensor> inputs = portion.CaptureAllInputs(sample);
    const std::vector<LinearSlot*> all = portion.Slots();
    Weights weights;
    for (std::size_t i = 0; i < unit.slots.size(); ++i) {
      const auto place = std::find(all.begin(), all.end(), unit.slots[i]) - all.begin();
      DescribeLayer(contexts[i], *layers[i], result.weights[i],
                    inputs[static_cast<std::size_t>(place)], sink);
      weights.emplace(unit.slots[i]->name, std::move(result.weights[i]));
    }
    return weights;
  }

  /// Layer by layer in forward order, each fed by what is rounded so far (AdaRound's protocol).
  Weights TuneLinears(const Portion& portion, MetricSink* sink) {
    Weights weights;
    for (LinearSlot* slot : RoundedSlots(portion)) {
      at::Tensor original;
      portion.WithOriginalWeights([&] { original = portion.CaptureInputs(fp_chain_, slot); });
      UnitData data;
      data.inputs =
          tune_.inputs == UnitInputs::kQuantized ? portion.CaptureInputs(q_chain_, slot) : original;
      {
        const at::NoGradGuard no_grad;
        data.targets = slot->Forward(original);
      }
      original.reset();
      const ReconstructionUnit unit{
          slot->name, {slot}, [slot](const at::Tensor& x) { return slot->Forward(x); }};
      const LayerContext context = Context(*slot);
      std::vector<std::unique_ptr<LayerRounding>> layers;
      layers.push_back(scheme_->Begin(context));
      UnitResult result = TuneUnit(unit, data, layers, tune_,
                                   StreamSeed(in_.seed, "tune/" + slot->name), Hooks(sink));
      Report(unit, result, sink);
      DescribeLayer(context, *layers.front(), result.weights.front(),
                    data.inputs.narrow(0, 0, std::min(kSampleRows, data.inputs.size(0))), sink);
      weights.emplace(slot->name, std::move(result.weights.front()));
    }
    portion.WithOriginalWeights([&] { portion.Advance(fp_chain_); });
    if (q_chain_.defined()) portion.Advance(q_chain_);
    return weights;
  }

  const PipelineInputs in_;
  const QuantOptions quant_;
  const TuneOptions tune_;
  const std::string scheme_type_;
  const std::unique_ptr<RoundingScheme> scheme_;
  const std::unique_ptr<RangeEstimator> range_;
  MetricSink* record_;
  Log* log_;
  ProgressStore store_;
  const std::vector<PortionPlan> plan_;
  std::unique_ptr<Progress> progress_;
  QuantizedModel model_;
  RopeTable rope_;
  at::Tensor fp_chain_;
  at::Tensor q_chain_;
};

}  // namespace

void RoundStage::Fields(FieldVisitor& f) {
  PartField scheme_field(&scheme, RoundingSchemes());
  f.Value("scheme", scheme_field, "how codes are chosen", Presence::kRequired);
  tune.Fields(f);
}

std::vector<std::string> UnitNames(const ModelDescription& model, const TuneOptions& tune) {
  std::vector<std::string> names;
  for (const PortionPlan& portion : PlanPortions(model.layers, tune)) {
    if (tune.unit_blocks > 0) {
      names.push_back(portion.name);
      continue;
    }
    const auto linears = DecoderBlock::LinearNames(portion.first);
    names.insert(names.end(), linears.begin(), linears.end());
  }
  return names;
}

std::vector<std::string> SeriesNames(const ModelDescription& model, const TuneOptions& tune) {
  std::vector<std::string> names;
  for (const std::string& unit : UnitNames(model, tune)) {
    for (const char* series : {"loss", "lr", "penalty", "full_loss"}) {
      names.push_back("tune/" + unit + "/" + series);
    }
  }
  return names;
}

QuantizedModel QuantizeModel(const PipelineInputs& inputs, const QuantOptions& quant,
                             const RoundStage& stage, MetricSink* record, Log* log) {
  return Pipeline(inputs, quant, stage, record, log).Run();
}

}  // namespace roundlab
