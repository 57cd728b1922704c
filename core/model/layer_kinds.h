#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// What config.json says of each layer: of what kind it is, and its sliding window.

/// sliding_window_pattern, of the families that have it, where layer_types is absent.
std::int64_t PatternOr(const ConfigReader& config, std::int64_t absent);

/// sliding_window (`window` where it is absent) for all layers but every `pattern`th, or as
/// layer_types says.
void ReadPattern(const ConfigReader& config, std::int64_t window, std::int64_t pattern,
                 ModelDescription* d);

/// sliding_window for all layers; `absent` where the key is, none where it is null.
void ReadWindow(const ConfigReader& config, std::int64_t absent, ModelDescription* d);

/// Whether layer_types (`kind` or full_attention) has this kind, or where absent as that function.
std::vector<bool> LayersOfKind(const ConfigReader& config, std::int64_t layers,
                               const std::string& kind,
                               const std::function<bool(std::int64_t)>& absent);

/// The same with a name for each kind there is: whether it is the one asked for.
std::vector<bool> LayersOfKind(const ConfigReader& config, std::int64_t layers,
                               const std::map<std::string, bool>& kinds,
                               const std::function<bool(std::int64_t)>& absent);

/// Sliding windows as `layer_types` says, or where it is absent as `slides` says a layer. -> of
/// each layer, whether it slides.
std::vector<bool> ReadWindows(const ConfigReader& config, std::int64_t window,
                              const std::function<bool(std::int64_t)>& slides, ModelDescription* d);

/// The same with the window of ReadWindow.
std::vector<bool> ReadSliding(const ConfigReader& config, std::int64_t absent,
                              const std::function<bool(std::int64_t)>& slides, ModelDescription* d);

}  // namespace roundlab
