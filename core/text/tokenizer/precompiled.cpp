#include "core/text/tokenizer/precompiled.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/unicode/grapheme.h"

namespace roundlab {
namespace {

constexpr std::size_t kUnitBytes = 4;

std::uint32_t UnitOf(std::string_view bytes) {
  std::uint32_t unit = 0;
  for (std::size_t i = 0; i < kUnitBytes; ++i) {
    unit |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return unit;
}

class Precompiled final : public Normalizer {
 public:
  Precompiled(std::string_view charsmap, std::string place) : place_(std::move(place)) {
    if (charsmap.size() < kUnitBytes) {
      throw Error("expected the size of a trie, got " + std::to_string(charsmap.size()) + " bytes");
    }
    const std::size_t size = UnitOf(charsmap);
    charsmap.remove_prefix(kUnitBytes);
    if (size == 0 || size % kUnitBytes != 0 || size > charsmap.size()) {
      throw Error("expected a trie of 4 bytes a unit within " + std::to_string(charsmap.size()) +
                  " bytes, got a size of " + std::to_string(size));
    }
    for (std::size_t i = 0; i < size; i += kUnitBytes) units_.push_back(UnitOf(charsmap.substr(i)));
    texts_ = charsmap.substr(size);
    CheckUtf8(texts_);
  }

  void Apply(NormalizedText* text) const override {
    constexpr std::size_t kLongestCluster = 5;
    const std::string_view all = text->text;
    std::string rewritten;
    rewritten.reserve(all.size());
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = GraphemeEnd(all, begin);
      const std::string_view cluster = all.substr(begin, end - begin);
      begin = end;
      std::optional<std::string_view> whole;
      if (cluster.size() <= kLongestCluster) whole = Replacement(cluster);
      if (whole.has_value()) {
        rewritten += *whole;
      } else {
        AppendCharacters(cluster, &rewritten);
      }
    }
    text->text = std::move(rewritten);
  }

 private:
  void AppendCharacters(std::string_view text, std::string* out) const {
    while (!text.empty()) {
      const std::string_view character = text.substr(0, Utf8Length(text[0]));
      *out += Replacement(character).value_or(character);
      text.remove_prefix(character.size());
    }
  }

  // Of the shortest beginning of `text` that has one.
  std::optional<std::string_view> Replacement(std::string_view text) const {
    constexpr std::uint32_t kLabel = 0x800000FF;  // the upper bit: a value, which no byte leads to
    constexpr std::uint32_t kHasValue = 0x100;
    std::size_t node = Children(units_[0]);
    for (const char byte : text) {
      const auto label = static_cast<unsigned char>(byte);
      if (label == 0) return std::nullopt;
      node ^= label;
      const std::uint32_t unit = UnitAt(node);
      if ((unit & kLabel) != label) return std::nullopt;
      node ^= Children(unit);
      if ((unit & kHasValue) != 0) return TextAt(UnitAt(node) & 0x7FFFFFFF);
    }
    return std::nullopt;
  }

  // What a node's place is combined with to find its children.
  static std::size_t Children(std::uint32_t unit) {
    constexpr std::uint32_t kFar = 0x200;  // in steps of 256
    return static_cast<std::size_t>(unit >> 10U) << ((unit & kFar) != 0 ? 8U : 0U);
  }

  std::uint32_t UnitAt(std::size_t node) const {
    if (node >= units_.size()) throw Error(place_ + ": the trie leads out of itself");
    return units_[node];
  }

  std::string_view TextAt(std::size_t offset) const {
    const auto inside = [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80;
    };
    if (offset > texts_.size() || (offset < texts_.size() && inside(texts_[offset]))) {
      throw Error(place_ + ": no replacement begins at " + std::to_string(offset));
    }
    const std::string_view rest = std::string_view(texts_).substr(offset);
    return rest.substr(0, rest.find('\0'));
  }

  std::vector<std::uint32_t> units_;
  std::string texts_;
  std::string place_;
};

}  // namespace

std::unique_ptr<Normalizer> MakePrecompiled(std::string_view charsmap, std::string place) {
  return std::make_unique<Precompiled>(charsmap, std::move(place));
}

}  // namespace roundlab
