#include "core/text/tokenizer/tiktoken.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/json.h"
#include "core/text/tokenizer/base64.h"
#include "core/text/tokenizer/bpe.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/json_value.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

struct RankedToken {
  std::string bytes;
  std::int32_t rank = 0;
};

std::optional<RankedToken> ReadLine(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto bytes = FromBase64(line.substr(0, space));
  std::int32_t rank = -1;
  const char* end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + space + 1, end, rank);
  if (!bytes.has_value() || error != std::errc() || stop != end || rank < 0) return std::nullopt;
  return RankedToken{std::move(*bytes), rank};
}

std::vector<RankedToken> ReadLines(std::string_view document, const std::string& name) {
  std::vector<RankedToken> tokens;
  std::size_t number = 0;
  for (std::string_view line : Lines(document)) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    auto token = ReadLine(line);
    if (!token.has_value()) {
      throw Error(name + ":" + std::to_string(number) + ": expected 'base64 rank', got '" +
                  std::string(line.substr(0, 80)) + "'");
    }
    tokens.push_back(std::move(*token));
  }
  return tokens;
}

/// The merges are all ways to put a token together from two, by the token's rank, then by the ranks
/// of the two (transformers' conversion; tiktoken itself takes the leftmost of equal ones).
std::unique_ptr<Bpe> MakeRankedBpe(std::vector<RankedToken> tokens, std::int32_t first_id,
                                   const std::string& name) {
  std::sort(tokens.begin(), tokens.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
  std::unordered_map<std::string_view, std::int32_t> ranks;
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& [bytes, rank] = tokens[i];
    if (i > 0 && tokens[i - 1].rank == rank) {
      throw Error(name + ": rank " + std::to_string(rank) + " is there twice");
    }
    if (!ranks.emplace(bytes, rank).second) {
      throw Error(name + ": the token of rank " + std::to_string(rank) + " is there twice");
    }
    vocabulary[ToByteLevel(bytes)] = first_id + rank;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (ranks.count(std::string(1, static_cast<char>(byte))) == 0) {
      throw Error(name + ": no token of the single byte " + std::to_string(byte));
    }
  }
  std::vector<std::pair<std::string, std::string>> merges;
  for (const RankedToken& token : tokens) {
    const std::string_view bytes = token.bytes;
    std::vector<std::pair<std::pair<std::int32_t, std::int32_t>, std::size_t>> cuts;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const auto left = ranks.find(bytes.substr(0, cut));
      const auto right = ranks.find(bytes.substr(cut));
      if (left == ranks.end() || right == ranks.end()) continue;
      cuts.push_back({{left->second, right->second}, cut});
    }
    std::sort(cuts.begin(), cuts.end());
    for (const auto& [pair, cut] : cuts) {
      merges.emplace_back(ToByteLevel(bytes.substr(0, cut)), ToByteLevel(bytes.substr(cut)));
    }
  }
  BpeOptions options;
  options.ignore_merges = true;
  return std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(options));
}

AddedToken SpecialToken(std::string content, std::int32_t id) {
  AddedToken token;
  token.content = std::move(content);
  token.id = id;
  token.special = true;
  token.normalized = false;
  return token;
}

std::vector<AddedToken> Llama3Tokens(std::int32_t first_id) {
  constexpr int kCount = 256;
  std::vector<std::string> names = {"<|begin_of_text|>", "<|end_of_text|>"};
  int reserved = 0;
  const auto reserve = [&](int count) {
    for (; count > 0; --count) {
      names.push_back("<|reserved_special_token_" + std::to_string(reserved++) + "|>");
    }
  };
  reserve(4);
  names.insert(names.end(), {"<|start_header_id|>", "<|end_header_id|>"});
  reserve(1);
  names.emplace_back("<|eot_id|>");
  reserve(kCount - static_cast<int>(names.size()));
  std::vector<AddedToken> tokens;
  tokens.reserve(names.size());
  for (std::string& name : names) tokens.push_back(SpecialToken(std::move(name), first_id++));
  return tokens;
}

// The special ids that `config` names, else those of tokens called so.
SpecialIds SpecialOf(const WordTokenizerParts& parts, const TokenizerConfig& config,
                     std::string_view bos, std::string_view eos) {
  const auto find = [&](std::string_view text) { return FindAdded(parts.added_tokens, text); };
  const auto named = [&](const SpecialName& name, std::string_view otherwise) {
    return name.token.has_value() ? name.Resolve(find) : find(otherwise);
  };
  return {named(config.bos, bos), named(config.eos, eos)};
}

std::unique_ptr<WordTokenizer> Finish(WordTokenizerParts parts, const TokenizerConfig& config,
                                      const std::string& name) {
  parts.decoder = MakeByteLevelDecoder();
  parts.around =
      BosEosTemplate(name, parts.special, config.add_bos.value_or(parts.special.bos.has_value()),
                     config.add_eos.value_or(false));
  try {
    return std::make_unique<WordTokenizer>(std::move(parts));
  } catch (const Error& error) {
    throw Error(name + ": " + error.what());
  }
}

std::int32_t SmallCount(const JsonValue& value) {
  const std::int32_t count = value.Id();
  if (count > 1 << 24) throw Error(value.place() + ": " + std::to_string(count) + " is too many");
  return count;
}

// The special tokens of a tekken.json, whose ranks count from 0 without a gap.
std::vector<AddedToken> TekkenTokens(const JsonValue& root) {
  std::vector<AddedToken> tokens;
  for (const JsonValue& entry : root.At("special_tokens").Items()) {
    tokens.push_back(SpecialToken(entry.At("token_str").String(), entry.At("rank").Id()));
  }
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].id == static_cast<std::int32_t>(i)) continue;
    throw Error(root.place() + ".special_tokens: no token of rank " + std::to_string(i));
  }
  const auto count = root.At("config").Find("default_num_special_tokens");
  const std::int32_t all =
      count.has_value() ? SmallCount(*count) : static_cast<std::int32_t>(tokens.size());
  for (auto id = static_cast<std::int32_t>(tokens.size()); id < all; ++id) {
    tokens.push_back(SpecialToken("<SPECIAL_" + std::to_string(id) + ">", id));
  }
  return tokens;
}

std::vector<RankedToken> TekkenVocabulary(const JsonValue& root, std::size_t special) {
  std::vector<JsonValue> entries = root.At("vocab").Items();
  const auto size = root.At("config").Find("default_vocab_size");
  if (size.has_value()) {  // what stands beyond is padding
    const auto whole = static_cast<std::size_t>(SmallCount(*size));
    if (whole < special) {
      throw Error(size->place() + ": fewer than the " + std::to_string(special) +
                  " special tokens");
    }
    if (entries.size() > whole - special)
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(whole - special), entries.end());
  }
  std::vector<RankedToken> tokens;
  for (const JsonValue& entry : entries) {
    const JsonValue bytes = entry.At("token_bytes");
    auto decoded = FromBase64(bytes.String());
    if (!decoded.has_value()) {
      throw Error(bytes.place() + ": expected base64, got '" + bytes.String() + "'");
    }
    tokens.push_back({std::move(*decoded), static_cast<std::int32_t>(tokens.size())});
  }
  return tokens;
}

}  // namespace

bool LooksLikeTiktoken(std::string_view document) {
  std::string_view line = document.substr(0, document.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return ReadLine(line).has_value();
}

std::unique_ptr<WordTokenizer> TokenizerFromTiktoken(std::string_view document,
                                                     const std::string& name,
                                                     const TokenizerConfig& config) {
  WordTokenizerParts parts;
  parts.model = MakeRankedBpe(ReadLines(document, name), 0, name);
  const auto next = static_cast<std::int32_t>(parts.model->MaxId() + 1);
  const auto find = [&](std::string_view token) { return parts.model->Find(token); };
  parts.added_tokens =
      AllAddedTokens(config.added_tokens.empty() ? Llama3Tokens(next) : std::vector<AddedToken>(),
                     config, find, next);
  parts.pre_tokenizer = MakeSplitByteLevel(kLlama3Regex);
  parts.special = SpecialOf(parts, config, "<|begin_of_text|>", "<|end_of_text|>");
  parts.kind = "byte-level bpe (tokenizer.model, tiktoken)";
  return Finish(std::move(parts), config, name);
}

std::unique_ptr<WordTokenizer> TokenizerFromTekken(std::string_view document,
                                                   const std::string& name,
                                                   const TokenizerConfig& config) {
  const nlohmann::json parsed = ParseJson(document, name);
  const JsonValue root(&parsed, name + ": tekken");
  WordTokenizerParts parts;
  std::vector<AddedToken> special = TekkenTokens(root);
  parts.model = MakeRankedBpe(TekkenVocabulary(root, special.size()),
                              static_cast<std::int32_t>(special.size()), name);
  const auto find = [&](std::string_view token) { return parts.model->Find(token); };
  parts.added_tokens = AllAddedTokens(std::move(special), config, find, parts.model->MaxId() + 1);
  parts.pre_tokenizer = MakeSplitByteLevel(root.At("config").At("pattern").String().c_str());
  parts.special = SpecialOf(parts, config, "<s>", "</s>");
  parts.kind = "byte-level bpe (tekken.json)";
  return Finish(std::move(parts), config, name);
}

std::unique_ptr<Tokenizer> LoadTokenizerModel(const std::string& folder) {
  const std::string path = folder + "/tokenizer.model";
  const std::string bytes = ReadFile(path);
  if (!LooksLikeTiktoken(bytes)) return LoadSentencePiece(folder);
  return TokenizerFromTiktoken(bytes, path, ReadTokenizerConfig(folder));
}

std::unique_ptr<Tokenizer> LoadTekken(const std::string& folder) {
  const std::string path = folder + "/tekken.json";
  return TokenizerFromTekken(ReadFile(path), path, ReadTokenizerConfig(folder));
}

}  // namespace roundlab
