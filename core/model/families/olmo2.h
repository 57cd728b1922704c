#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OLMo 2 (arXiv 2501.00656): norms on the branches only, and of all heads of q and k together.
ModelDescription DescribeOlmo2(const ConfigReader& config);
/// OLMo 3: the same; layers slide but every fourth, which alone has stretched rotary positions.
ModelDescription DescribeOlmo3(const ConfigReader& config);

/// A block of both; with ModelDescription::qk_norm, norms of each head of q and k.
BlockPlan Olmo2Block(const ModelDescription& d, std::int64_t block);

}  // namespace roundlab
