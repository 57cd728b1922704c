#include "experiments/cli/flags.h"

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// "a", "a and b", "a, b and c".
std::string Enumerated(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += (i == 0 ? "" : (i + 1 == words.size() ? " and " : ", ")) + words[i];
  }
  return text;
}

}  // namespace

void CheckFlags(const std::string& command,
                const std::map<std::string, std::vector<std::string>>& takes,
                const std::vector<std::string>& given) {
  const auto has = [](const std::vector<std::string>& flags, const std::string& flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  for (const std::string& flag : given) {
    if (has(takes.at(command), flag)) continue;
    std::vector<std::string> others;
    for (const auto& [other, flags] : takes) {
      if (has(flags, flag)) others.push_back(other);
    }
    const std::string hint = flag == "seed" ? "; a run's seed is --set seed=N" : "";
    throw Error("command line: --" + flag + " belongs to " + Enumerated(others) + hint);
  }
}

}  // namespace roundlab
