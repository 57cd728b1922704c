#include "core/base/hash.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace roundlab {
namespace {

// The examples of FIPS 180-4's test vectors.
TEST(HashTest, Sha256OfTheStandardsExamples) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HashTest, PiecesHashAsTheWhole) {
  const std::string text(300, 'x');
  Sha256 hash;
  hash.Update(std::string_view(text).substr(0, 7));
  hash.Update(std::string_view());
  hash.Update(std::as_bytes(std::span(text)).subspan(7));
  EXPECT_EQ(hash.HexDigest(), Sha256Hex(text));
}

TEST(HashTest, DigestLeavesTheHashOpen) {
  Sha256 hash;
  hash.Update("ab");
  EXPECT_EQ(hash.HexDigest(), Sha256Hex("ab"));
  hash.Update("c");
  EXPECT_EQ(hash.HexDigest(), Sha256Hex("abc"));
  const Sha256 moved = std::move(hash);
  EXPECT_EQ(moved.HexDigest(), Sha256Hex("abc"));
}

TEST(HashTest, ZeroBytesCount) {
  const std::array<std::byte, 3> zeros{};
  Sha256 hash;
  hash.Update(zeros);
  EXPECT_EQ(hash.HexDigest(), "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c");
}

}  // namespace
}  // namespace roundlab
