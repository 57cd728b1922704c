#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "tests/support/golden_parts.h"

namespace roundlab::testing {

/// A tensor of a golden file whose name says which case it is of.
struct GoldenMatch {
  std::string name;
  std::vector<std::string> groups;  ///< what the pattern's groups match; the whole name first

  const std::string& str(std::size_t group) const { return groups.at(group); }
};

/// Pieces that stand in each name that matches a pattern of literals, classes and groups. Of a
/// group that may be left out or that has alternatives: none.
inline std::vector<std::string> PiecesOf(std::string pattern) {
  const auto replace = [&](const char* what, const char* by) {
    const std::string before = pattern;
    pattern = std::regex_replace(pattern, std::regex(what), by);
    return pattern != before;
  };
  replace(R"(\\\.)", "\1");
  replace(R"(\[[^\]]*\]|\\[dw])", " ");
  while (replace(R"(\((?:\?:)?([^()|]*)\)(?![?*]))", " $1 ") ||
         replace(R"(\([^()]*\)[?*]?)", " ")) {
  }
  replace(R"(\S[?*]|[+*?.])", " ");
  replace("\1", ".");
  std::istringstream words(pattern);
  return {std::istream_iterator<std::string>(words), {}};
}

/// The tensors whose whole names match `pattern`, in the file's order. A file whose names lack a
/// piece of the pattern has no such part; in any other at least one must match.
inline std::vector<GoldenMatch> MatchesOf(const SafetensorsFile& file, const std::string& pattern) {
  std::vector<GoldenMatch> found;
  const std::regex compiled(pattern);
  std::smatch match;
  for (const TensorView& view : file.tensors()) {
    const std::string name(view.name);
    if (!std::regex_match(name, match, compiled)) continue;
    found.push_back({name, {match.begin(), match.end()}});
  }
  if (!found.empty()) return found;
  for (const std::string& piece : PiecesOf(pattern)) {
    if (!HasPart(file, piece)) return found;
  }
  ADD_FAILURE() << file.path() << " has no case of " << pattern;
  return found;
}

/// The first group of `pattern` over all matches; each once.
inline std::vector<std::string> CasesOf(const SafetensorsFile& file, const std::string& pattern) {
  std::set<std::string> cases;
  for (const GoldenMatch& match : MatchesOf(file, pattern)) cases.insert(match.str(1));
  return {cases.begin(), cases.end()};
}

}  // namespace roundlab::testing
