#include "core/model/families/biogpt.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/xglm.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

EndsPlan BioGptEnds(const ModelDescription& d, bool scaled) {
  EndsPlan ends;
  ends.embedding = "biogpt.embed_tokens";
  if (scaled) ends.embedding_scale = std::sqrt(static_cast<double>(d.hidden));
  ends.positions = "biogpt.embed_positions";
  ends.position_offset = 2;
  ends.position_rows = d.max_positions + ends.position_offset;
  ends.final_norm = LayerNormPlan(d, "biogpt.layer_norm");
  ends.head = "output_projection";
  return ends;
}

}  // namespace

ModelDescription DescribeBioGpt(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "";  // layer_norm_eps is not read
  defaults.eps = 1e-5;
  defaults.act = "gelu";
  defaults.max_positions = 1024;
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  const bool scaled = config.BoolOr("scale_embedding", true);
  d.block_plan = With(XglmBlock, std::string("biogpt"));
  d.ends_plan = [scaled](const ModelDescription& m) { return BioGptEnds(m, scaled); };
  return d;
}

}  // namespace roundlab
