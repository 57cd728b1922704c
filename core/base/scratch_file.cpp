#include "core/base/scratch_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/error.h"
#include "core/base/gib.h"

namespace roundlab {
namespace {

[[noreturn]] void FailRoom(const std::string& folder, std::size_t bytes, int reason) {
  throw Error(folder + ": no room for a file of " + GibText(static_cast<double>(bytes)) + ": " +
              std::strerror(reason));
}

}  // namespace

ScratchFile::ScratchFile(const std::string& folder, std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;  // mmap takes no empty range
  std::string name = folder + "/scratch_XXXXXX";
  const int opened = ::mkostemp(name.data(), O_CLOEXEC);
  if (opened < 0) FailRoom(folder, bytes, errno);
  ::unlink(name.c_str());
  int reason = ::posix_fallocate(opened, 0, static_cast<off_t>(bytes));
  if (reason == 0) {
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
    if (data == MAP_FAILED) {
      reason = errno;
    } else {
      data_ = data;
    }
  }
  ::close(opened);
  if (reason != 0) FailRoom(folder, bytes, reason);
}

ScratchFile::~ScratchFile() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace roundlab
