#pragma once

namespace roundlab {

/// The git commit the program was built from, "-dirty" where files were changed, or "unknown".
const char* Commit();

}  // namespace roundlab
