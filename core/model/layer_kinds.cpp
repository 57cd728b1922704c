#include "core/model/layer_kinds.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace roundlab {

void ReadWindow(const ConfigReader& config, std::int64_t absent, ModelDescription* d) {
  const bool mentioned = config.Mentions("sliding_window");
  const std::int64_t window = mentioned ? config.IntOr("sliding_window", 0) : absent;
  d->windows.assign(static_cast<std::size_t>(d->layers), window);
}

std::int64_t PatternOr(const ConfigReader& config, std::int64_t absent) {
  return config.Has("layer_types") ? absent : config.IntOr("sliding_window_pattern", absent);
}

void ReadPattern(const ConfigReader& config, std::int64_t window, std::int64_t pattern,
                 ModelDescription* d) {
  ReadSliding(
      config, window, [&](std::int64_t i) { return (i + 1) % pattern != 0; }, d);
}

std::vector<bool> ReadSliding(const ConfigReader& config, std::int64_t absent,
                              const std::function<bool(std::int64_t)>& slides,
                              ModelDescription* d) {
  ReadWindow(config, absent, d);
  return ReadWindows(config, d->windows.front(), slides, d);
}

std::vector<bool> LayersOfKind(const ConfigReader& config, std::int64_t layers,
                               const std::string& kind,
                               const std::function<bool(std::int64_t)>& absent) {
  return LayersOfKind(config, layers, {{kind, true}, {"full_attention", false}}, absent);
}

std::vector<bool> LayersOfKind(const ConfigReader& config, std::int64_t layers,
                               const std::map<std::string, bool>& kinds,
                               const std::function<bool(std::int64_t)>& absent) {
  const char* key = "layer_types";
  const bool listed = config.Has(key);
  if (listed && !config.root().at(key).is_array()) config.Fail("layer_types: expected an array");
  if (listed && static_cast<std::int64_t>(config.root().at(key).size()) != layers) {
    config.Fail("layer_types: expected " + std::to_string(layers) + " entries, got " +
                std::to_string(config.root().at(key).size()));
  }
  std::string names;
  for (const auto& kind : kinds) names += (names.empty() ? "" : ", ") + kind.first;
  std::vector<bool> found;
  for (std::int64_t i = 0; i < layers; ++i) {
    if (!listed) {
      found.push_back(absent(i));
      continue;
    }
    const nlohmann::json& type = config.root().at(key).at(static_cast<std::size_t>(i));
    const auto known = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const auto& kind) { return type == kind.first; });
    if (known == kinds.end()) {
      config.Fail("layer_types: unknown value " + type.dump() + " (known: " + names + ")");
    }
    found.push_back(known->second);
  }
  return found;
}

std::vector<bool> ReadWindows(const ConfigReader& config, std::int64_t window,
                              const std::function<bool(std::int64_t)>& slides,
                              ModelDescription* d) {
  std::vector<bool> sliding = LayersOfKind(config, d->layers, "sliding_attention", slides);
  for (std::size_t i = 0; i < sliding.size(); ++i) d->windows[i] = sliding[i] ? window : 0;
  return sliding;
}

}  // namespace roundlab
