#include "experiments/run/made_of.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/json.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;
using Texts = std::vector<std::pair<std::string, std::string>>;

std::string FileOf(const std::string& folder) { return folder + "/made_of.json"; }

Texts TextsOf(const MadeOf& made) {
  return {{"program", made.program},
          {"config", made.config},
          {"model_sha256", made.model_sha256},
          {"model_files_sha256", made.model_files_sha256},
          {"calibration_sha256", made.calibration_sha256},
          {"device", made.device},
          {"threads", std::to_string(made.threads)}};
}

/// Enough of a hash to tell it from others.
std::string Short(const std::string& name, const std::string& value) {
  return name.ends_with("_sha256") ? value.substr(0, 16) : value;
}

std::string Differences(const MadeOf& there, const MadeOf& here) {
  const Texts old = TextsOf(there);
  const Texts now = TextsOf(here);
  std::string text;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const auto& [name, value] = old[i];
    if (value == now[i].second) continue;
    text += (text.empty() ? "" : "; ") + name + " was " + Short(name, value) + ", now it is " +
            Short(name, now[i].second);
  }
  return text;
}

/// Whether anything but made_of.json is in the checkpoint.
bool HasUnits(const std::string& folder) {
  if (!fs::exists(folder)) return false;
  const fs::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const fs::directory_entry& file) {
    return file.path().stem() != "made_of" && file.path().stem() != "made_of.json";
  });
}

/// The run's folder, which has all that can be made again.
std::string Anew(const std::string& folder) {
  return "remove " + fs::path(folder).parent_path().string() + " to begin anew";
}

}  // namespace

std::optional<MadeOf> ReadMadeOf(const std::string& folder) {
  const std::string file = FileOf(folder);
  if (!fs::exists(file)) return std::nullopt;
  const json root = ParseJson(ReadFile(file), file);
  try {
    return MadeOf{root.at("program"),
                  root.at("config"),
                  root.at("model_sha256"),
                  root.at("model_files_sha256"),
                  root.at("calibration_sha256"),
                  root.at("device"),
                  root.at("threads")};
  } catch (const json::exception&) {
    throw Error(file + ": does not say what the checkpoint was made of; " + Anew(folder));
  }
}

void BeginCheckpoint(const std::string& folder, const MadeOf& made_of) {
  const bool units = HasUnits(folder);
  const auto there = units ? ReadMadeOf(folder) : std::nullopt;
  if (there) {
    const std::string differences = Differences(*there, made_of);
    if (differences.empty()) return;
    const bool other_program = there->program != made_of.program;
    throw Error(folder + ": was begun with something else: " + differences + "; " +
                (other_program ? "go on with the program that began it, or " : "") + Anew(folder));
  }
  if (units) {
    throw Error(folder + ": does not say what it was made of; " + Anew(folder));
  }
  MakeFolder(folder);
  json root;
  for (const auto& [name, value] : TextsOf(made_of)) root[name] = value;
  root["threads"] = made_of.threads;
  WriteFileAtomically(FileOf(folder), root.dump(2) + "\n");
}

}  // namespace roundlab
