#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace roundlab {

/// A file that comes to be whole or not at all: it is written as PATH.part, which Commit() renames.
/// Several processes or threads may write one PATH at once: each waits until those before it are
/// done. Without a Commit(), PATH.part is removed again and PATH stays what it was.
/// All throw Error("<path>: cannot write: <reason>").
class AtomicFile {
 public:
  enum class Flush {
    kToDisk,  ///< file and name are on disk when Commit() is done
    kLater    ///< when the system likes: for many files that can be made again
  };
  explicit AtomicFile(const std::string& path, Flush flush = Flush::kToDisk);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }
  /// PATH.part, for libraries that open a file by its name. They must not lock it.
  const std::string& part() const { return part_; }
  void Commit();

 private:
  [[noreturn]] void Fail(int reason) const;

  const std::string path_;
  const std::string part_;
  const Flush flush_;
  int file_ = -1;
  bool committed_ = false;
};

}  // namespace roundlab
