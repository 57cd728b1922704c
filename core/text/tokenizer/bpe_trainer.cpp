#include "core/text/tokenizer/bpe_trainer.h"

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <queue>
#include <set>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/unicode/regex.h"

namespace roundlab {
namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;
constexpr std::int64_t kLeast = 257;

struct PairHash {
  std::size_t operator()(const Pair& pair) const {
    const auto left = static_cast<std::uint64_t>(static_cast<std::uint32_t>(pair.first));
    const auto right = static_cast<std::uint64_t>(static_cast<std::uint32_t>(pair.second));
    return static_cast<std::size_t>(((left << 32) | right) * 0x9e3779b97f4a7c15U);
  }
};

/// Words of all documents and how often each occurs.
std::unordered_map<std::string, std::int64_t> CountWords(
    const std::vector<std::string>& documents) {
  const TextPattern pattern = TextPattern::FromRegex(kGpt2Regex);
  std::unordered_map<std::string, std::int64_t> words;
  std::vector<TextPart> parts;
  std::string word;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    try {
      CheckUtf8(documents[i]);
    } catch (const Error& e) {
      throw Error("document " + std::to_string(i + 1) + ": " + e.what());
    }
    pattern.Find(documents[i], &parts);
    for (const TextPart& part : parts) {
      word.assign(documents[i], part.begin, part.end - part.begin);
      if (!word.empty()) ++words[word];
    }
  }
  return words;
}

/// Merges words pair by pair. Counts of pairs are kept up to date; a queue holds each pair with a
/// count that was true when it was put there.
class Merger {
 public:
  explicit Merger(TrainedBpe* bpe) : bpe_(*bpe) {
    bpe_.tokens = {kEndOfTextToken};
    const ByteAlphabet& alphabet = ByteLevelAlphabet();
    for (const std::int16_t byte : alphabet.bytes) {  // by code point
      if (byte < 0) continue;
      ids_[static_cast<std::size_t>(byte)] = static_cast<std::int32_t>(bpe_.tokens.size());
      bpe_.tokens.push_back(alphabet.characters[static_cast<std::size_t>(byte)]);
    }
    for (std::size_t i = 0; i < bpe_.tokens.size(); ++i) {
      known_[bpe_.tokens[i]] = static_cast<std::int32_t>(i);
    }
  }

  void Add(const std::string& word, std::int64_t count) {
    Word& added = words_.emplace_back();
    added.count = count;
    for (const char byte : word) {
      added.symbols.push_back(ids_[static_cast<unsigned char>(byte)]);
    }
    const std::size_t index = words_.size() - 1;
    for (std::size_t i = 0; i + 1 < added.symbols.size(); ++i) {
      Change({added.symbols[i], added.symbols[i + 1]}, index, 1);
    }
  }

  void Run(std::size_t vocabulary) {
    PushFresh();
    while (bpe_.tokens.size() < vocabulary && !queue_.empty()) {
      Candidate top = queue_.top();
      queue_.pop();
      const PairState& state = pairs_[top.pair];
      if (top.count != state.count) {
        top.count = state.count;
        queue_.push(top);
        continue;
      }
      if (top.count < 1) return;
      MergePair(top.pair);
    }
  }

 private:
  struct Word {
    std::vector<std::int32_t> symbols;
    std::int64_t count = 0;
  };
  struct PairState {
    std::int64_t count = 0;
    std::set<std::size_t> words;  ///< in which it was seen since it was last pushed
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void Change(const Pair& pair, std::size_t word, std::int64_t by) {
    PairState& state = pairs_[pair];
    state.count += by * words_[word].count;
    if (by < 0) return;
    if (state.words.empty()) fresh_.push_back(pair);
    state.words.insert(word);
  }

  void PushFresh() {
    for (const Pair& pair : fresh_) {
      if (pairs_[pair].count > 0) queue_.push({pairs_[pair].count, pair});
    }
    fresh_.clear();
  }

  void MergePair(const Pair& pair) {
    const std::string& left = bpe_.tokens[static_cast<std::size_t>(pair.first)];
    const std::string& right = bpe_.tokens[static_cast<std::size_t>(pair.second)];
    const auto [place, added] =
        known_.try_emplace(left + right, static_cast<std::int32_t>(bpe_.tokens.size()));
    bpe_.merges.emplace_back(left, right);
    const std::int32_t merged = place->second;
    if (added) bpe_.tokens.push_back(place->first);
    const std::set<std::size_t> words = std::move(pairs_[pair].words);
    pairs_[pair].words.clear();
    for (const std::size_t index : words) MergeIn(index, pair, merged);
    PushFresh();
  }

  void MergeIn(std::size_t index, const Pair& pair, std::int32_t merged) {
    std::vector<std::int32_t>& symbols = words_[index].symbols;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (symbols[i] != pair.first || symbols[i + 1] != pair.second) continue;
      if (i > 0) {
        Change({symbols[i - 1], pair.first}, index, -1);
        Change({symbols[i - 1], merged}, index, 1);
      }
      symbols[i] = merged;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      if (i + 1 < symbols.size()) {
        Change({pair.second, symbols[i + 1]}, index, -1);
        Change({merged, symbols[i + 1]}, index, 1);
      }
    }
  }

  TrainedBpe& bpe_;
  std::array<std::int32_t, 256> ids_{};
  std::unordered_map<std::string, std::int32_t> known_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairState, PairHash> pairs_;
  std::vector<Pair> fresh_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

void BpeTrainerOptions::Fields(FieldVisitor& f) {
  f.Int("vocab", &vocab, Between(kLeast, 1 << 20),
        "tokens at the most: <|endoftext|>, 256 bytes, merges");
}

TrainedBpe TrainBpe(const std::vector<std::string>& documents, const BpeTrainerOptions& options) {
  if (options.vocab < kLeast) {
    throw Error(
        "a byte-level vocabulary has 257 tokens at least, one a byte and <|endoftext|>; got " +
        std::to_string(options.vocab));
  }
  const auto words = CountWords(documents);
  if (words.empty()) throw Error("no text to train a tokenizer on");
  TrainedBpe bpe;
  Merger merger(&bpe);
  // Sorted, so that nothing depends on the order of a hash table.
  for (const auto& [word, count] : std::map(words.begin(), words.end())) merger.Add(word, count);
  merger.Run(static_cast<std::size_t>(options.vocab));
  return bpe;
}

std::string TrainedBpe::TokenizerJson() const {
  using Json = nlohmann::ordered_json;
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  Json vocabulary = Json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i) vocabulary[tokens[i]] = i;
  Json merge_list = Json::array();
  for (const auto& [left, right] : merges) merge_list.push_back({left, right});
  const Json special = {{"SpecialToken", {{"id", kEndOfTextToken}, {"type_id", 0}}}};
  const Json single = Json::array({special, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}});
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 0}}}});
  const Json ids = {{"id", kEndOfTextToken}, {"ids", {0}}, {"tokens", {kEndOfTextToken}}};
  const Json document = {{"version", "1.0"},
                         {"truncation", nullptr},
                         {"padding", nullptr},
                         {"added_tokens", Json::array({{{"id", 0},
                                                        {"content", kEndOfTextToken},
                                                        {"single_word", false},
                                                        {"lstrip", false},
                                                        {"rstrip", false},
                                                        {"normalized", false},
                                                        {"special", true}}})},
                         {"normalizer", nullptr},
                         {"pre_tokenizer", byte_level},
                         {"post_processor",
                          {{"type", "TemplateProcessing"},
                           {"single", single},
                           {"pair", pair},
                           {"special_tokens", {{kEndOfTextToken, ids}}}}},
                         {"decoder", byte_level},
                         {"model",
                          {{"type", "BPE"},
                           {"dropout", nullptr},
                           {"unk_token", nullptr},
                           {"continuing_subword_prefix", nullptr},
                           {"end_of_word_suffix", nullptr},
                           {"fuse_unk", false},
                           {"byte_fallback", false},
                           {"ignore_merges", false},
                           {"vocab", std::move(vocabulary)},
                           {"merges", std::move(merge_list)}}}};
  return document.dump(1) + "\n";
}

std::string TrainedBpe::TokenizerConfigJson(std::int64_t max_length) {
  const nlohmann::ordered_json document = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                           {"bos_token", kEndOfTextToken},
                                           {"eos_token", kEndOfTextToken},
                                           {"clean_up_tokenization_spaces", false},
                                           {"model_max_length", max_length}};
  return document.dump(1) + "\n";
}

}  // namespace roundlab
