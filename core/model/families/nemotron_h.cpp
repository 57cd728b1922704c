#include "core/model/families/nemotron_h.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

enum class Branch { kStateSpace, kAttention, kMlp, kExperts };

struct NemotronH {
  std::vector<Branch> branches;  // of each block
  StateSpaceTraits space;
  Mixture mixture;
};

BlockPlan NemotronHBlock(const ModelDescription& d, std::int64_t block, const NemotronH& traits) {
  PlanBuilder b(d, block, "backbone.layers." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  const Branch branch = traits.branches.at(static_cast<std::size_t>(block));
  const bool mixes = branch == Branch::kStateSpace || branch == Branch::kAttention;
  b.Norm(mixes ? NormPlace::kBeforeAttention : NormPlace::kBeforeMlp, "norm").Plain();
  if (branch == Branch::kStateSpace) b.StateSpace("mixer", traits.space);
  if (branch == Branch::kAttention) {
    b.Attention({"mixer.q_proj", "mixer.k_proj", "mixer.v_proj", "mixer.o_proj"}, false, false);
  }
  if (branch == Branch::kMlp) b.PlainMlp("mixer.up_proj", "mixer.down_proj", d.mlp_bias);
  if (branch == Branch::kExperts) {
    b.SharedExpert(traits.mixture.shared, traits.mixture.shared_inner, d.mlp_bias);
    b.Experts(traits.mixture.experts, traits.mixture.names, traits.mixture.inner);
  }
  return b.Done();
}

EndsPlan NemotronHEnds(const ModelDescription& d) {
  EndsPlan ends = LlamaEnds(d);
  ends.embedding = "backbone.embeddings";
  ends.final_norm->name = "backbone.norm_f";
  return ends;
}

Branch BranchOf(const ConfigReader& config, const char* key, const std::string& name,
                const std::map<std::string, Branch>& known) {
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  config.Fail(std::string(key) + ": unknown value '" + name + "'" +
              SuggestionSuffix(name, Keys(known)));
}

/// hybrid_override_pattern, or a list of names, of which transformers 4 has others.
std::vector<Branch> ReadBranches(const ConfigReader& config) {
  std::vector<Branch> branches;
  const char* pattern = "hybrid_override_pattern";
  if (config.Has(pattern)) {
    for (const char letter : config.TextOr(pattern, "")) {
      branches.push_back(BranchOf(config, pattern, {letter},
                                  {{"M", Branch::kStateSpace},
                                   {"*", Branch::kAttention},
                                   {"-", Branch::kMlp},
                                   {"E", Branch::kExperts}}));
    }
    return branches;
  }
  const char* key = config.Has("layers_block_type") ? "layers_block_type" : "layer_types";
  if (!config.Has(key)) config.Fail("missing key 'hybrid_override_pattern'");
  for (const nlohmann::json& name : config.root().at(key)) {
    branches.push_back(BranchOf(config, key, name.is_string() ? name : nlohmann::json(name.dump()),
                                {{"linear_attention", Branch::kStateSpace},
                                 {"mamba", Branch::kStateSpace},
                                 {"full_attention", Branch::kAttention},
                                 {"attention", Branch::kAttention},
                                 {"mlp", Branch::kMlp},
                                 {"moe", Branch::kExperts}}));
  }
  return branches;
}

StateSpaceTraits ReadSpace(const ConfigReader& config) {
  if (config.TextOr("mamba_hidden_act", "silu") != "silu") {
    Refuse(config, "mamba_hidden_act", "silu");
  }
  RequireFlag(config, "mamba_proj_bias", false);
  StateSpaceTraits traits;
  traits.taps = config.IntOr("conv_kernel", 4);
  traits.convolution_bias = config.BoolOr("use_conv_bias", true);
  traits.input_bias = traits.output_bias = config.BoolOr("use_bias", false);
  StateSpacePlan& space = traits.space;
  space.heads = config.IntOr("mamba_num_heads", 128);
  space.head_dim = config.IntOr("mamba_head_dim", 64);
  space.groups = config.IntOr("n_groups", 8);
  space.state = config.IntOr("ssm_state_size", 128);
  // As transformers has it, which reads no time_step_limit.
  space.least_step = config.PositiveOr("time_step_min", 0.001);
  if (space.heads % space.groups != 0) {
    config.Fail("n_groups " + std::to_string(space.groups) + " does not divide mamba_num_heads " +
                std::to_string(space.heads));
  }
  return traits;
}

Mixture ReadExperts(const ConfigReader& config, const ModelDescription& d) {
  RequireNull(config, "moe_latent_size");
  Mixture mixture = ReadGroupedMixture(config, d, {CorrectedExperts(8, 2), 7688, 1, 0});
  mixture.experts.router = "mixer.gate";
  mixture.experts.correction = "mixer.gate.e_score_correction_bias";
  mixture.names = {"mixer.experts.#.up_proj", "mixer.experts.#.down_proj"};
  mixture.shared = {"mixer.shared_experts.up_proj", "mixer.shared_experts.down_proj"};
  mixture.shared_inner = config.IntOr("moe_shared_expert_intermediate_size", 7688);
  return mixture;
}

}  // namespace

ModelDescription DescribeNemotronH(const ConfigReader& config) {
  NemotronH traits;
  traits.branches = ReadBranches(config);
  const auto layers = static_cast<std::int64_t>(traits.branches.size());
  if (config.IntOr("num_hidden_layers", layers) != layers || layers == 0) {
    config.Fail("the pattern of blocks has " + std::to_string(layers) + ", num_hidden_layers is " +
                std::to_string(config.IntOr("num_hidden_layers", 0)));
  }
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_epsilon";
  defaults.eps = 1e-5;
  defaults.activation = "mlp_hidden_act";
  defaults.act = "relu2";
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.vocab = 131072;
  defaults.max_positions = 4096;
  ModelDescription d = ReadSizes(config.Over({{"num_hidden_layers", layers}}), defaults);
  d.intermediate = config.IntOr("intermediate_size", 21504);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  RequireFlag(config, "attention_bias", false);
  RequireNull(config, "sliding_window");
  traits.space = ReadSpace(config);
  traits.mixture = ReadExperts(config, d);
  d.block_plan = With(NemotronHBlock, std::move(traits));
  d.ends_plan = NemotronHEnds;
  d.naming.prefixes = {{"model.", "backbone."}};  // as transformers 5 has it inside
  d.naming.other_parts = {"mtp."};
  return d;
}

}  // namespace roundlab
