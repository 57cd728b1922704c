#include "rounding/stages/activations.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/config/enum_field.h"
#include "core/config/value_fields.h"
#include "rounding/channel_clusters.h"
#include "rounding/layer_pattern.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/stages/spiq.h"
#include "rounding/stages/tuning_report.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const EnumNames<RangePer> kPer = {{RangePer::kTensor, "tensor"},
                                  {RangePer::kToken, "token"},
                                  {RangePer::kGroup, "group"},
                                  {RangePer::kChannel, "channel"},
                                  {RangePer::kCluster, "cluster"}};

/// The norm whose output the slot reads, or null.
NormSlot* NormBefore(const UnitWork& work, const LinearSlot& slot) {
  for (const auto& block : work.unit().blocks()) {
    for (ScaleGroup& group : NormGroups(block.get())) {
      const auto& readers = group.slots;
      if (std::find(readers.begin(), readers.end(), &slot) != readers.end()) return group.norm;
    }
  }
  return nullptr;
}

bool ReadsNorm(const BlockPlan& plan, const LinearPlan& linear) {
  return std::any_of(plan.norms.begin(), plan.norms.end(), [&](const NormPlan& norm) {
    return std::count(norm.feeds.begin(), norm.feeds.end(), linear.input) > 0;
  });
}

}  // namespace

void Activations::Options::Fields(FieldVisitor& f) {
  quantizer.Fields(f, true, per == RangePer::kGroup);
  EnumField per_field(&per, kPer);
  f.Value(
      "per", per_field,
      "values that share a scale: all of a text, a token's, a group of its channels, a channel's");
  f.UsedIf(per == RangePer::kCluster, "without per: cluster", [this](FieldVisitor& clustered) {
    clustered.Int("clusters", &clusters, AtLeast(1),
                  "per: cluster: sets of channels of like ranges, each with a scale");
    clustered.Int("head_clusters", &head_clusters, AtLeast(1),
                  "the same of each head, where a layer reads what attention gives");
  });
  f.Rule([this]() -> std::string {
    const bool channels = per == RangePer::kChannel || per == RangePer::kCluster;
    if (channels && !quantizer.Static()) {
      return "per: " + EnumName(per, kPer) +
             " needs ranges: static or norm: no product of integers has a scale of its own for "
             "each channel that is not known beforehand";
    }
    return quantizer.RangeProblem(per);
  });
  OptionalSection<LearnOptions> learn_field(&learn);
  f.Value("learn", learn_field,
          "train static scales, or what rounds up and what down, by the unit's outputs; nothing "
          "where absent");
  f.Rule([this]() -> std::string {
    if (!learn) return "";
    if (quantizer.ranges != RangeSource::kStatic) {
      return "learn needs ranges: static, which it starts from";
    }
    return per == RangePer::kCluster
               ? "learn is not for per: cluster (known: tensor, group, channel)"
               : "";
  });
}

StageNeeds Activations::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs = options_.quantizer.Needs();
  needs.seed =
      options_.per == RangePer::kCluster || (options_.learn && options_.learn->tune.Draws());
  needs.original = needs.tunes = options_.learn.has_value();
  return needs;
}

std::int64_t Activations::UnitBlocks() const {
  return options_.learn ? options_.learn->tune.unit_blocks : 1;
}

std::vector<std::string> Activations::Series(const std::string& unit,
                                             const std::vector<std::string>& /*linears*/) const {
  return options_.learn ? TuningSeries(unit + "_activations") : std::vector<std::string>();
}

std::vector<const TuneOptions*> Activations::Tunings() const {
  if (!options_.learn) return {};
  return {&options_.learn->tune};
}

GraphBytes Activations::KeptByGraph(const BlockPlan& block) const {
  double inputs = 0;
  for (const LinearPlan& linear : block.linears) {
    const bool matches = options_.quantizer.Matches(linear.name);
    if (matches) inputs += block.TokenShare(linear) * static_cast<double>(linear.in);
  }
  return {.a_token = 19 * inputs, .a_token_behind = 3 * inputs};
}

std::shared_ptr<const ActivationQuantizer> Activations::InputQuantizer(
    const std::string& layer) const {
  if (!options_.quantizer.Matches(layer)) return nullptr;
  return std::make_shared<const ActivationQuantizer>(
      ActivationQuantizer{options_.quantizer.Spec(options_.per)});
}

void Activations::CheckBlock(const BlockPlan& plan, const QuantOptions& quant) const {
  const RangePer per = options_.per;
  std::map<std::size_t, const LinearPlan*> taken;
  std::map<std::size_t, const LinearPlan*> left;
  for (const LinearPlan& linear : plan.linears) {
    if (!quant.For(linear.name)) continue;
    const bool matches = options_.quantizer.Matches(linear.name);
    (matches ? taken : left)[linear.input] = &linear;
    if (!matches) continue;
    const std::int64_t size = options_.quantizer.group_size;
    if (per == RangePer::kGroup && linear.in % size != 0) {
      throw Error("group_size " + std::to_string(size) + " does not divide the " +
                  std::to_string(linear.in) + " inputs of '" + linear.name + "'");
    }
    if (per == RangePer::kTensor && !options_.quantizer.Static() && linear.expert >= 0) {
      throw Error("per: tensor needs ranges: static for experts ('" + linear.name +
                  "'): the tokens that they are sent are of many texts");
    }
    if (options_.quantizer.threshold > 0 && linear.expert >= 0) {
      throw Error("threshold is not for experts ('" + linear.name +
                  "'): the tokens that they are sent are of many texts");
    }
    if (options_.quantizer.ranges == RangeSource::kNorm && !ReadsNorm(plan, linear)) {
      throw Error("ranges: norm: no norm gives what '" + linear.name +
                  "' is fed, or others read it too (match: the layers that norms feed)");
    }
    const bool mixed = linear.role == LinearRole::kAttentionOutput;
    const std::int64_t most = mixed ? plan.attention.value_dim : linear.in;
    const std::int64_t clusters = mixed ? options_.head_clusters : options_.clusters;
    if (per == RangePer::kCluster && clusters > most) {
      throw Error(std::string(mixed ? "head_clusters " : "clusters ") + std::to_string(clusters) +
                  " is more than the " + std::to_string(most) + " channels of " +
                  (mixed ? "a head" : "'" + linear.name + "'"));
    }
  }
  for (const auto& [input, linear] : taken) {
    if (left.count(input) == 0) continue;
    throw Error("match: '" + options_.quantizer.match + "' takes '" + linear->name + "' but not '" +
                left.at(input)->name +
                "', which the same tensor feeds: it is quantized for all of them or for none");
  }
}

void Activations::Check(const ModelDescription& model, const QuantOptions& quant) const {
  std::vector<std::string> layers;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const BlockPlan plan = model.Plan(i);
    for (const LinearPlan& linear : plan.linears) {
      if (quant.For(linear.name)) layers.push_back(linear.name);
    }
    CheckBlock(plan, quant);
  }
  if (!options_.quantizer.match.empty()) RequireMatch("match", options_.quantizer.match, layers);
}

/// The static quantizer of each group of layers that one tensor feeds; null where none of its
/// tokens came.
std::vector<Activations::Quantizer> Activations::Measured(UnitWork* work,
                                                          const std::vector<Layers>& groups) const {
  const QuantizerOptions& how = options_.quantizer;
  const bool clusters = options_.per == RangePer::kCluster;
  const ActivationSpec spec = how.Spec(options_.per);
  std::vector<RangeObserver> observers(groups.size(), RangeObserver(how.observer, spec));
  if (how.ranges == RangeSource::kNorm) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const at::Tensor range = NormRange(*NormBefore(*work, *groups[i].front()), how.spread);
      observers[i].Add(at::stack({-range, range}));
    }
  } else {
    std::vector<LinearSlot*> slots;
    for (const Layers& group : groups) slots.push_back(group.front());
    const auto see = [&](std::size_t i, const at::Tensor& x, std::int64_t /*first*/) {
      Observe(x, &observers[i]);
    };
    work->unit().Watch(work->Inputs(Chain::kQuantized), slots, see);
  }
  std::vector<Quantizer> made;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const LinearSlot& slot = *groups[i].front();
    if (!observers[i].SeenAny()) {
      work->log().Write(slot.name + ": its inputs stay as they are, since no token was sent to it");
      made.push_back(nullptr);
    } else if (clusters) {
      made.push_back(
          std::make_shared<const ActivationQuantizer>(Clustered(observers[i].Range(), slot, work)));
    } else {
      made.push_back(std::make_shared<const ActivationQuantizer>(observers[i].Finish()));
    }
  }
  return made;
}

ActivationQuantizer Activations::Clustered(const GroupRange& range, const LinearSlot& slot,
                                           UnitWork* work) const {
  const GroupRange channels{range.low.flatten(), range.high.flatten()};
  const bool mixed = slot.role == LinearRole::kAttentionOutput;
  const std::int64_t heads = mixed ? work->unit().blocks().front()->plan().attention.heads : 1;
  const at::Tensor labels =
      ClusterChannels(channels, mixed ? options_.head_clusters : options_.clusters, heads,
                      work->Seed("activations/" + slot.name));
  return ClusterQuantizer(channels, labels, options_.quantizer.Spec(options_.per));
}

/// Trains the quantizers that `groups` have got.
void Activations::Learn(UnitWork* work, const std::vector<Layers>& groups) const {
  std::vector<LearnedQuantizers::Input> inputs;
  std::vector<LinearSlot*> slots;
  for (const Layers& group : groups) {
    if (group.front()->quantizer == nullptr) continue;
    inputs.push_back({group, group.front()->quantizer});
    slots.insert(slots.end(), group.begin(), group.end());
  }
  if (inputs.empty()) return;
  LearnedQuantizers learned(std::move(inputs), *options_.learn);
  TuneStage("activations", slots, options_.learn->tune, &learned, work);
  for (std::size_t i = 0; i < learned.inputs().size(); ++i) {
    const at::Tensor factor = learned.Factor(i);
    work->sink()->Array("layers/" + learned.inputs()[i].slots.front()->name + "/step_factor", {2},
                        {factor.min().item<double>(), factor.max().item<double>()});
  }
}

void Activations::Apply(UnitWork* work) const {
  const QuantizerOptions& how = options_.quantizer;
  std::vector<Layers> groups;  // by input
  for (Layers& group : work->SlotsByInput()) {
    if (how.Matches(group.front()->name)) groups.push_back(std::move(group));
  }
  std::vector<Quantizer> made(groups.size(), how.Dynamic(options_.per));
  if (how.Static()) made = Measured(work, groups);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (LinearSlot* slot : groups[i]) slot->quantizer = made[i];
  }
  if (options_.learn) Learn(work, groups);
  work->NewQuantizers();
  if (!options_.learn) work->Step();
}

}  // namespace roundlab
