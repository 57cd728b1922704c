#include "core/base/folders.h"

#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCatalogue = "catalogue.yaml";

bool HasCatalogue(const fs::path& folder) {
  std::error_code none;
  return fs::exists(folder / kCatalogue, none);
}

}  // namespace

std::string Environment(const char* name, const std::string& absent) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : absent;
}

std::string ProgramFolder() { return fs::canonical("/proc/self/exe").parent_path().string(); }

std::string ConfigFolder() {
  const std::string given = Environment("ROUNDLAB_CONFIGS", "");
  if (!given.empty()) {
    if (HasCatalogue(given)) return given;
    throw Error("ROUNDLAB_CONFIGS=" + given + ": has no " + kCatalogue);
  }
  const fs::path program = ProgramFolder();
  std::string places;
  for (const fs::path& folder : {program / "../configs", program / "../share/roundlab/configs",
                                 fs::path(ROUNDLAB_SOURCE_DIR) / "configs"}) {
    if (HasCatalogue(folder)) return folder.lexically_normal().string();
    places += (places.empty() ? "" : ", ") + folder.lexically_normal().string();
  }
  throw Error("the program's configs are not here: no " + std::string(kCatalogue) + " in " +
              places + "; set ROUNDLAB_CONFIGS to their folder");
}

std::string DataFolder() { return Environment("ROUNDLAB_DATA", "data"); }
std::string ModelFolder() { return Environment("ROUNDLAB_MODELS", "models"); }

std::string CatalogueFile() {
  const std::string given = Environment("ROUNDLAB_CATALOGUE", "");
  return given.empty() ? ConfigFolder() + "/" + kCatalogue : given;
}

}  // namespace roundlab
