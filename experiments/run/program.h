#pragma once

#include <string>

namespace roundlab {

/// What tells this program from others whose numbers may differ: "COMMIT, COMPILER, libtorch
/// VERSION". Where the commit does not tell all of the source ("-dirty", "unknown"), the beginning
/// of the executable's SHA-256 stands there too.
const std::string& ProgramVersion();

}  // namespace roundlab
