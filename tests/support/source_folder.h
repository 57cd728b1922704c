#pragma once

#include <string>

namespace roundlab::testing {

/// The folder of the repository that the tests were built from.
std::string SourceFolder();

}  // namespace roundlab::testing
