#pragma once

#include <string>
#include <vector>

namespace roundlab {

/// Whether the regular expression `pattern` matches the whole name of a layer.
bool MatchesLayer(const std::string& pattern, const std::string& name);

/// What is wrong with a pattern, or "".
std::string PatternProblem(const std::string& pattern);

/// Throws Error, beginning with `what`, where a pattern matches none of the layers.
void RequireMatch(const std::string& what, const std::string& pattern,
                  const std::vector<std::string>& layers);

}  // namespace roundlab
