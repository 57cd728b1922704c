#include "rounding/stages/round.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/part_field.h"
#include "rounding/diagnostics.h"
#include "rounding/range.h"
#include "rounding/tuner/tuner.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const char* const kSeries[] = {"loss", "lr", "penalty", "full_loss"};

TunerHooks HooksOf(UnitWork* work) {
  TunerHooks hooks;
  hooks.sink = work->sink();
  hooks.on_step = [work] { work->Step(); };
  return hooks;
}

void Report(const Reconstruction& unit, const UnitResult& result, UnitWork* work) {
  const std::string prefix = "units/" + unit.name + "/";
  MetricSink* sink = work->sink();
  sink->Array(prefix + "loss_before", {1}, {result.loss_before});
  sink->Array(prefix + "loss_after", {1}, {result.loss_after});
  sink->Array(prefix + "chosen_step", {1}, {static_cast<double>(result.chosen_step)});
  sink->Array(prefix + "nan_events", {1}, {static_cast<double>(result.events.size())});
  for (const std::string& event : result.events) work->log().Write(event);
  char text[96];
  std::snprintf(text, sizeof(text), ": loss %.6g -> %.6g", result.loss_before, result.loss_after);
  work->log().Write(unit.name + text);
}

at::Tensor SampleOf(const at::Tensor& inputs) {
  return inputs.narrow(0, 0, std::min(kSampleRows, inputs.size(0)));
}

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

TuneOptions TuningOf(const RoundingRecipe& scheme) {
  TuneOptions tune;
  const std::string text = scheme.make ? scheme.make()->Tuning() : "";
  if (text.empty()) return tune;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(text, "builtin"), scheme.type, FieldsOf(&tune), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return tune;
}

/// Comes before the options of tuning: their defaults are the scheme's.
class SchemeField : public PartField<RoundingScheme> {
 public:
  explicit SchemeField(RoundOptions* options)
      : PartField(&options->scheme, RoundingSchemes()), options_(options) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    PartField::Read(node, path, diagnostics);
    options_->tune = TuningOf(options_->scheme);
  }

 private:
  RoundOptions* options_;
};

}  // namespace

RoundOptions RoundOptions::Defaults() const { return {{}, TuningOf(scheme)}; }

void RoundOptions::Fields(FieldVisitor& f) {
  SchemeField scheme_field(this);
  f.Value("scheme", scheme_field, "how codes are chosen", Presence::kRequired);
  tune.Fields(f);
  f.Rule([this]() -> std::string {
    const bool soft = scheme.make && !scheme.make()->StraightThrough();
    return soft && tune.select == Select::kBestMinibatch
               ? "select: best_minibatch is not for scheme '" + scheme.type +
                     "': it is soft while it is tuned, and its least loss is that of weights that "
                     "are hardly rounded (known: last, best_full)"
               : "";
  });
}

RoundOptions RoundOptions::Used() const {
  RoundOptions used = *this;
  if (scheme.make && !scheme.make()->Tunable()) used.tune = TuneOptions();
  return used;
}

RoundStage::RoundStage(const Options& options) : options_(options), scheme_(options.scheme.make()) {
  if (!options_.tune.select) {
    options_.tune.select = scheme_->StraightThrough() ? Select::kBestMinibatch : Select::kLast;
  }
}

StageNeeds RoundStage::Needs(const QuantOptions& quant) const {
  StageNeeds needs;
  needs.tunes = scheme_->Tunable();
  needs.seed = scheme_->UsesSeed();
  if (needs.tunes) {
    needs.tokens = true;
    needs.original = true;
    needs.quantized = options_.tune.inputs == UnitInputs::kQuantized;
  }
  AddNeeds(scheme_->Uses(), &needs);
  if (quant.range.make) AddNeeds(quant.range.make()->Uses(), &needs);
  return needs;
}

std::int64_t RoundStage::UnitBlocks() const {
  return std::max<std::int64_t>(scheme_->Tunable() ? options_.tune.unit_blocks : 1, 1);
}

std::int64_t RoundStage::Steps(std::int64_t linears) const {
  if (!scheme_->Tunable()) return 1;
  return options_.tune.steps * (options_.tune.unit_blocks == 0 ? linears : 1);
}

std::vector<std::string> RoundStage::Series(const std::string& unit,
                                            const std::vector<std::string>& linears) const {
  std::vector<std::string> names;
  if (!scheme_->Tunable()) return names;
  const std::vector<std::string> units =
      options_.tune.unit_blocks == 0 ? linears : std::vector<std::string>{unit};
  for (const std::string& name : units) {
    for (const char* series : kSeries) names.push_back("tune/" + name + "/" + series);
  }
  return names;
}

void RoundStage::Apply(UnitWork* work) const {
  if (!scheme_->Tunable()) return RoundOneShot(work);
  if (options_.tune.unit_blocks == 0) return TuneLinears(work);
  TuneBlocks(work);
}

void RoundStage::RoundOneShot(UnitWork* work) const {
  const LayerNeeds needs = scheme_->Uses();
  const bool sequential = needs.inputs.Any() && needs.sequential;
  std::vector<std::vector<LinearSlot*>> groups = {work->Slots()};
  if (sequential) groups = work->SlotsByInput();
  for (const std::vector<LinearSlot*>& group : groups) {
    if (sequential) work->Measure(group, needs.chain);
    std::vector<LayerContext> contexts;  // all before any: one pass measures their inputs
    for (LinearSlot* slot : group) {
      const LayerContext context = work->Context(*slot, needs);
      contexts.push_back(scheme_->AnyDevice() ? context : context.To(at::kCPU));
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto layer = scheme_->Begin(contexts[i]);
      QuantizedWeight rounded = layer->Finish();
      const at::Tensor sample = contexts[i].inputs ? contexts[i].inputs->sample : at::Tensor();
      DescribeLayer(contexts[i], *layer, rounded, sample, work->sink());
      work->Keep(group[i], rounded.To(group[i]->weight.device()));
      contexts[i] = {};
    }
    if (!group.empty()) work->Changed(*group.front());
  }
  work->Step();
}

void RoundStage::TuneBlocks(UnitWork* work) const {
  const Unit& blocks = work->unit();
  const Reconstruction unit{blocks.name(), work->Slots(),
                            [&](const at::Tensor& x) { return blocks.Forward(x); }};
  std::vector<LayerContext> contexts;
  std::vector<std::unique_ptr<LayerRounding>> layers;
  for (LinearSlot* slot : unit.slots) {
    contexts.push_back(work->Context(*slot, scheme_->Uses()));
    layers.push_back(scheme_->Begin(contexts.back()));
  }
  UnitData data;
  TunerHooks hooks = HooksOf(work);
  if (options_.tune.inputs == UnitInputs::kQuantized) {
    data.targets = work->Targets();
    data.inputs = work->Inputs(Chain::kQuantized);
    if (work->last_stage) {
      hooks.outputs = data.inputs;
      work->OutputsAreMade();
    }
  } else {
    data.targets = work->Targets(true);
    data.inputs = work->Inputs(Chain::kOriginal);
  }
  const at::Tensor sample = SampleOf(data.inputs).clone();
  UnitResult result =
      TuneUnit(unit, data, layers, options_.tune, work->Seed("tune/" + unit.name), hooks);
  Report(unit, result, work);
  const std::vector<at::Tensor> inputs = blocks.CaptureAllInputs(sample);
  const std::vector<LinearSlot*> all = blocks.Slots();
  for (std::size_t i = 0; i < unit.slots.size(); ++i) {
    const auto place = std::find(all.begin(), all.end(), unit.slots[i]) - all.begin();
    DescribeLayer(contexts[i], *layers[i], result.weights[i],
                  inputs[static_cast<std::size_t>(place)], work->sink());
    work->KeepInstalled(unit.slots[i], std::move(result.weights[i]));
  }
  if (!unit.slots.empty()) work->Changed(*unit.slots.front());
}

/// Layer by layer in forward order, each fed by what is rounded so far (AdaRound's protocol).
void RoundStage::TuneLinears(UnitWork* work) const {
  const Unit& blocks = work->unit();
  for (LinearSlot* slot : work->Slots()) {
    if (slot->expert >= 0) {
      throw Error(slot->name +
                  ": an expert can't be tuned by itself: the tokens it is sent change "
                  "with what is rounded (use unit: block)");
    }
    at::Tensor original;
    UnitData data;
    blocks.WithOriginalWeights([&] {
      const at::NoGradGuard no_grad;
      original = blocks.CaptureInputs(work->Inputs(Chain::kOriginal), slot);
      data.targets = slot->Multiply(original);
    });
    data.inputs = options_.tune.inputs == UnitInputs::kQuantized
                      ? blocks.CaptureInputs(work->Inputs(Chain::kQuantized), slot)
                      : original;
    original.reset();
    const Reconstruction unit{
        slot->name, {slot}, [slot](const at::Tensor& x) { return slot->Multiply(x); }};
    const LayerContext context = work->Context(*slot, scheme_->Uses());
    std::vector<std::unique_ptr<LayerRounding>> layers;
    layers.push_back(scheme_->Begin(context));
    UnitResult result = TuneUnit(unit, data, layers, options_.tune,
                                 work->Seed("tune/" + slot->name), HooksOf(work));
    Report(unit, result, work);
    DescribeLayer(context, *layers.front(), result.weights.front(), SampleOf(data.inputs),
                  work->sink());
    work->KeepInstalled(slot, std::move(result.weights.front()));
    work->Changed(*slot);
  }
}

std::optional<RoundOptions> RoundOptionsOf(const std::vector<StageRecipe>& pipeline) {
  for (const StageRecipe& recipe : pipeline) {
    if (!recipe.make) continue;
    const auto stage = recipe.make();
    if (const auto* round = dynamic_cast<const RoundStage*>(stage.get())) return round->options();
  }
  return std::nullopt;
}

std::string UnfitGrid(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant) {
  const auto round = RoundOptionsOf(pipeline);
  if (!round) return "";
  const auto scheme = round->scheme.make();
  std::vector<GridKind> asked = {quant.spec.grid};
  for (const LayerOverride& o : quant.overrides) asked.push_back(o.grid.value_or(quant.spec.grid));
  for (const GridKind grid : asked) {
    if (scheme->Takes(grid)) continue;
    std::vector<std::string> known;
    for (const auto& [kind, name] : GridNames()) {
      if (scheme->Takes(kind)) known.emplace_back(name);
    }
    const std::string got = EnumName(grid, GridNames());
    return "scheme '" + round->scheme.type + "' does not take quant.grid '" + got + "'" +
           SuggestionSuffix(got, known);
  }
  return "";
}

}  // namespace roundlab
