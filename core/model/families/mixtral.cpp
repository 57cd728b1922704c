#include "core/model/families/mixtral.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeMixtral(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.rope.theta = 1e6;
  ModelDescription d = ReadCommon(config, defaults);
  ReadWindow(config, 0, &d);
  const std::string expert = "block_sparse_moe.experts.#.";
  LayMixture(config,
             {{"block_sparse_moe.gate", ExpertCount(config, 8),
               config.IntOr("num_experts_per_tok", 2), true},
              {expert + "w1", expert + "w3", expert + "w2"},
              0,
              {}},
             &d);
  return d;
}

}  // namespace roundlab
