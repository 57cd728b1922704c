#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace roundlab::testing {

/// Folders of the runs below `out`, sorted.
inline std::vector<std::string> RunFolders(const std::string& out) {
  std::vector<std::string> folders;
  if (!std::filesystem::exists(out)) return folders;
  for (const auto& experiment : std::filesystem::directory_iterator(out)) {
    for (const auto& run : std::filesystem::directory_iterator(experiment)) {
      if (run.is_directory()) folders.push_back(run.path().string());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

inline nlohmann::json RunJson(const std::string& run_folder) {
  std::ifstream file(run_folder + "/run.json");
  if (!file) throw std::runtime_error("no run.json in " + run_folder);
  return nlohmann::json::parse(file);
}

/// Every dataset of a run.h5 as its bytes, by name.
std::map<std::string, std::string> Datasets(const std::string& file);

}  // namespace roundlab::testing
