#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/source_folder.h"

namespace roundlab::testing {

/// The folder of real models, data and reference outputs: ROUNDLAB_SHARED, else ../shared beside
/// the source tree. Empty where there is none.
inline std::string SharedFolder() {
  if (const char* given = std::getenv("ROUNDLAB_SHARED")) return given;
  std::error_code none;
  const auto folder = std::filesystem::canonical(SourceFolder() + "/../shared", none);
  return none ? "" : folder.string();
}

}  // namespace roundlab::testing

/// Sets `path` to SHARED/relative, or skips the test and says what is missing.
#define ROUNDLAB_SHARED_OR_SKIP(path, relative)                                              \
  const std::string path = ::roundlab::testing::SharedFolder() + "/" + (relative);           \
  if (!std::filesystem::exists(path)) {                                                      \
    GTEST_SKIP() << "needs " << (relative) << " under ROUNDLAB_SHARED or beside the source"; \
  }
