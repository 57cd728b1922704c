#include "core/base/content_cache.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"

namespace roundlab {
namespace {

constexpr std::size_t kDigits = 64;  // of the SHA-256 in front of the bytes

}  // namespace

bool ContentCache::Has(const std::string& key) const {
  std::error_code none;
  return !folder_.empty() && std::filesystem::exists(FileOf(key), none);
}

std::optional<std::string> ContentCache::Find(const std::string& key) const {
  if (!Has(key)) return std::nullopt;
  try {
    std::string file = ReadFile(FileOf(key));
    if (file.size() < kDigits) return std::nullopt;
    std::string bytes = file.substr(kDigits);
    if (Sha256Hex(bytes) != file.substr(0, kDigits)) return std::nullopt;
    return bytes;
  } catch (const Error&) {
    return std::nullopt;  // made anew
  }
}

void ContentCache::Keep(const std::string& key, std::string_view bytes) const {
  if (folder_.empty()) return;
  std::string file = Sha256Hex(bytes);
  file += bytes;
  try {
    MakeFolder(folder_);
    WriteFileAtomically(FileOf(key), file);
  } catch (const Error&) {
    return;  // the next run makes it again
  }
}

std::string ContentCache::FileOf(const std::string& key) const {
  return folder_ + "/" + Sha256Hex(program_ + "\n" + key) + ".bin";
}

}  // namespace roundlab
