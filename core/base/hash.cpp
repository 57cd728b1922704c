#include "core/base/hash.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/base/error.h"

namespace roundlab {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

}  // namespace

struct Sha256::State {
  Context context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ROUNDLAB_CHECK(state_->context != nullptr, "no memory for a hash context");
  const int good = EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr);
  ROUNDLAB_CHECK(good == 1, "OpenSSL has no SHA-256");
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  const int good = EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
  ROUNDLAB_CHECK(good == 1, "EVP_DigestUpdate failed");
}

void Sha256::Update(std::string_view text) { Update(std::as_bytes(std::span(text))); }

std::string Sha256::HexDigest() const {
  const Context copy{EVP_MD_CTX_new()};
  std::array<unsigned char, 32> digest{};
  const bool good = copy != nullptr && EVP_MD_CTX_copy_ex(copy.get(), state_->context.get()) == 1 &&
                    EVP_DigestFinal_ex(copy.get(), digest.data(), nullptr) == 1;
  ROUNDLAB_CHECK(good, "EVP_DigestFinal_ex failed");
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string Sha256Hex(std::string_view text) {
  Sha256 hash;
  hash.Update(text);
  return hash.HexDigest();
}

std::string Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path + ": cannot open: " + std::strerror(errno));
  Sha256 hash;
  std::string chunk(std::size_t{1} << 20, '\0');
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
    hash.Update(std::string_view(chunk).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  return hash.HexDigest();
}

}  // namespace roundlab
