#pragma once

#include <map>
#include <string>
#include <vector>

namespace roundlab {

/// Throws Error where one of the flags `given` (names without "--") is none that the command takes,
/// with the commands that do. `takes`: the flags of each command.
void CheckFlags(const std::string& command,
                const std::map<std::string, std::vector<std::string>>& takes,
                const std::vector<std::string>& given);

}  // namespace roundlab
