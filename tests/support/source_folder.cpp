#include "tests/support/source_folder.h"

namespace roundlab::testing {

std::string SourceFolder() { return ROUNDLAB_SOURCE_FOLDER; }

}  // namespace roundlab::testing
