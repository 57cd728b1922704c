#include "core/text/tokenizer/word_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/word_cache.h"

namespace roundlab {

std::vector<std::int32_t> ApplyTemplate(const TokenTemplate& parts, SpecialTokens special,
                                        const std::vector<std::int32_t>& text) {
  std::vector<std::int32_t> ids;
  for (const TemplatePart& part : parts) {
    if (!part.ids.has_value()) {
      ids.insert(ids.end(), text.begin(), text.end());
    } else if (special != SpecialTokens::kNone) {
      ids.insert(ids.end(), part.ids->begin(), part.ids->end());
    }
  }
  return ids;
}

TokenTemplate AroundText(std::vector<std::int32_t> front, std::vector<std::int32_t> back) {
  return {{std::move(front)}, {std::nullopt}, {std::move(back)}};
}

std::optional<std::int32_t> WordTokenizerParts::Find(std::string_view token) const {
  const std::optional<std::int32_t> added = FindAdded(added_tokens, token);
  return added.has_value() ? added : model->Find(token);
}

/// Encodes the words of one text; a word that comes again is looked up.
class WordTokenizer::WordEncoder {
 public:
  WordEncoder(const WordModel& model, std::size_t text_size) : model_(model) {
    ids_.reserve(text_size / 4 + 1);
  }

  void AddId(std::int32_t id) { ids_.push_back(id); }

  void AddWord(std::string_view word, bool as_bytes) {
    if (as_bytes) {
      bytes_.Append(word, &ids_, [this](auto text, auto* ids) { model_.EncodeBytes(text, ids); });
    } else if (model_.SplitsIntoMarkedWords()) {
      ForEachMarkedWord(word, [this](std::string_view part) { AddText(part); });
    } else {
      AddText(word);
    }
  }

  std::vector<std::int32_t> TakeIds() { return std::move(ids_); }

 private:
  void AddText(std::string_view word) {
    text_.Append(word, &ids_, [this](auto text, auto* ids) { model_.EncodeText(text, ids); });
  }

  const WordModel& model_;
  std::vector<std::int32_t> ids_;
  WordCache bytes_;
  WordCache text_;
};

WordTokenizer::WordTokenizer(WordTokenizerParts parts) : parts_(std::move(parts)) {
  ROUNDLAB_CHECK(parts_.model != nullptr, "a tokenizer needs its model");
  added_ = AddedTokens(parts_.added_tokens, parts_.normalizer.get());
  std::int64_t largest = parts_.model->MaxId();
  if (!added_.by_id().empty()) {
    largest = std::max<std::int64_t>(largest, added_.by_id().rbegin()->first);
  }
  vocab_size_ = largest + 1;
}

void WordTokenizer::EncodeStretch(const NormalizedText& text, bool special,
                                  WordEncoder* words) const {
  for (const AddedSplit& split : added_.Split(text.text, true, special)) {
    if (split.id.has_value()) {
      words->AddId(*split.id);
      continue;
    }
    if (split.begin == split.end) continue;
    Pieces pieces;
    pieces.list.push_back({std::string_view(text.text).substr(split.begin, split.end - split.begin),
                           text.at_start && split.begin == 0});
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->Apply(&pieces);
    for (const Piece& piece : pieces.list) words->AddWord(piece.text, pieces.as_bytes);
  }
}

std::vector<std::int32_t> WordTokenizer::Encode(std::string_view text,
                                                SpecialTokens special) const {
  CheckUtf8(text);
  const bool read_special = special != SpecialTokens::kUnread;
  WordEncoder words(*parts_.model, text.size());
  for (const AddedSplit& split : added_.Split(text, false, read_special)) {
    if (split.id.has_value()) {
      words.AddId(*split.id);
      continue;
    }
    if (split.begin == split.end) continue;
    NormalizedText stretch{std::string(text.substr(split.begin, split.end - split.begin)),
                           split.begin == 0};
    if (parts_.normalizer) parts_.normalizer->Apply(&stretch);
    EncodeStretch(stretch, read_special, &words);
  }
  const std::vector<std::int32_t> ids = words.TakeIds();
  return parts_.around.has_value() ? ApplyTemplate(*parts_.around, special, ids) : ids;
}

std::string WordTokenizer::Decode(const std::vector<std::int32_t>& ids) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const std::string* token = added_.Spelling(id);
    if (token == nullptr) token = parts_.model->Token(id);
    if (token != nullptr) tokens.push_back(*token);
  }
  std::string text;
  if (parts_.decoder) {
    for (const std::string& token : parts_.decoder->Apply(std::move(tokens))) text += token;
    return text;
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) text += (i == 0 ? "" : " ") + tokens[i];
  return text;
}

std::optional<std::int32_t> WordTokenizer::Find(std::string_view token) const {
  const std::optional<std::int32_t> added = added_.Find(token);
  return added.has_value() ? added : parts_.model->Find(token);
}

}  // namespace roundlab
