#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace roundlab::testing {

/// A tensor of a golden file whose name says which case it is of.
struct GoldenMatch {
  std::string name;
  std::vector<std::string> groups;  ///< what the pattern's groups match; the whole name first

  const std::string& str(std::size_t group) const { return groups.at(group); }
};

/// The tensors whose whole names match `pattern`, in the file's order. At least one must.
inline std::vector<GoldenMatch> MatchesOf(const SafetensorsFile& file, const std::string& pattern) {
  std::vector<GoldenMatch> found;
  const std::regex compiled(pattern);
  std::smatch match;
  for (const TensorView& view : file.tensors()) {
    const std::string name(view.name);
    if (!std::regex_match(name, match, compiled)) continue;
    found.push_back({name, {match.begin(), match.end()}});
  }
  EXPECT_FALSE(found.empty()) << "no case of " << pattern;
  return found;
}

/// The first group of `pattern` over all matches; each once.
inline std::vector<std::string> CasesOf(const SafetensorsFile& file, const std::string& pattern) {
  std::set<std::string> cases;
  for (const GoldenMatch& match : MatchesOf(file, pattern)) cases.insert(match.str(1));
  return {cases.begin(), cases.end()};
}

}  // namespace roundlab::testing
