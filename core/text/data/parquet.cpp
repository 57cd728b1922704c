#include "core/text/data/parquet.h"

#include <dlfcn.h>

#include <filesystem>

#include "core/base/error.h"
#include "core/base/folders.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libroundlab_parquet.so";
using ReadRows = void (*)(const std::string& path, const std::vector<std::string>& fields,
                          const TakeRow& take);

/// The library's file; empty where there is none.
std::string LibraryFile() {
  const std::string given = Environment("ROUNDLAB_PARQUET_LIBRARY", "");
  if (!given.empty()) return fs::exists(given) ? given : "";
  const fs::path program = ProgramFolder();
  for (const fs::path& place : {program / kLibrary, program / "../lib/roundlab" / kLibrary,
                                fs::path(ROUNDLAB_BUILT_PARQUET_LIBRARY)}) {
    if (!place.empty() && fs::exists(place)) return place.lexically_normal().string();
  }
  return "";
}

/// Opened once, and stays: Arrow has state of its own that is not to be unloaded.
struct Library {
  std::string file = LibraryFile();
  std::string problem;
  ReadRows read = nullptr;

  Library() {
    if (file.empty()) return;
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) {
      read = reinterpret_cast<ReadRows>(::dlsym(handle, "roundlab_read_parquet_rows"));
    }
    if (read == nullptr) problem = ::dlerror();
  }
};

const Library& TheLibrary() {
  static const Library kOpened;
  return kOpened;
}

}  // namespace

bool ReadsParquet() { return TheLibrary().read != nullptr; }

void ForParquetRows(const std::string& path, const std::vector<std::string>& fields,
                    const TakeRow& take) {
  const Library& library = TheLibrary();
  if (library.file.empty()) {
    throw Error(path + ": this program can't read Parquet files: it has no " +
                std::string(kLibrary) + "; run scripts/setup --parquet and build again");
  }
  if (library.read == nullptr) {
    throw Error(path + ": can't read Parquet files: " + library.problem);
  }
  library.read(path, fields, take);
}

}  // namespace roundlab
