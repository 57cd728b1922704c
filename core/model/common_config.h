#pragma once

#include <cstdint>
#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Keys of config.json that many families share.

/// What a family's rope is like where config.json is silent.
struct RopeDefaults {
  double theta = 10000;
  double partial = 1;             ///< of the head that turns
  bool may_be_partial = false;    ///< else any other partial_rotary_factor is refused
  bool alpha = false;             ///< dynamic with alpha a: theta a^(d / (d - 2)) at any length
  bool long_names = false;        ///< types "su" and "yarn" are LongRoPE, as in early Phi-3 files
  bool sections = false;          ///< type "mrope", whose positions are one in a text, is "default"
  double original_positions = 0;  ///< of the model, where config.json has none; 0: none either
  bool keys_of_its_own = false;   ///< beside which rope_theta and partial_rotary_factor say nothing
  const char* positions = "max_position_embeddings";
};

/// What a family's config class has where config.json is silent, and what its keys are called.
struct ConfigDefaults {
  const char* hidden = "hidden_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* positions = "max_position_embeddings";
  const char* norm_eps = "rms_norm_eps";
  const char* activation = "hidden_act";
  std::int64_t head_count = 0;     ///< 0: must be given
  std::int64_t kv_heads = 0;       ///< 0: as many as heads
  std::int64_t vocab = 0;          ///< 0: must be given
  std::int64_t max_positions = 0;  ///< 0: must be given
  std::int64_t head_dim = 0;       ///< 0: hidden / heads
  double eps = 1e-6;
  const char* act = "silu";
  bool tied = false;
  RopeDefaults rope = {};
};

/// Sizes, norm_eps, activation, tie_word_embeddings, ids of bos and eos. Windows are 0; neither
/// intermediate nor rope is read. Throws Error for values that contradict one another.
ModelDescription ReadSizes(const ConfigReader& config, const ConfigDefaults& defaults = {});

/// Keys of GPT-2 and its kin: n_embd, n_layer, ..., or the names that others have, where those are
/// there.
ConfigDefaults GptKeys(const ConfigReader& config);

/// The same with intermediate_size and rope: what the families of the llama type read.
ModelDescription ReadCommon(const ConfigReader& config, const ConfigDefaults& defaults = {});

/// rope_parameters, or rope_theta with rope_scaling; sets rope and rotary_dim.
void ReadRope(const ConfigReader& config, ModelDescription* d, const RopeDefaults& defaults = {});

/// rope_scaling, or rope_parameters; without any key where there is neither.
ConfigReader RopeKeys(const ConfigReader& config);
/// What rope_parameters has for this kind of layers, full_attention or sliding_attention; without
/// any key where it has nothing.
ConfigReader RopeKeysOf(const ConfigReader& config, const char* kind);
/// YaRN's factor of a context that is stretched `factor` times: 0.1 m ln factor + 1.
double YarnScale(double factor, double m);
/// Whether there is a number at `key` that is not 0, which some are where they say nothing.
bool HasFactor(const ConfigReader& inner, const char* key);

/// What rope_parameters, or an entry of it, say; `theta` where they are silent.
RopeDescription ReadRopeParameters(const ConfigReader& config, const ConfigReader& inner,
                                   const RopeDefaults& defaults, std::int64_t rotary_dim);

/// rope_parameters of full_attention, or rope_theta with rope_scaling, for rope; those of
/// sliding_attention for local_rope. `theta`, `local_theta`: where they are silent.
void ReadTwoRopes(const ConfigReader& config, double theta, double local_theta,
                  ModelDescription* d);

/// The num_nextn_predict_layers blocks behind the model's own, which predict tokens after the next
/// one (DeepSeek-V3, section 2.2), become other parts of the checkpoint.
void PassOverNextTokenBlocks(const ConfigReader& config, ModelDescription* d);

/// Throws Error for a key that is there, of a value that is none of those allowed.
void Refuse(const ConfigReader& config, const char* key, const std::string& allowed);
/// Throws Error where a key that would change the result has another value than the one given, or
/// any but null.
void RequireFlag(const ConfigReader& config, const char* key, bool only);
void RequireNull(const ConfigReader& config, const char* key);
void RequireInt(const ConfigReader& config, const char* key, std::int64_t only);
/// Throws Error where a size that was read is odd.
void RequireEven(const ConfigReader& config, const char* key, std::int64_t value);

/// head_dim, or `absent` where it is; where it is null, hidden / heads.
std::int64_t HeadDimDefault(const ConfigReader& config, std::int64_t absent);

/// The value of `key`, `absent` where there is none.
Activation ReadActivation(const ConfigReader& config, const char* key = "hidden_act",
                          const char* absent = "silu");

}  // namespace roundlab
