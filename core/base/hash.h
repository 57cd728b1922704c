#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace roundlab {

/// SHA-256 (FIPS 180-4) of bytes that come in pieces: the hash of run ids, of codes and of data.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text);

  /// 64 lower-case hexadecimal digits for all that came in so far; more may follow.
  std::string HexDigest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The hash of one text: Sha256Hex("abc") starts with "ba7816bf".
std::string Sha256Hex(std::string_view text);

/// That of a file's bytes. Throws Error("<path>: cannot open: <reason>").
std::string Sha256OfFile(const std::string& path);

}  // namespace roundlab
