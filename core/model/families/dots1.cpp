#include "core/model/families/dots1.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeDots1(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.max_positions = 2048;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = true;
  const std::int64_t first = config.AnyIntOr("max_window_layers", 62);
  ReadSliding(
      config, 4096, [&](std::int64_t i) { return i >= first; }, &d);
  ExpertsPlan experts =
      CorrectedExperts(config.Int("n_routed_experts"), config.Int("num_experts_per_tok"));
  experts.normalize = false;
  LayMixture(config, ReadGroupedMixture(config, d, {experts, 1408, 1, 0}), &d);
  return d;
}

}  // namespace roundlab
