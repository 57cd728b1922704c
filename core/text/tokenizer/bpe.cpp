#include "core/text/tokenizer/bpe.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/space_mark.h"

namespace roundlab {

Bpe::Bpe(Vocabulary vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
         BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(merges.size()), options_(std::move(options)) {
  for (const auto& [token, id] : vocabulary_) {
    if (id < 0) throw Error("token '" + token + "' has the negative id " + std::to_string(id));
    tokens_[id] = &token;
    max_id_ = std::max<std::int64_t>(max_id_, id);
  }
  const auto require = [this](const std::string& token) {
    const std::optional<std::int32_t> id = Find(token);
    if (!id.has_value()) throw Error("token '" + token + "' of a merge is not in the vocabulary");
    return *id;
  };
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::int32_t left_id = require(left);
    const std::int32_t right_id = require(right);
    merges_.Insert(left_id, right_id, {static_cast<std::uint32_t>(rank), require(left + right)});
  }
  for (std::size_t c = 0; c < ascii_.size(); ++c) {
    ascii_[c] = Find(std::string(1, static_cast<char>(c))).value_or(-1);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_level_[byte] = Find(ByteLevelAlphabet().characters[byte]).value_or(-1);
    byte_fallback_[byte] = Find(ByteToken(static_cast<unsigned char>(byte))).value_or(-1);
  }
  into_marked_words_ = !options_.ignore_merges && Find(kSpaceMark).has_value() &&
                       std::all_of(vocabulary_.begin(), vocabulary_.end(), [](const auto& token) {
                         return NextMarkedWord(token.first) == std::string_view::npos;
                       });
}

std::optional<std::int32_t> Bpe::Find(std::string_view token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::int32_t> Bpe::FindCharacter(std::string_view character) const {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first >= ascii_.size()) return Find(character);
  if (ascii_[first] < 0) return std::nullopt;
  return ascii_[first];
}

const std::string* Bpe::Token(std::int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : found->second;
}

bool Bpe::AppendByteTokens(std::string_view character, std::vector<std::int32_t>* symbols) const {
  if (!options_.byte_fallback) return false;
  for (const char byte : character) {
    if (byte_fallback_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  for (const char byte : character) {
    symbols->push_back(byte_fallback_[static_cast<unsigned char>(byte)]);
  }
  return true;
}

void Bpe::AppendUnknown(std::string_view character, std::vector<std::int32_t>* symbols,
                        std::optional<std::int32_t>* pending) const {
  if (AppendByteTokens(character, symbols) || !options_.unk_token.has_value()) return;
  if (pending->has_value() && options_.fuse_unk) return;
  if (pending->has_value()) symbols->push_back(**pending);
  *pending = Find(*options_.unk_token);
  if (!pending->has_value()) {
    throw Error((options_.place.empty() ? "" : options_.place + ": ") + "unk_token '" +
                *options_.unk_token + "' is not in the vocabulary");
  }
}

// An unknown token waits for the next known character: byte tokens in between come before it, as
// in the library.
std::vector<std::int32_t> Bpe::Characters(std::string_view word) const {
  std::vector<std::int32_t> symbols;
  symbols.reserve(word.size());
  std::optional<std::int32_t> pending;
  for (std::size_t position = 0; position < word.size();) {
    const std::string_view character = word.substr(position, Utf8Length(word[position]));
    position += character.size();
    const std::optional<std::int32_t> id = FindCharacter(character);
    if (!id.has_value()) {
      AppendUnknown(character, &symbols, &pending);
      continue;
    }
    if (pending.has_value()) symbols.push_back(*pending);
    pending.reset();
    symbols.push_back(*id);
  }
  if (pending.has_value()) symbols.push_back(*pending);
  return symbols;
}

void Bpe::EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const {
  if (options_.ignore_merges) {
    const std::optional<std::int32_t> whole = Find(word);
    if (whole.has_value()) return ids->push_back(*whole);
  }
  std::vector<std::int32_t> symbols = Characters(word);
  MergeAll(merges_, &symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
}

void Bpe::EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const {
  if (options_.ignore_merges) return EncodeText(ToByteLevel(bytes), ids);
  std::vector<std::int32_t> symbols;
  symbols.reserve(bytes.size());
  for (const char byte : bytes) {
    const std::int32_t id = byte_level_[static_cast<unsigned char>(byte)];
    if (id < 0) return EncodeText(ToByteLevel(bytes), ids);
    symbols.push_back(id);
  }
  MergeAll(merges_, &symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
}

}  // namespace roundlab
