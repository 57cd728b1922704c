#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Llama 4: blocks with rotary positions see chunks of the text and norm q and k behind them;
/// those without, a fourth of all, see the whole text with tempered queries. A token's experts are
/// scored by sigmoid and fed their weight times what the block's MLP reads, beside an expert that
/// all tokens go through (transformers 5.23, llama4_text).
ModelDescription DescribeLlama4(const ConfigReader& config);

}  // namespace roundlab
