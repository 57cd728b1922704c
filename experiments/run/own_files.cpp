#include "experiments/run/own_files.h"

#include <filesystem>

#include "core/base/hash.h"

namespace roundlab {
namespace {

const std::string kOfFiles = "files/";

/// Each file is read once in a process.
const std::string& HashOf(const std::string& path) {
  static std::map<std::string, std::string> known;
  const auto [place, added] = known.try_emplace(path);
  if (added) place->second = Sha256OfFile(path);
  return place->second;
}

}  // namespace

std::map<std::string, std::string> OwnFiles(const RunConfig& run) {
  std::vector<std::string> files;
  if (run.Needs().tokens) files = run.calibration->data.OwnFiles();
  for (const EvaluatorRecipe& recipe : run.eval) {
    for (std::string& file : recipe.make()->OwnFiles()) files.push_back(std::move(file));
  }
  std::map<std::string, std::string> hashes;
  for (const std::string& file : files) {
    const std::string path = std::filesystem::absolute(file).lexically_normal().string();
    hashes[kOfFiles + path] = HashOf(path);
  }
  return hashes;
}

std::vector<std::string> ChangedFiles(const std::map<std::string, std::string>& provenance) {
  std::vector<std::string> changed;
  for (auto found = provenance.lower_bound(kOfFiles);
       found != provenance.end() && found->first.starts_with(kOfFiles); ++found) {
    const std::string path = found->first.substr(kOfFiles.size());
    std::error_code none;
    if (!std::filesystem::is_regular_file(path, none)) continue;
    if (HashOf(path) != found->second) changed.push_back(path);
  }
  return changed;
}

}  // namespace roundlab
