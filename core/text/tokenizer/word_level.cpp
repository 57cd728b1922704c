#include "core/text/tokenizer/word_level.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/text/tokenizer/byte_level.h"

namespace roundlab {

WordLevel::WordLevel(Vocabulary vocabulary, std::string unk_token, std::string place)
    : vocabulary_(std::move(vocabulary)),
      unk_token_(std::move(unk_token)),
      place_(std::move(place)) {
  for (const auto& [token, id] : vocabulary_) {
    tokens_[id] = &token;
    max_id_ = std::max<std::int64_t>(max_id_, id);
  }
}

std::optional<std::int32_t> WordLevel::Find(std::string_view token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

const std::string* WordLevel::Token(std::int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : found->second;
}

void WordLevel::EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const {
  std::optional<std::int32_t> id = Find(word);
  if (!id.has_value()) id = Find(unk_token_);
  if (!id.has_value()) {
    throw Error(place_ + ": unk_token '" + unk_token_ + "' is not in the vocabulary");
  }
  ids->push_back(*id);
}

void WordLevel::EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const {
  EncodeText(ToByteLevel(bytes), ids);
}

}  // namespace roundlab
