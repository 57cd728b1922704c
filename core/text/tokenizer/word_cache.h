#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text/tokenizer/word_model.h"

namespace roundlab {

/// Encodes the words of one text; a word that comes again is not encoded again.
class WordCache {
 public:
  /// Appends the ids of `word`: by encode(word, ids), which appends, where it is new.
  template <typename Encode>
  void Append(std::string_view word, std::vector<std::int32_t>* ids, const Encode& encode) {
    if (word.size() > kLongest) return encode(word, ids);
    const auto known = words_.find(word);
    if (known != words_.end()) {
      const Span span = known->second;
      for (std::size_t i = 0; i < span.count; ++i) ids->push_back((*ids)[span.begin + i]);
      return;
    }
    const std::size_t begin = ids->size();
    encode(word, ids);
    words_.emplace(word, Span{begin, ids->size() - begin});
  }

 private:
  static constexpr std::size_t kLongest = 64;  // bytes of a word that is worth keeping
  struct Span {                                // of the ids, where the word came first
    std::size_t begin;
    std::size_t count;
  };
  std::unordered_map<std::string, Span, StringHash, std::equal_to<>> words_;
};

}  // namespace roundlab
