#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

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

/// Files SHARED/golden/methods/<kind>*.safetensors, sorted; a kind may have several.
inline std::vector<std::string> GoldenFiles(const std::string& kind) {
  std::vector<std::string> files;
  std::error_code none;
  for (const auto& entry :
       std::filesystem::directory_iterator(SharedFolder() + "/golden/methods", none)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kind, 0) == 0 && entry.path().extension() == ".safetensors") {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace roundlab::testing

/// Sets `files` to the golden files of a kind, or skips the test and says what is missing.
#define ROUNDLAB_GOLDENS_OR_SKIP(files, kind)                                    \
  const std::vector<std::string> files = ::roundlab::testing::GoldenFiles(kind); \
  if (files.empty()) {                                                           \
    GTEST_SKIP() << "needs golden/methods/" << (kind)                            \
                 << "*.safetensors under ROUNDLAB_SHARED or beside the source";  \
  }

/// Sets `path` to SHARED/relative, or skips the test and says what is missing.
#define ROUNDLAB_SHARED_OR_SKIP(path, relative)                                              \
  const std::string path = ::roundlab::testing::SharedFolder() + "/" + (relative);           \
  if (!std::filesystem::exists(path)) {                                                      \
    GTEST_SKIP() << "needs " << (relative) << " under ROUNDLAB_SHARED or beside the source"; \
  }
