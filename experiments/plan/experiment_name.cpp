#include "experiments/plan/experiment_name.h"

#include <algorithm>
#include <filesystem>

#include "core/base/utf8.h"

namespace roundlab {
namespace {

std::string DefaultName(const std::string& file) {
  const std::filesystem::path path = std::filesystem::absolute(file).lexically_normal();
  return path.parent_path().filename().string() + "-" + path.stem().string();
}

/// What is wrong with a name that becomes a folder; empty: nothing.
std::string FolderProblem(const std::string& name) {
  constexpr std::size_t kLongest = 200;  // bytes; file systems take 255
  const bool control = std::any_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (name.empty() || name.front() == '.' || name.size() > kLongest || control ||
      name.find('/') != std::string::npos || FirstBadByte(name)) {
    return "name: '" + name + "' can't be the name of a folder in --out";
  }
  return "";
}

}  // namespace

std::string ExperimentName(const ConfigNode& root, const std::string& file,
                           std::vector<Diagnostic>* diagnostics) {
  const ConfigNode* given = root.Find("name");
  const SourceLoc& where = given != nullptr ? given->where : root.where;
  if (given != nullptr && given->kind != ConfigNode::Kind::kScalar) {
    diagnostics->push_back({where, "name: expected a text, got " + std::string(given->KindName())});
    return "";
  }
  std::string name = given != nullptr ? given->scalar : DefaultName(file);
  if (const std::string problem = FolderProblem(name); !problem.empty()) {
    const char* remedy = given != nullptr ? "" : ": give the file a name of its own (name: ...)";
    diagnostics->push_back({where, problem + remedy});
  }
  return name;
}

}  // namespace roundlab
