#include "core/text/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/unicode/unicode.h"

namespace roundlab {
namespace {

bool StartsWithWord(std::string_view text) {
  std::size_t position = 0;
  return !text.empty() && IsWord(NextCodePoint(text, &position));
}

bool EndsWithWord(std::string_view text) { return !text.empty() && IsWord(LastCodePoint(text)); }

// Bytes of White_Space at the beginning.
std::size_t LeadingSpace(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t position = 0; position < text.size(); end = position) {
    if (!IsWhiteSpace(NextCodePoint(text, &position))) break;
  }
  return end;
}

// Where the White_Space at the end begins.
std::size_t TrailingSpaceBegin(std::string_view text) {
  while (!text.empty()) {
    const char32_t last = LastCodePoint(text);
    if (!IsWhiteSpace(last)) break;
    std::string encoded;
    AppendUtf8(last, &encoded);
    text.remove_suffix(encoded.size());
  }
  return text.size();
}

bool StandsAlone(std::string_view text, const TokenMatcher::Match& match) {
  return !EndsWithWord(text.substr(0, match.begin)) && !StartsWithWord(text.substr(match.end));
}

}  // namespace

const std::uint32_t* TokenMatcher::Child(std::uint32_t node, char byte) const {
  for (const auto& [label, child] : nodes_[node].next) {
    if (label == byte) return &child;
  }
  return nullptr;
}

std::optional<std::int32_t> FindAdded(const std::vector<AddedToken>& tokens,
                                      std::string_view content) {
  for (const AddedToken& token : tokens) {
    if (token.content == content) return token.id;
  }
  return std::nullopt;
}

void TokenMatcher::Add(std::string_view content, std::size_t value) {
  if (content.empty()) throw Error("an added token is empty");
  std::uint32_t node = 0;
  for (const char byte : content) {
    const std::uint32_t* child = Child(node, byte);
    if (child == nullptr) {
      const auto fresh = static_cast<std::uint32_t>(nodes_.size());
      nodes_[node].next.emplace_back(byte, fresh);
      nodes_.emplace_back();
      node = fresh;
    } else {
      node = *child;
    }
  }
  if (nodes_[node].value.has_value()) {
    throw Error("two added tokens look for '" + std::string(content) + "'");
  }
  nodes_[node].value = value;
  begins_[static_cast<unsigned char>(content[0])] = true;
}

std::optional<TokenMatcher::Match> TokenMatcher::Next(std::string_view text,
                                                      std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    std::optional<Match> longest;
    std::uint32_t node = 0;
    for (std::size_t end = begin; end < text.size();) {
      const std::uint32_t* child = Child(node, text[end++]);
      if (child == nullptr) break;
      node = *child;
      if (nodes_[node].value.has_value()) longest = Match{begin, end, *nodes_[node].value};
    }
    if (longest.has_value()) return longest;
  }
  return std::nullopt;
}

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const Normalizer* normalizer) {
  for (const AddedToken& token : tokens) {
    by_id_[token.id] = token;
    ids_[token.content] = token.id;
  }
  for (const auto& [id, token] : by_id_) {
    std::string text = token.content;
    if (token.normalized && normalizer != nullptr) {
      NormalizedText normal{text, true};
      normalizer->Apply(&normal);
      text = spelling_[id] = normal.text;
    }
    if (text.empty()) {
      throw Error("added token '" + token.content + "' (id " + std::to_string(id) +
                  ") is empty once normalized");
    }
    (token.normalized ? normalized_ : raw_).Add(text, static_cast<std::size_t>(id));
  }
}

std::vector<AddedSplit> AddedTokens::Split(std::string_view text, bool normalized,
                                           bool special) const {
  const TokenMatcher& matcher = normalized ? normalized_ : raw_;
  std::vector<AddedSplit> splits;
  std::size_t covered = 0;
  if (matcher.empty()) return {{0, text.size(), std::nullopt}};
  for (auto match = matcher.Next(text, 0); match; match = matcher.Next(text, match->end)) {
    const AddedToken& token = by_id_.at(static_cast<std::int32_t>(match->value));
    if (token.special && !special) continue;
    if (token.single_word && !StandsAlone(text, *match)) continue;
    std::size_t begin = match->begin;
    std::size_t end = match->end;
    if (token.lstrip) begin = std::max(TrailingSpaceBegin(text.substr(0, begin)), covered);
    if (token.rstrip) end += LeadingSpace(text.substr(end));
    if (begin >= end) continue;  // white space that the token before it has taken
    if (covered < begin) splits.push_back({covered, begin, std::nullopt});
    splits.push_back({begin, end, token.id});
    covered = end;
  }
  if (covered != text.size()) splits.push_back({covered, text.size(), std::nullopt});
  return splits;
}

std::optional<std::int32_t> AddedTokens::Find(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* AddedTokens::Spelling(std::int32_t id) const {
  const auto spelled = spelling_.find(id);
  if (spelled != spelling_.end()) return &spelled->second;
  const auto token = by_id_.find(id);
  return token == by_id_.end() ? nullptr : &token->second.content;
}

}  // namespace roundlab
