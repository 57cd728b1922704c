#include "core/model/plan_builder.h"

#include <cmath>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

NormPlan LayerNormPlan(const ModelDescription& description, const std::string& name, bool bias) {
  NormPlan norm;
  norm.name = name;
  norm.kind = NormKind::kLayer;
  norm.width = description.hidden;
  norm.eps = description.norm_eps;
  norm.bias = bias;
  return norm;
}

PlanBuilder::PlanBuilder(const ModelDescription& description, std::int64_t block,
                         std::string prefix)
    : d_(description), prefix_(std::move(prefix)) {
  AttentionPlan& a = plan.attention;
  a.heads = d_.heads;
  a.kv_heads = d_.kv_heads;
  a.head_dim = d_.head_dim;
  a.value_dim = d_.head_dim;
  a.scale = 1.0 / std::sqrt(static_cast<double>(d_.head_dim));
  a.window = d_.windows.empty() ? 0 : d_.windows.at(static_cast<std::size_t>(block));
  a.rotary_dim = d_.rotary_dim == 0 ? d_.head_dim : d_.rotary_dim;
  plan.mlp.activation = d_.activation;
  norm_.eps = d_.norm_eps;
}

PlanBuilder::PlanBuilder(const ModelDescription& description, std::int64_t block)
    : PlanBuilder(description, block, LayerPrefix(block)) {}

PlanBuilder& PlanBuilder::Norms(NormKind kind, double offset, bool bias) {
  norm_.kind = kind;
  norm_.offset = offset;
  norm_.bias = bias;
  return *this;
}

PlanBuilder& PlanBuilder::NormsWithoutWeight() {
  norm_.stored = false;
  return *this;
}

PlanBuilder& PlanBuilder::Norm(NormPlace place, const std::string& name) {
  return Norm(place, name, d_.hidden);
}

PlanBuilder& PlanBuilder::Norm(NormPlace place, const std::string& name, std::int64_t width,
                               std::int64_t split) {
  NormPlan norm = norm_;
  norm.name = prefix_ + name;
  norm.place = place;
  norm.width = width;
  norm.split = split;
  plan.norms.push_back(norm);
  return *this;
}

void PlanBuilder::Linear(const std::string& name, std::int64_t out, std::int64_t in,
                         LinearRole role, std::size_t input, bool bias, std::int64_t expert) {
  plan.linears.push_back({prefix_ + name, out, in, bias, role, input, false, expert, {}});
}

PlanBuilder& PlanBuilder::Attention(const std::vector<std::string>& names, bool qkv_bias,
                                    bool output_bias) {
  const std::int64_t q = plan.attention.heads * plan.attention.head_dim;
  const std::int64_t kv = plan.attention.kv_heads * plan.attention.head_dim;
  const std::size_t input = inputs_++;
  const bool apart = names.size() == 5;
  const std::int64_t rows = plan.attention.gated && !apart ? 2 * q : q;
  Linear(names.at(0), rows, d_.hidden, LinearRole::kQuery, input, qkv_bias);
  Linear(names.at(1), kv, d_.hidden, LinearRole::kKey, input, qkv_bias);
  if (!names.at(2).empty()) {
    Linear(names[2], kv, d_.hidden, LinearRole::kValue, input, qkv_bias);
  }
  const std::int64_t gates = plan.attention.gate_per_head ? plan.attention.heads : q;
  if (apart) Linear(names[4], gates, d_.hidden, LinearRole::kAttentionGate, input, false);
  plan.attention.gated = plan.attention.gated || apart;
  plan.attention.gate_apart = apart;
  Linear(names.at(3), d_.hidden, q, LinearRole::kAttentionOutput, inputs_++, output_bias);
  return *this;
}

PlanBuilder& PlanBuilder::LlamaAttention() {
  Norm(NormPlace::kBeforeAttention, "input_layernorm");
  Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
            d_.qkv_bias, d_.output_bias);
  if (!d_.qk_norm) return *this;
  return HeadNorms();
}

PlanBuilder& PlanBuilder::HeadNorms() {
  Norm(NormPlace::kQuery, "self_attn.q_norm", plan.attention.head_dim);
  return Norm(NormPlace::kKey, "self_attn.k_norm", plan.attention.head_dim);
}

PlanBuilder& PlanBuilder::LatentAttention(std::int64_t queries, bool bias) {
  const AttentionPlan& a = plan.attention;
  const std::size_t read = inputs_++;
  const std::int64_t q = a.heads * a.head_dim;
  const auto latent_norm = [this](NormPlace place, const std::string& name, std::int64_t width) {
    Norm(place, name, width);
    plan.norms.back().eps = 1e-6;  // whatever the model's
  };
  if (queries == 0) {
    Linear("self_attn.q_proj", q, d_.hidden, LinearRole::kQuery, read, false);
  } else {
    Linear("self_attn.q_a_proj", queries, d_.hidden, LinearRole::kQueryDown, read, bias);
    latent_norm(NormPlace::kQueryLatent, "self_attn.q_a_layernorm", queries);
    Linear("self_attn.q_b_proj", q, queries, LinearRole::kQueryUp, inputs_++, false);
  }
  Linear("self_attn.kv_a_proj_with_mqa", a.latent + a.rotary_dim, d_.hidden,
         LinearRole::kKeyValueDown, read, bias);
  latent_norm(NormPlace::kKeyValueLatent, "self_attn.kv_a_layernorm", a.latent);
  Linear("self_attn.kv_b_proj", a.heads * (a.head_dim - a.rotary_dim + a.value_dim), a.latent,
         LinearRole::kKeyValueUp, inputs_++, false);
  Linear("self_attn.o_proj", d_.hidden, a.heads * a.value_dim, LinearRole::kAttentionOutput,
         inputs_++, bias);
  return *this;
}

PlanBuilder& PlanBuilder::FusedAttention(const std::string& qkv, const std::string& output,
                                         FusedLayout layout, bool qkv_bias, bool output_bias) {
  plan.attention.layout = layout;
  const std::int64_t q = d_.heads * d_.head_dim;
  const std::int64_t rows = q + 2 * d_.kv_heads * d_.head_dim;
  Linear(qkv, rows, d_.hidden, LinearRole::kQueryKeyValue, inputs_++, qkv_bias);
  Linear(output, d_.hidden, q, LinearRole::kAttentionOutput, inputs_++, output_bias);
  return *this;
}

PlanBuilder& PlanBuilder::ShortConvolution(const std::string& name, std::int64_t taps, bool bias) {
  plan.attention.rotary = RotaryStyle::kNone;
  plan.mixer = MixerPlan{{prefix_ + name + ".conv", d_.hidden, taps, bias}};
  Linear(name + ".in_proj", 3 * d_.hidden, d_.hidden, LinearRole::kMixerInput, inputs_++, bias);
  Linear(name + ".out_proj", d_.hidden, d_.hidden, LinearRole::kMixerOutput, inputs_++, bias);
  return *this;
}

PlanBuilder& PlanBuilder::DeltaRule(const std::string& name, DeltaRulePlan rule,
                                    std::int64_t taps) {
  plan.attention.rotary = RotaryStyle::kNone;
  const std::int64_t values = rule.value_heads * rule.value_dim;
  const std::int64_t keys = rule.key_heads * rule.key_dim;
  const std::int64_t channels = 2 * keys + values;
  const std::size_t read = inputs_++;
  const auto reader = [&](const char* part, std::int64_t out, LinearRole role) {
    Linear(name + part, out, d_.hidden, role, read, false);
  };
  if (rule.per_key_head) {
    reader(".in_proj_qkvz", channels + values, LinearRole::kMixerInput);
    reader(".in_proj_ba", 2 * rule.value_heads, LinearRole::kMixerRates);
  } else if (rule.apart) {
    reader(".q_proj", keys, LinearRole::kMixerQuery);
    reader(".k_proj", keys, LinearRole::kMixerKey);
    reader(".v_proj", values, LinearRole::kMixerValue);
  } else {
    reader(".in_proj_qkv", channels, LinearRole::kMixerInput);
  }
  if (rule.latent > 0) {
    const auto up = [&](const char* part, std::int64_t out, LinearRole role) {
      Linear(name + part, out, rule.latent, role, inputs_++, false);
    };
    reader(".f_a_proj", rule.latent, LinearRole::kMixerDecayDown);
    up(".f_b_proj", rule.Decays(), LinearRole::kMixerDecayUp);
    reader(".b_proj", rule.value_heads, LinearRole::kMixerUpdate);
    reader(".g_a_proj", rule.latent, LinearRole::kMixerGateDown);
    up(".g_b_proj", values, LinearRole::kMixerGateUp);
  } else if (!rule.per_key_head) {
    reader(rule.apart ? ".g_proj" : ".in_proj_z", values, LinearRole::kMixerGate);
    reader(rule.apart ? ".b_proj" : ".in_proj_b", rule.value_heads, LinearRole::kMixerUpdate);
    reader(rule.apart ? ".a_proj" : ".in_proj_a", rule.value_heads, LinearRole::kMixerDecay);
  }
  Linear(name + (rule.apart ? ".o_proj" : ".out_proj"), d_.hidden, values, LinearRole::kMixerOutput,
         inputs_++, false);
  Norm(NormPlace::kMixed, name + (rule.apart ? ".o_norm" : ".norm"), rule.value_dim);
  plan.norms.back().offset = 0;  // whatever the model's others have
  rule.decay = prefix_ + name + ".A_log";
  rule.decay_bias = prefix_ + name + ".dt_bias";
  ConvolutionPlan convolution{prefix_ + name + ".conv1d", channels, taps, false};
  if (rule.apart) {
    convolution.parts = {{prefix_ + name + ".q_conv1d", keys},
                         {prefix_ + name + ".k_conv1d", keys},
                         {prefix_ + name + ".v_conv1d", values}};
  }
  plan.mixer = MixerPlan{std::move(convolution), std::move(rule)};
  return *this;
}

PlanBuilder& PlanBuilder::StateSpace(const std::string& name, const StateSpaceTraits& traits) {
  StateSpacePlan space = traits.space;
  const bool beside = !plan.linears.empty();
  if (!beside) plan.attention.rotary = RotaryStyle::kNone;
  const std::int64_t inner = space.heads * space.head_dim;
  const std::int64_t channels = inner + 2 * space.groups * space.state;
  const std::size_t read = beside ? 0 : inputs_++;
  Linear(name + ".in_proj", inner + channels + space.heads, d_.hidden, LinearRole::kMixerInput,
         read, traits.input_bias);
  Linear(name + ".out_proj", d_.hidden, inner, LinearRole::kMixerOutput, inputs_++,
         traits.output_bias);
  if (traits.norm) {
    Norm(NormPlace::kMixed, name + ".norm", inner);
    plan.norms.back().groups = space.groups;
  }
  space.decay = prefix_ + name + ".A_log";
  space.decay_bias = prefix_ + name + ".dt_bias";
  space.passed = prefix_ + name + ".D";
  plan.mixer =
      MixerPlan{{prefix_ + name + ".conv1d", channels, traits.taps, traits.convolution_bias},
                {},
                std::move(space)};
  return *this;
}

/// Where branches are parallel and have one norm, the MLP reads what attention reads.
std::size_t PlanBuilder::MlpInput() {
  const bool shared = plan.parallel && plan.Norm(NormPlace::kBeforeMlp) == nullptr;
  return shared ? 0 : inputs_++;
}

PlanBuilder& PlanBuilder::Mlp(const std::vector<std::string>& names, std::int64_t inner, bool bias,
                              std::int64_t expert) {
  const std::size_t input = expert < 0 ? MlpInput() : inputs_++;  // the tokens sent to an expert
  if (!plan.mlp.gated) {
    Linear(names.at(0), inner, d_.hidden, LinearRole::kUp, input, bias, expert);
  } else if (names.size() == 2) {
    Linear(names[0], 2 * inner, d_.hidden, LinearRole::kGateUp, input, bias, expert);
  } else {
    Linear(names.at(0), inner, d_.hidden, LinearRole::kGate, input, bias, expert);
    Linear(names.at(1), inner, d_.hidden, LinearRole::kUp, input, bias, expert);
  }
  Linear(names.back(), d_.hidden, inner, LinearRole::kDown, inputs_++, bias, expert);
  return *this;
}

PlanBuilder& PlanBuilder::GatedMlp(const std::vector<std::string>& names, bool bias) {
  return Mlp(names, d_.intermediate, bias);
}

PlanBuilder& PlanBuilder::SharedExpert(const std::vector<std::string>& names, std::int64_t inner,
                                       bool bias) {
  return Mlp(names, inner, bias);
}

PlanBuilder& PlanBuilder::PlainMlp(const std::string& up, const std::string& down, bool bias) {
  return Plain().Mlp({up, down}, d_.intermediate, bias);
}

PlanBuilder& PlanBuilder::Plain() {
  plan.mlp.gated = false;
  return *this;
}

PlanBuilder& PlanBuilder::Experts(const ExpertsPlan& experts, const std::vector<std::string>& names,
                                  std::int64_t inner) {
  plan.mlp.experts = experts;
  ExpertsPlan& own_plan = *plan.mlp.experts;
  own_plan.router = prefix_ + experts.router;
  for (std::string* name : {&own_plan.correction, &own_plan.shared_gate, &own_plan.router_scale,
                            &own_plan.expert_factors}) {
    if (!name->empty()) *name = prefix_ + *name;
  }
  for (std::int64_t expert = 0; expert < experts.count; ++expert) {
    std::vector<std::string> own = names;
    for (std::string& name : own) name.replace(name.find('#'), 1, std::to_string(expert));
    Mlp(own, inner, false, expert);
  }
  return *this;
}

PlanBuilder& PlanBuilder::Stacked(const std::string& suffix) {
  for (LinearPlan& linear : plan.linears) {
    if (linear.expert < 0) continue;
    linear.stack = linear.name.substr(0, linear.name.rfind('.')) + suffix;
  }
  return *this;
}

PlanBuilder& PlanBuilder::ExpertBiases() {
  for (LinearPlan& linear : plan.linears) linear.bias = linear.bias || linear.expert >= 0;
  return *this;
}

PlanBuilder& PlanBuilder::Sinks(const std::string& name) {
  plan.attention.sinks = prefix_ + name;
  return *this;
}

PlanBuilder& PlanBuilder::OutputFactor(const std::string& name) {
  plan.output_factor = prefix_ + name;
  return *this;
}

PlanBuilder& PlanBuilder::XieluNumbers(const std::string& name) {
  plan.mlp.activation = Activation::kXielu;
  plan.mlp.activation_numbers = prefix_ + name;
  return *this;
}

BlockPlan PlanBuilder::Done() {
  for (NormPlan& norm : plan.norms) {
    if (plan.residual_of_norm) continue;  // the residual reads it too
    const bool attention = norm.place == NormPlace::kBeforeAttention;
    const bool mlp = norm.place == NormPlace::kBeforeMlp ||
                     (attention && plan.parallel && plan.Norm(NormPlace::kBeforeMlp) == nullptr);
    const bool experts = norm.place == NormPlace::kBeforeExperts;
    for (const LinearPlan& linear : plan.linears) {
      const bool own = plan.ExpertsAside() && linear.expert >= 0 ? experts : mlp;
      if (!(attention && ReadsAttention(linear.role)) && !(own && ReadsMlp(linear.role))) continue;
      if (norm.feeds.empty() || norm.feeds.back() != linear.input) {
        norm.feeds.push_back(linear.input);
      }
    }
  }
  return std::move(plan);
}

}  // namespace roundlab
