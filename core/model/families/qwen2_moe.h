#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/families/mixture.h"

namespace roundlab {

/// Qwen1.5-MoE and Qwen2-MoE: experts beside one that all tokens go through, times a gate.
ModelDescription DescribeQwen2Moe(const ConfigReader& config);

/// What a family of the kind has where config.json is silent.
struct QwenExperts {
  std::int64_t count = 60;
  std::int64_t used = 4;
  std::int64_t inner = 1408;
  std::int64_t shared = 5632;  ///< width of the expert that all tokens go through
};
/// Such experts in all blocks, weights of those used summing to 1.
Mixture ReadQwenExperts(const ConfigReader& config, const QwenExperts& absent);

}  // namespace roundlab
