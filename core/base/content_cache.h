#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace roundlab {

/// What several runs compute alike, kept as files that are named by the hash of what they were made
/// of. A file that is broken or can't be read is as one that is not there; any number of processes
/// may use a folder at a time.
class ContentCache {
 public:
  /// `folder` is made when something is kept; empty: nothing is kept. `program` is part of each
  /// key: what another program has made is not found.
  explicit ContentCache(std::string folder, std::string program = "")
      : folder_(std::move(folder)), program_(std::move(program)) {}

  /// `key` is a text that names everything the bytes depend on.
  std::optional<std::string> Find(const std::string& key) const;
  /// Whether there is a file for it, which may be broken: without reading it.
  bool Has(const std::string& key) const;
  /// A full disk is no error: the bytes are then not kept.
  void Keep(const std::string& key, std::string_view bytes) const;

 private:
  std::string FileOf(const std::string& key) const;
  std::string folder_;
  std::string program_;
};

}  // namespace roundlab
