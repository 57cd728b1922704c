#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/model/families.h"
#include "tests/support/shared_data.h"

namespace roundlab::testing {

/// Folders of small random models with a golden.safetensors, whatever they are called: those of
/// this repository, and where the material is there those of golden/archs. Sorted.
inline std::vector<std::string> FamilyFolders() {
  namespace fs = std::filesystem;
  std::vector<std::string> folders;
  for (const std::string& root :
       {SourceFolder() + "/tests/golden/families", SharedFolder() + "/golden/archs"}) {
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "golden.safetensors")) folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// Whether the folder's model is of a family that is known here.
inline bool FamilyIsSupported(const std::string& folder) {
  const auto config = nlohmann::json::parse(ReadFile(folder + "/config.json"));
  const auto known = SupportedFamilies();
  return std::count(known.begin(), known.end(), config.value("model_type", "")) > 0;
}

/// "archs_llama", for the name of a test.
inline std::string FamilyName(const std::string& folder) {
  const std::filesystem::path path = folder;
  std::string name = path.parent_path().filename().string() + "_" + path.filename().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

}  // namespace roundlab::testing
