#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text/tokenizer/normalizer.h"

namespace roundlab {

/// A token that is looked for in the text itself, before anything cuts or merges it.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  ///< only between non-word characters or ends of the stretch
  bool lstrip = false;       ///< swallows White_Space on its left
  bool rstrip = false;       ///< swallows White_Space on its right
  bool normalized = true;    ///< looked for, normalized itself, in the normalized text
  bool special = false;
};

/// The id of the first of `tokens` that is spelled so.
std::optional<std::int32_t> FindAdded(const std::vector<AddedToken>& tokens,
                                      std::string_view content);

/// A stretch of text with no added token (id nullopt), or an added token.
struct AddedSplit {
  std::size_t begin;  ///< bytes
  std::size_t end;
  std::optional<std::int32_t> id;
};

/// Finds any of a set of strings, leftmost first and among those the longest.
class TokenMatcher {
 public:
  /// Throws Error where `content` is empty or already there.
  void Add(std::string_view content, std::size_t value);
  bool empty() const { return nodes_.size() == 1; }

  struct Match {
    std::size_t begin;
    std::size_t end;
    std::size_t value;
  };
  /// The first match that begins at `from` or later.
  std::optional<Match> Next(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> next;
    std::optional<std::size_t> value;
  };
  const std::uint32_t* Child(std::uint32_t node, char byte) const;

  std::vector<Node> nodes_ = {Node{}};
  std::array<bool, 256> begins_{};
};

/// The `added_tokens` of a tokenizer.json.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// A later token of the same id replaces an earlier one. Throws Error where one is empty
  /// or two look the same once normalized.
  AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer* normalizer);

  /// Cuts a stretch at the tokens that are looked for before (or, `normalized`, after)
  /// normalization; without `special` the special ones stay text. The result covers `text`.
  std::vector<AddedSplit> Split(std::string_view text, bool normalized, bool special = true) const;

  /// Both cuts of a text that nothing normalizes: on_token(id) and on_text(stretch, at_start) in
  /// the order of the text; `at_start` where a stretch begins as the text does.
  template <typename OnToken, typename OnText>
  void ForEach(std::string_view text, bool special, const OnToken& on_token,
               const OnText& on_text) const {
    for (const AddedSplit& raw : Split(text, false, special)) {
      if (raw.id.has_value()) {
        on_token(*raw.id);
        continue;
      }
      const std::string_view stretch = text.substr(raw.begin, raw.end - raw.begin);
      for (const AddedSplit& split : Split(stretch, true, special)) {
        const std::string_view part = stretch.substr(split.begin, split.end - split.begin);
        if (split.id.has_value()) {
          on_token(*split.id);
        } else if (!part.empty()) {
          on_text(part, raw.begin + split.begin == 0);
        }
      }
    }
  }

  const std::map<std::int32_t, AddedToken>& by_id() const { return by_id_; }
  std::optional<std::int32_t> Find(std::string_view content) const;

  /// What decoders see of an added token: its content, normalized where it is looked for so.
  const std::string* Spelling(std::int32_t id) const;

 private:
  std::map<std::int32_t, AddedToken> by_id_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::int32_t, std::string> spelling_;
  TokenMatcher raw_;
  TokenMatcher normalized_;
};

}  // namespace roundlab
