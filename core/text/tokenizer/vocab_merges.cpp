#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/suggest.h"
#include "core/text/tokenizer/bpe.h"
#include "core/text/tokenizer/json_value.h"
#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

Vocabulary ReadVocabularyFile(const std::string& path) {
  const nlohmann::json document = ParseJson(ReadFile(path), path);
  Vocabulary vocabulary;
  for (const auto& [token, id] : JsonValue(&document, path).Object().items()) {
    vocabulary[token] = JsonValue(&id, path + ": token '" + token + "'").Id();
  }
  return vocabulary;
}

// Lines "left right" by rank; lines that begin with "#version" don't count.
std::vector<std::pair<std::string, std::string>> ReadMergesFile(const std::string& path) {
  const std::string text = ReadFile(path);
  std::vector<std::pair<std::string, std::string>> merges;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.rfind("#version", 0) == 0) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      throw Error(path + ":" + std::to_string(number) + ": expected 'left right', got '" + line +
                  "'");
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

enum class Style { kGpt2, kGptNeoX, kQwen2 };

Style StyleOf(const std::string& folder, const TokenizerConfig& config) {
  struct Entry {
    const char* name;
    Style style;
  };
  static constexpr std::array<Entry, 4> kClasses = {{{"CodeGenTokenizer", Style::kGpt2},
                                                     {"GPT2Tokenizer", Style::kGpt2},
                                                     {"GPTNeoXTokenizer", Style::kGptNeoX},
                                                     {"Qwen2Tokenizer", Style::kQwen2}}};
  if (!config.tokenizer_class.has_value()) return Style::kGpt2;
  std::vector<std::string> known;
  for (const Entry& entry : kClasses) {
    const std::string fast = std::string(entry.name) + "Fast";
    if (*config.tokenizer_class == entry.name || *config.tokenizer_class == fast) {
      return entry.style;
    }
    known.insert(known.end(), {entry.name, fast});
  }
  throw Error(folder + "/tokenizer_config.json.tokenizer_class: unknown class '" +
              *config.tokenizer_class + "'" + SuggestionSuffix(*config.tokenizer_class, known));
}

constexpr const char* kGpt2EndOfText = "<|endoftext|>";

// GPT-2's own special token, which its files do not name.
void NameGpt2EndOfText(const WordModel& model, TokenizerConfig* config) {
  const std::optional<std::int32_t> id = model.Find(kGpt2EndOfText);
  if (!id.has_value() || !config->added_tokens.empty()) return;
  AddedToken token;
  token.content = kGpt2EndOfText;
  token.id = *id;
  token.special = true;
  token.normalized = false;
  config->added_tokens.push_back(token);
  for (SpecialName* name : {&config->bos, &config->eos}) {
    if (!name->token.has_value() && !name->id.has_value()) name->id = id;
  }
}

SpecialIds ResolveSpecial(const TokenizerConfig& config, const WordTokenizerParts& parts) {
  const auto find = [&](std::string_view text) { return parts.Find(text); };
  return {config.bos.Resolve(find), config.eos.Resolve(find)};
}

}  // namespace

std::unique_ptr<PreTokenizer> MakeSplitByteLevel(const char* regex) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(MakeSplit(TextPattern::FromRegex(regex), SplitBehavior::kIsolated, false));
  steps.push_back(MakeByteLevel(false, false));
  return MakeSequence(std::move(steps));
}

TokenTemplate BosEosTemplate(const std::string& place, const SpecialIds& special, bool add_bos,
                             bool add_eos) {
  if (add_bos && !special.bos.has_value())
    throw Error(place + ": BOS is to be added, and is not known");
  if (add_eos && !special.eos.has_value())
    throw Error(place + ": EOS is to be added, and is not known");
  std::vector<std::int32_t> front;
  std::vector<std::int32_t> back;
  if (add_bos) front.push_back(*special.bos);
  if (add_eos) back.push_back(*special.eos);
  return AroundText(std::move(front), std::move(back));
}

std::unique_ptr<Tokenizer> LoadVocabMerges(const std::string& folder) {
  TokenizerConfig config = ReadTokenizerConfig(folder);
  const Style style = StyleOf(folder, config);
  Vocabulary vocabulary = ReadVocabularyFile(folder + "/vocab.json");
  const auto merges = ReadMergesFile(folder + "/merges.txt");
  WordTokenizerParts parts;
  try {
    parts.model = std::make_unique<Bpe>(std::move(vocabulary), merges, BpeOptions{});
  } catch (const Error& error) {
    throw Error(folder + "/merges.txt: " + error.what());
  }
  if (style != Style::kGpt2) parts.normalizer = MakeUnicodeNormalizer(NormalForm::kNfc);
  if (style == Style::kQwen2) {
    parts.pre_tokenizer = MakeSplitByteLevel(kQwen2Regex);
  } else {
    parts.pre_tokenizer = MakeByteLevel(config.add_prefix_space.value_or(false), true);
    NameGpt2EndOfText(*parts.model, &config);
  }
  parts.decoder = MakeByteLevelDecoder();
  const auto find = [&](std::string_view token) { return parts.model->Find(token); };
  parts.added_tokens = AllAddedTokens({}, config, find, parts.model->MaxId() + 1);
  parts.special = ResolveSpecial(config, parts);
  parts.around = BosEosTemplate(folder + "/tokenizer_config.json", parts.special,
                                config.add_bos.value_or(false), config.add_eos.value_or(false));
  parts.kind = "byte-level bpe (vocab.json)";
  try {
    return std::make_unique<WordTokenizer>(std::move(parts));
  } catch (const Error& error) {
    throw Error(folder + "/tokenizer_config.json: " + error.what());
  }
}

}  // namespace roundlab
