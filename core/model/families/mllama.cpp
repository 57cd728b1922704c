#include "core/model/families/mllama.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"

namespace roundlab {
namespace {

constexpr std::int64_t kImageTokens = 8;

std::set<std::int64_t> BlocksOfImages(const ConfigReader& config, std::int64_t layers) {
  const char* key = "cross_attention_layers";
  std::set<std::int64_t> blocks;
  if (!config.Has(key)) {
    for (std::int64_t i = 3; i < std::min<std::int64_t>(layers, 40); i += 5) blocks.insert(i);
    return blocks;
  }
  for (const std::int64_t i : config.Integers(key)) {
    if (i < 0 || i >= layers) Refuse(config, key, "blocks below " + std::to_string(layers));
    blocks.insert(i);
  }
  return blocks;
}

}  // namespace

ModelDescription DescribeMllamaText(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.vocab = 128256;
  defaults.max_positions = 131072;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  const std::set<std::int64_t> images = BlocksOfImages(config, d.layers);
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    if (images.count(i) == 0) places.push_back(i);
  }
  if (places.empty()) config.Fail("cross_attention_layers: no block is left that reads texts");
  for (const std::int64_t i : images) d.naming.other_parts.push_back(LayerPrefix(i));
  d.layers = static_cast<std::int64_t>(places.size());
  d.windows.resize(places.size());
  d.block_plan = [places](const ModelDescription& m, std::int64_t block) {
    return LlamaBlockAt(m, block, LayerPrefix(places.at(static_cast<std::size_t>(block))));
  };
  d.ends_plan = [](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.further_rows = kImageTokens;
    return ends;
  };
  return d;
}

}  // namespace roundlab
