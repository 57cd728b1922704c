#include "experiments/run/plugins.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/plugin.h"

namespace roundlab {
namespace {

constexpr const char* kVariable = "ROUNDLAB_PLUGINS";

std::vector<std::pair<std::string, std::string>>& Opened() {
  static std::vector<std::pair<std::string, std::string>> opened;
  return opened;
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

/// "NAME SHA256, NAME SHA256", called as `name` calls a path.
std::string ListOpened(const std::function<std::string(const std::string&)>& name) {
  std::string text;
  for (const auto& [file, hash] : Opened()) {
    text += (text.empty() ? "" : ", ") + name(file) + " " + hash;
  }
  return text;
}

void OpenPlugin(const std::string& path) {
  std::error_code none;
  const std::string file = std::filesystem::absolute(path, none).string();
  for (const auto& [other, hash] : Opened()) {
    if (other == file) return;
  }
  if (!std::filesystem::is_regular_file(file, none)) throw Error(path + ": no such plug-in");
  if (file.find(':') != std::string::npos) {
    throw Error(file + ": a ':' in a plug-in's path separates paths in ROUNDLAB_PLUGINS");
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Error(path + ": can't be opened as a plug-in: " + dlerror());
  using Entry = Plugin (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "roundlab_plugin"));
  if (entry == nullptr) throw Error(path + ": is no plug-in (it lacks ROUNDLAB_PLUGIN)");
  const Plugin plugin = entry();
  if (plugin.interface != std::string(ROUNDLAB_INTERFACE)) {
    throw Error(path + ": was built for interface " + plugin.interface +
                ", this program has " ROUNDLAB_INTERFACE
                ": build it again with this program's headers");
  }
  try {
    plugin.add();
  } catch (const std::exception& error) {
    throw Error(path + ": failed while it added its parts: " + error.what());
  } catch (...) {
    throw Error(path + ": failed while it added its parts: threw no std::exception");
  }
  Opened().emplace_back(file, Sha256Hex(ReadFile(file)));
}

}  // namespace

void OpenPlugins(const std::vector<std::string>& paths) {
  std::vector<std::string> all;
  if (const char* inherited = std::getenv(kVariable)) {
    std::string text = inherited;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) all.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  all.insert(all.end(), paths.begin(), paths.end());
  for (const std::string& path : all) OpenPlugin(path);
  std::string joined;
  for (const auto& [file, hash] : Opened()) joined += (joined.empty() ? "" : ":") + file;
  if (!joined.empty()) ::setenv(kVariable, joined.c_str(), 1);
}

std::string PluginsText() {
  return ListOpened([](const std::string& file) { return file; });
}

std::string PluginHashes() { return ListOpened(FileName); }

std::vector<std::string> ChangedPlugins(const std::string& text) {
  std::vector<std::string> changed;
  for (const auto& [file, hash] : Opened()) {
    const bool used = text.find("/" + FileName(file) + " ") != std::string::npos;
    if (used && text.find(" " + hash) == std::string::npos) changed.push_back(file);
  }
  return changed;
}

}  // namespace roundlab
