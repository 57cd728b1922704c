#include "rounding/layer_pattern.h"

#include <regex>

#include "core/base/error.h"

namespace roundlab {

bool MatchesLayer(const std::string& pattern, const std::string& name) {
  return std::regex_match(name, std::regex(pattern));
}

std::string PatternProblem(const std::string& pattern) {
  try {
    const std::regex compiled(pattern);
    return "";
  } catch (const std::regex_error& e) {
    return "'" + pattern + "' is no regular expression: " + e.what();
  }
}

void RequireMatch(const std::string& what, const std::string& pattern,
                  const std::vector<std::string>& layers) {
  for (const std::string& layer : layers) {
    if (MatchesLayer(pattern, layer)) return;
  }
  const std::string known =
      layers.empty() ? "; there is none"
                     : "; the first is '" + layers.front() + "', the last '" + layers.back() + "'";
  throw Error(what + ": '" + pattern + "' matches no layer" + known);
}

}  // namespace roundlab
