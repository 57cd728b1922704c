#include "rounding/stages/let.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "rounding/stages/learned_transform.h"
#include "rounding/stages/smoothquant.h"
#include "rounding/stages/tuning_report.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr double kLeastStart = 1e-5;
constexpr double kLeastFactor = 1e-2;

/// Least and largest value of each channel, [in].
struct ChannelRange {
  at::Tensor low;
  at::Tensor high;
};

/// What these slots are fed when the original chain goes through the unit.
std::vector<ChannelRange> RangesOf(UnitWork* work, const std::vector<LinearSlot*>& slots) {
  std::vector<ChannelRange> ranges(slots.size());
  work->WatchOriginal(slots, [&](std::size_t i, const at::Tensor& x, std::int64_t /*first*/) {
    const at::Tensor flat = x.reshape({-1, x.size(-1)}).to(at::kFloat);
    const at::Tensor low = flat.amin(0);
    const at::Tensor high = flat.amax(0);
    ChannelRange& range = ranges[i];
    range.low = range.low.defined() ? at::minimum(range.low, low) : low;
    range.high = range.high.defined() ? at::maximum(range.high, high) : high;
  });
  return ranges;
}

at::Tensor FirstScale(const ScaleGroup& group, const ChannelRange& range, double alpha) {
  const at::Tensor input = at::maximum(range.high.abs(), range.low.abs()).clamp_min(kLeastStart);
  // The reference has SmoothQuant's bound at first, and this from then on.
  return SmoothScale(input, Weights(group), alpha).clamp_min(kLeastFactor);
}

/// What of a unit may be scaled, as far as `options` want it; of the rest it is told why not.
struct Groups {
  std::vector<ScaleGroup> inputs;
  std::vector<QueryKeyGroup> query_keys;
};

Groups GroupsOf(const UnitWork& work, const Let::Options& options) {
  Groups groups;
  const auto add = [&groups](std::vector<ScaleGroup> found) {
    for (ScaleGroup& group : found) groups.inputs.push_back(std::move(group));
  };
  for (const auto& block : work.unit().blocks()) {
    if (options.scale_norms) add(NormGroups(block.get()));
    if (options.scale_output) add(OutputGroups(block.get()));
    if (!options.scale_query_key) continue;
    for (QueryKeyGroup& pair : QueryKeyGroups(block.get())) {
      if (pair.obstacle.empty()) {
        groups.query_keys.push_back(std::move(pair));
        continue;
      }
      const std::string name = pair.query != nullptr ? pair.query->name + " with k" : "q with k";
      work.log().Write(name + ": not transformed, since " + pair.obstacle);
    }
  }
  if (groups.inputs.empty() && !groups.query_keys.empty()) return groups;
  groups.inputs = FreeGroups(work, std::move(groups.inputs), "not transformed");
  return groups;
}

/// Where a unit's transformation starts: each group's scale from its ranges and weights, the shift
/// in the middle of a range.
TransformParameters Start(UnitWork* work, const Let::Options& options, Groups groups) {
  std::vector<LinearSlot*> readers;
  for (const ScaleGroup& group : groups.inputs) readers.push_back(group.slots[0]);
  const std::vector<ChannelRange> ranges = RangesOf(work, readers);
  TransformParameters parameters;
  for (std::size_t i = 0; i < groups.inputs.size(); ++i) {
    TransformParameters::Input input{std::move(groups.inputs[i]), {}, {}};
    input.scale = FirstScale(input.group, ranges[i], options.alpha).requires_grad_(true);
    if (options.shift && input.group.shift_input) {
      input.shift = ((ranges[i].low + ranges[i].high) / 2).requires_grad_(true);
    }
    parameters.inputs.push_back(std::move(input));
  }
  for (QueryKeyGroup& group : groups.query_keys) {
    const at::Tensor factor = at::ones({group.factors}, group.query->weight.options());
    parameters.query_keys.push_back({std::move(group), factor.requires_grad_(true)});
  }
  return parameters;
}

/// Puts what was learned into the blocks' own weights, and records the least and largest scale of
/// each layer.
void FoldAll(const TransformParameters& learned, MetricSink* sink) {
  const at::NoGradGuard no_grad;
  for (const TransformParameters::Input& input : learned.inputs) {
    const at::Tensor scale = input.scale.detach();
    for (const LinearSlot* slot : input.group.slots) {
      sink->Array("layers/" + slot->name + "/let_scale", {2},
                  {scale.min().item<double>(), scale.max().item<double>()});
    }
    if (input.shift.defined()) Shift(input.group, input.shift.detach());
    Fold(input.group, scale);
  }
  for (const TransformParameters::QueryKey& pair : learned.query_keys) {
    Fold(pair.group, pair.factor.detach());
  }
}

}  // namespace

Let::Options::Options() {
  tune.optimizer = Optimizers().FromText("type: adamw\nlr: 0.005\nweight_decay: 0");
  tune.schedule = Schedules().FromText("type: constant");
  tune.steps = 2560;
  tune.batch = 1;
  tune.loss_scale = 1;
  tune.sampler = SamplerKind::kInOrder;
  tune.select = Select::kLast;
}

void Let::Options::Fields(FieldVisitor& f) {
  f.Real("alpha", &alpha, Between(0, 1), "share of the inputs in the scales that it starts from");
  f.Bool("scale_norms", &scale_norms, "transform what norms feed: q, k, v, an MLP's first layers");
  f.Bool("scale_output", &scale_output, "transform the attention's output layer, folded into v");
  f.Bool("scale_query_key", &scale_query_key, "scale q against k");
  f.Bool("shift", &shift, "shift inputs too, where the norm or v has a bias");
  f.Bool("clip", &clip, "learn to clip the weights' ranges beside");
  f.UsedIf(clip, "without clip", [this](FieldVisitor& clipping) {
    clipping.Real("clip_lr_factor", &clip_lr_factor, Above(0),
                  "learning rate of the clipping, as a multiple of the others'");
  });
  tune.Fields(f);
  f.Rule([this]() -> std::string {
    return scale_norms || scale_output || scale_query_key
               ? ""
               : "nothing to transform: scale_norms, scale_output and scale_query_key are all "
                 "false";
  });
  f.Rule([this]() -> std::string {
    return tune.unit_blocks == 1 ? "" : "unit: let is tuned block by block (known: block)";
  });
}

StageNeeds Let::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  needs.tokens = true;
  needs.original = true;
  needs.watches = true;
  needs.quantized = options_.tune.inputs == UnitInputs::kQuantized;
  needs.tunes = true;
  needs.seed = options_.tune.Draws();
  return needs;
}

std::vector<std::string> Let::Series(const std::string& unit,
                                     const std::vector<std::string>& /*linears*/) const {
  return TuningSeries(unit + "_let");
}

void Let::Apply(UnitWork* work) const {
  Groups groups = GroupsOf(*work, options_);
  if (groups.inputs.empty() && groups.query_keys.empty()) return work->Step(options_.tune.steps);
  LearnedTransform::Options learned;
  learned.clip = options_.clip;
  learned.clip_lr_factor = options_.clip_lr_factor;
  learned.least = kLeastFactor;
  LearnedTransform transform(
      Start(work, options_, std::move(groups)), work->Slots(),
      [work](const LinearSlot& slot) { return work->Spec(slot); }, learned);

  if (work->Slots().empty()) {  // no loss depends on what is learned
    work->Step(options_.tune.steps);
  } else {
    TuneStage("let", work->Slots(), options_.tune, &transform, work);
    transform.Clear();
  }
  FoldAll(transform.parameters(), work->sink());
}

}  // namespace roundlab
