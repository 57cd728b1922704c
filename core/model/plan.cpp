#include "core/model/plan.h"

#include <algorithm>

namespace roundlab {

const char* RoleName(LinearRole role) {
  switch (role) {
    case LinearRole::kQuery:
      return "query";
    case LinearRole::kKey:
      return "key";
    case LinearRole::kValue:
      return "value";
    case LinearRole::kQueryKeyValue:
      return "query_key_value";
    case LinearRole::kQueryDown:
      return "query_down";
    case LinearRole::kQueryUp:
      return "query_up";
    case LinearRole::kKeyValueDown:
      return "key_value_down";
    case LinearRole::kKeyValueUp:
      return "key_value_up";
    case LinearRole::kAttentionGate:
      return "attention_gate";
    case LinearRole::kAttentionOutput:
      return "attention_output";
    case LinearRole::kMixerInput:
      return "mixer_input";
    case LinearRole::kMixerQuery:
      return "mixer_query";
    case LinearRole::kMixerKey:
      return "mixer_key";
    case LinearRole::kMixerValue:
      return "mixer_value";
    case LinearRole::kMixerGate:
      return "mixer_gate";
    case LinearRole::kMixerGateDown:
      return "mixer_gate_down";
    case LinearRole::kMixerGateUp:
      return "mixer_gate_up";
    case LinearRole::kMixerDecayDown:
      return "mixer_decay_down";
    case LinearRole::kMixerDecayUp:
      return "mixer_decay_up";
    case LinearRole::kMixerUpdate:
      return "mixer_update";
    case LinearRole::kMixerDecay:
      return "mixer_decay";
    case LinearRole::kMixerRates:
      return "mixer_rates";
    case LinearRole::kMixerOutput:
      return "mixer_output";
    case LinearRole::kGate:
      return "gate";
    case LinearRole::kUp:
      return "up";
    case LinearRole::kGateUp:
      return "gate_up";
    case LinearRole::kDown:
      return "down";
  }
  return "?";
}

bool ReadsAttention(LinearRole role) {
  switch (role) {
    case LinearRole::kQuery:
    case LinearRole::kKey:
    case LinearRole::kValue:
    case LinearRole::kQueryKeyValue:
    case LinearRole::kQueryDown:
    case LinearRole::kKeyValueDown:
    case LinearRole::kAttentionGate:
    case LinearRole::kMixerInput:
    case LinearRole::kMixerQuery:
    case LinearRole::kMixerKey:
    case LinearRole::kMixerValue:
    case LinearRole::kMixerGate:
    case LinearRole::kMixerGateDown:
    case LinearRole::kMixerDecayDown:
    case LinearRole::kMixerUpdate:
    case LinearRole::kMixerDecay:
    case LinearRole::kMixerRates:
      return true;
    default:
      return false;
  }
}

bool ReadsMlp(LinearRole role) {
  return role == LinearRole::kGate || role == LinearRole::kUp || role == LinearRole::kGateUp;
}

bool WritesResidual(LinearRole role) {
  return role == LinearRole::kAttentionOutput || role == LinearRole::kMixerOutput ||
         role == LinearRole::kDown;
}

bool ReadsResidual(LinearRole role) { return ReadsAttention(role) || ReadsMlp(role); }

bool InsideAttention(NormPlace place) {
  return place == NormPlace::kQuery || place == NormPlace::kKey || place == NormPlace::kValue ||
         place == NormPlace::kQueryLatent || place == NormPlace::kKeyValueLatent ||
         place == NormPlace::kMixed;
}

FusedHeads HeadsOf(const AttentionPlan& attention) {
  const bool quarters = attention.layout == FusedLayout::kQuarters;
  const std::int64_t split = attention.layout == FusedLayout::kPerGroup ? attention.kv_heads : 1;
  const std::int64_t groups = quarters ? 4 : split;
  const std::int64_t queries = attention.heads / groups;
  const std::int64_t keys = attention.kv_heads / groups;
  return {groups, queries, keys, queries + (quarters ? keys : 0), queries + (quarters ? 0 : keys)};
}

std::string LayerPrefix(std::int64_t block) {
  return "model.layers." + std::to_string(block) + ".";
}

std::string EndsPlan::BasePrefix() const { return embedding.substr(0, embedding.find('.') + 1); }

const NormPlan* BlockPlan::Norm(NormPlace place) const {
  const auto found = std::find_if(norms.begin(), norms.end(),
                                  [&](const NormPlan& norm) { return norm.place == place; });
  return found == norms.end() ? nullptr : &*found;
}

std::vector<std::int64_t> ExpertsPlan::CorrectionShape() const {
  if (correction_row) return {1, count};
  return {count};
}

double BlockPlan::TokenShare(const LinearPlan& linear) const {
  if (linear.expert < 0) return 1;
  return static_cast<double>(mlp.experts->used) / static_cast<double>(mlp.experts->count);
}

bool BlockPlan::MakesValues(LinearRole role) const {
  return role == LinearRole::kValue || role == LinearRole::kQueryKeyValue ||
         role == LinearRole::kKeyValueUp || (role == LinearRole::kKey && KeysAreValues());
}

std::size_t BlockPlan::InputCount() const {
  std::size_t count = 0;
  for (const LinearPlan& linear : linears) count = std::max(count, linear.input + 1);
  return count;
}

bool BlockPlan::Has(LinearRole role) const {
  return std::any_of(linears.begin(), linears.end(),
                     [&](const LinearPlan& linear) { return linear.role == role; });
}

double BlockPlan::LinearWeights() const {
  double weights = 0;
  for (const LinearPlan& linear : linears) weights += linear.Weights();
  return weights;
}

double BlockPlan::LargestLinear() const {
  double most = 0;
  for (const LinearPlan& linear : linears) most = std::max(most, linear.Weights());
  return most;
}

}  // namespace roundlab
