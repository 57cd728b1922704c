#include "core/base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// errno of the first call that fails, 0 where all went well.
int WriteAll(const std::string& path, std::string_view contents) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return errno;
  int failure = 0;
  while (!contents.empty() && failure == 0) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0) {
      failure = errno == EINTR ? 0 : errno;
    } else {
      contents.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  if (failure == 0 && ::fsync(file) != 0) failure = errno;
  if (::close(file) != 0 && failure == 0) failure = errno;
  return failure;
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) throw Error(path + ": cannot open: is a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(path + ": cannot open: " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

void WriteFileAtomically(const std::string& path, std::string_view contents) {
  const std::string part = path + ".part";
  int failure = WriteAll(part, contents);
  if (failure == 0 && std::rename(part.c_str(), path.c_str()) != 0) failure = errno;
  if (failure == 0) return;
  std::error_code none;
  std::filesystem::remove(part, none);
  throw Error(path + ": cannot write: " + std::strerror(failure));
}

void MakeFolder(const std::string& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) throw Error(path + ": cannot make this folder: " + failure.message());
}

}  // namespace roundlab
