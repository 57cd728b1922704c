#include "core/base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// A file that one process at a time writes; errno where it can't be opened, negative.
int OpenLocked(const std::string& path) {
  while (true) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return -errno;
    while (::flock(file, LOCK_EX) != 0 && errno == EINTR) {
    }
    // Whoever had it may have renamed or removed it meanwhile.
    struct stat open_one = {};
    struct stat named = {};
    if (::fstat(file, &open_one) == 0 && ::stat(path.c_str(), &named) == 0 &&
        open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev) {
      return file;
    }
    ::close(file);
  }
}

/// errno of the first call that fails, 0 where all went well.
int Fill(int file, std::string_view contents) {
  if (::ftruncate(file, 0) != 0 && errno != EINVAL) return errno;  // EINVAL: no regular file
  while (!contents.empty()) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0) {
      if (errno != EINTR) return errno;
    } else {
      contents.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  return ::fsync(file) == 0 ? 0 : errno;
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) throw Error(path + ": cannot open: is a folder");
  if (std::filesystem::is_fifo(path, none)) throw Error(path + ": cannot open: is a pipe");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(path + ": cannot open: " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void WriteFileAtomically(const std::string& path, std::string_view contents) {
  const std::string part = path + ".part";
  const int file = OpenLocked(part);
  int failure = file < 0 ? -file : Fill(file, contents);
  if (failure == 0 && std::rename(part.c_str(), path.c_str()) != 0) failure = errno;
  if (failure != 0 && file >= 0) ::unlink(part.c_str());
  if (file >= 0) ::close(file);
  if (failure == 0) return;
  throw Error(path + ": cannot write: " + std::strerror(failure));
}

void MakeFolder(const std::string& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) throw Error(path + ": cannot make this folder: " + failure.message());
}

}  // namespace roundlab
