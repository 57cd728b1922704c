#include "rounding/stages/kv_cache.h"

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/config/enum_field.h"
#include "rounding/layer_pattern.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const EnumNames<RangePer> kCachePer = {{RangePer::kTensor, "tensor"},
                                       {RangePer::kToken, "token"},
                                       {RangePer::kGroup, "group"},
                                       {RangePer::kHead, "head"},
                                       {RangePer::kChannel, "channel"}};

bool MakesKeys(LinearRole role) {
  return role == LinearRole::kKey || role == LinearRole::kQueryKeyValue;
}

/// What becomes of one block's keys and values.
struct CacheWork {
  bool keys = false;
  bool values = false;
  RangeObserver of_keys;
  RangeObserver of_values;
};

std::shared_ptr<const ActivationQuantizer> Made(const RangeObserver& observer) {
  return std::make_shared<const ActivationQuantizer>(observer.Finish());
}

}  // namespace

KvCache::Options::Options() { quantizer.grid = CodeKind::kAsym; }

void KvCache::Options::Fields(FieldVisitor& f) {
  quantizer.Fields(f, false, keys == RangePer::kGroup || values == RangePer::kGroup);
  EnumField keys_field(&keys, kCachePer);
  f.Value(
      "keys", keys_field,
      "values of keys that share a scale: a token's in a head, a group of a token's channels, or "
      "over all tokens of a text those of a channel, a head, or all");
  EnumField values_field(&values, kCachePer);
  f.Value("values", values_field, "the same of values");
  f.Bool("before_rotary", &before_rotary, "keys are quantized before they are turned");
  f.Rule([this]() -> std::string {
    const std::string problem = quantizer.RangeProblem(keys);
    return problem.empty() ? quantizer.RangeProblem(values) : problem;
  });
}

StageNeeds KvCache::Needs(const QuantOptions& /*quant*/) const {
  return options_.quantizer.Needs();
}

void KvCache::Check(const ModelDescription& model, const QuantOptions& /*quant*/) const {
  const QuantizerOptions& how = options_.quantizer;
  std::vector<std::string> layers;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const BlockPlan plan = model.Plan(i);
    if (!plan.HasAttention()) continue;  // no keys and values to keep
    if (plan.attention.latent > 0) {
      throw Error("family '" + model.family +
                  "' keeps a latent in its cache, not keys and values: it can't be quantized here");
    }
    const std::int64_t channels = plan.attention.kv_heads * plan.attention.head_dim;
    const bool grouped = options_.keys == RangePer::kGroup || options_.values == RangePer::kGroup;
    if (grouped && channels % how.group_size != 0) {
      throw Error("group_size " + std::to_string(how.group_size) + " does not divide the " +
                  std::to_string(channels) + " channels of keys and values in block " +
                  std::to_string(i));
    }
    for (const LinearPlan& linear : plan.linears) {
      if (MakesKeys(linear.role) || plan.MakesValues(linear.role)) layers.push_back(linear.name);
    }
  }
  if (!how.match.empty()) RequireMatch("match", how.match, layers);
}

void KvCache::Apply(UnitWork* work) const {
  const QuantizerOptions& how = options_.quantizer;
  const auto& blocks = work->unit().blocks();
  std::vector<CacheWork> all;
  for (const auto& block : blocks) {
    CacheWork own{false, false, RangeObserver(how.observer, how.Spec(options_.keys)),
                  RangeObserver(how.observer, how.Spec(options_.values))};
    for (const LinearSlot* slot : block->Linears()) {
      if (!how.Matches(slot->name)) continue;
      own.keys = own.keys || MakesKeys(slot->role);
      own.values = own.values || block->plan().MakesValues(slot->role);
    }
    all.push_back(own);
    if (own.keys) block->cache.before_rotary = options_.before_rotary;
  }
  if (how.Static()) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      blocks[i]->cache.on_cache = [&, i](const at::Tensor& keys, const at::Tensor& values) {
        if (all[i].keys) Observe(keys, &all[i].of_keys);
        if (all[i].values) Observe(values, &all[i].of_values);
      };
    }
    ForRows(work->Inputs(Chain::kQuantized),
            [&](const at::Tensor& rows, std::int64_t /*first*/) { work->unit().Forward(rows); });
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    CacheSlot& cache = blocks[i]->cache;
    cache.on_cache = {};
    if (all[i].keys) cache.keys = how.Static() ? Made(all[i].of_keys) : how.Dynamic(options_.keys);
    if (all[i].values) {
      cache.values = how.Static() ? Made(all[i].of_values) : how.Dynamic(options_.values);
    }
  }
  work->NewQuantizers();
  work->Step();
}

}  // namespace roundlab
