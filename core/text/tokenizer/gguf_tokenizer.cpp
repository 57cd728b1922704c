#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/formats/gguf.h"
#include "core/text/tokenizer/spm_tokenizer.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";

std::optional<std::int32_t> OptionalId(const GgufFile& file, const std::string& key) {
  if (!file.Has(key)) return std::nullopt;
  const std::int64_t id = file.Integer(key);
  const auto count = static_cast<std::int64_t>(file.Strings(kTokens).size());
  if (id < 0 || id >= count) {
    throw Error(file.path() + ": " + key + ": " + std::to_string(id) + " is out of range [0, " +
                std::to_string(count - 1) + "]");
  }
  return static_cast<std::int32_t>(id);
}

bool OptionalFlag(const GgufFile& file, const char* key, bool fallback) {
  return file.Has(key) ? file.Bool(key) : fallback;
}

std::vector<PieceType> TokenTypes(const GgufFile& file) {
  const std::size_t count = file.Strings(kTokens).size();
  if (!file.Has(kTypes)) return std::vector<PieceType>(count, PieceType::kNormal);
  std::vector<PieceType> types;
  for (const std::int64_t type : file.Integers(kTypes)) {
    if (type < 1 || type > 6) {
      throw Error(file.path() + ": " + kTypes + ": " + std::to_string(type) +
                  " is out of range [1, 6]");
    }
    types.push_back(static_cast<PieceType>(type));
  }
  if (types.size() != count) {
    throw Error(file.path() + ": " + kTypes + " has " + std::to_string(types.size()) +
                " entries, " + kTokens + " has " + std::to_string(count));
  }
  return types;
}

SpecialIds ReadSpecial(const GgufFile& file) {
  return {OptionalId(file, "tokenizer.ggml.bos_token_id"),
          OptionalId(file, "tokenizer.ggml.eos_token_id")};
}

// Falcon's tokenizer.json: punctuation, GPT-2's split, runs of digits, three digits at a time.
std::unique_ptr<PreTokenizer> MakeFalcon() {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(MakePunctuation(SplitBehavior::kContiguous));
  steps.push_back(MakeByteLevel(false, true));
  steps.push_back(MakeDigits(false));
  steps.push_back(
      MakeSplit(TextPattern::FromRegex("[0-9][0-9][0-9]"), SplitBehavior::kIsolated, false));
  return MakeSequence(std::move(steps));
}

// SmolLM's and StarCoder's tokenizer.json: every digit alone, then GPT-2's split.
std::unique_ptr<PreTokenizer> MakeDigitsByteLevel() {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(MakeDigits(true));
  steps.push_back(MakeByteLevel(false, true));
  return MakeSequence(std::move(steps));
}

struct PreType {
  const char* name;  // tokenizer.ggml.pre
  std::unique_ptr<PreTokenizer> (*make)();
  bool nfc;
  bool ignore_merges;
  bool adds_bos;  // where tokenizer.ggml.add_bos_token is missing
};

const std::vector<PreType>& PreTypes() {
  static const std::vector<PreType> kTypesList = [] {
    const auto gpt2 = [] { return MakeByteLevel(false, true); };
    const auto qwen2 = [] { return MakeSplitByteLevel(kQwen2Regex); };
    const auto llama3 = [] { return MakeSplitByteLevel(kLlama3Regex); };
    return std::vector<PreType>{
        {"default", gpt2, false, false, false},
        {"gpt-2", gpt2, false, false, false},
        {"smollm", MakeDigitsByteLevel, false, false, false},
        {"starcoder", MakeDigitsByteLevel, false, false, false},
        {"falcon", MakeFalcon, false, false, false},
        {"qwen2", qwen2, true, false, false},
        {"deepseek-r1-qwen", qwen2, true, false, false},
        {"llama-bpe", llama3, false, true, true},
        {"llama-v3", llama3, false, true, true},
        {"llama3", llama3, false, true, true},
    };
  }();
  return kTypesList;
}

const PreType& FindPreType(const GgufFile& file) {
  constexpr const char* kKey = "tokenizer.ggml.pre";
  const std::string name = file.Has(kKey) ? file.String(kKey) : "default";
  std::vector<std::string> known;
  for (const PreType& type : PreTypes()) {
    if (name == type.name) return type;
    known.emplace_back(type.name);
  }
  throw Error(file.path() + ": " + kKey + ": unknown value '" + name + "'" +
              SuggestionSuffix(name, known));
}

std::vector<std::pair<std::string, std::string>> ReadGgufMerges(const GgufFile& file) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& merge : file.Strings("tokenizer.ggml.merges")) {
    const std::size_t space = merge.find(' ', 1);  // a token may be a space
    if (space == std::string::npos) {
      throw Error(file.path() + ": tokenizer.ggml.merges: expected 'left right', got '" + merge +
                  "'");
    }
    merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return merges;
}

std::vector<AddedToken> SpecialTokensInText(const std::vector<std::string>& tokens,
                                            const std::vector<PieceType>& types) {
  std::vector<AddedToken> added;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool control = types[i] == PieceType::kControl;
    if ((!control && types[i] != PieceType::kUserDefined) || tokens[i].empty()) continue;
    AddedToken token;
    token.content = tokens[i];
    token.id = static_cast<std::int32_t>(i);
    token.special = control;
    token.normalized = false;
    added.push_back(token);
  }
  return added;
}

std::unique_ptr<Tokenizer> LoadByteLevel(const GgufFile& file) {
  const std::vector<std::string>& tokens = file.Strings(kTokens);
  const PreType& pre = FindPreType(file);
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    vocabulary.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
  BpeOptions options;
  options.ignore_merges = pre.ignore_merges;
  BpeTokenizerParts parts;
  parts.model = std::make_unique<Bpe>(std::move(vocabulary), ReadGgufMerges(file), options);
  if (pre.nfc) parts.normalizer = MakeUnicodeNormalizer(NormalForm::kNfc);
  parts.pre_tokenizer = pre.make();
  parts.decoder = MakeByteLevelDecoder();
  parts.added_tokens = SpecialTokensInText(tokens, TokenTypes(file));
  parts.special = ReadSpecial(file);
  parts.around = BosEosTemplate(file.path(), parts.special,
                                OptionalFlag(file, "tokenizer.ggml.add_bos_token", pre.adds_bos),
                                OptionalFlag(file, "tokenizer.ggml.add_eos_token", false));
  parts.kind = std::string("byte-level bpe (gguf, ") + pre.name + ")";
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

std::unique_ptr<Tokenizer> LoadSpm(const GgufFile& file) {
  for (const char* key :
       {"tokenizer.ggml.precompiled_charsmap", "tokenizer.ggml.remove_extra_whitespaces"}) {
    if (file.Has(key)) throw Error(file.path() + ": " + key + " is not supported");
  }
  const std::vector<std::string>& tokens = file.Strings(kTokens);
  const std::vector<PieceType> types = TokenTypes(file);
  const std::vector<double>& scores = file.Reals("tokenizer.ggml.scores");
  if (scores.size() != tokens.size()) {
    throw Error(file.path() + ": tokenizer.ggml.scores has " + std::to_string(scores.size()) +
                " entries, " + kTokens + " has " + std::to_string(tokens.size()));
  }
  std::vector<SpmPiece> pieces;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    pieces.push_back({tokens[i], scores[i], types[i]});
  }
  SpmOptions options;
  options.special = ReadSpecial(file);
  options.add_space_prefix = OptionalFlag(file, "tokenizer.ggml.add_space_prefix", true);
  options.around = BosEosTemplate(file.path(), options.special,
                                  OptionalFlag(file, "tokenizer.ggml.add_bos_token", true),
                                  OptionalFlag(file, "tokenizer.ggml.add_eos_token", false));
  return MakeSpmTokenizer(std::move(pieces), std::move(options));
}

}  // namespace

std::unique_ptr<Tokenizer> LoadGgufTokenizer(const std::string& path) {
  const GgufFile file(path);
  const std::string& model = file.String("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    throw Error(path + ": tokenizer.ggml.model: unknown value '" + model + "'" +
                SuggestionSuffix(model, {"gpt2", "llama"}));
  }
  try {
    return model == "gpt2" ? LoadByteLevel(file) : LoadSpm(file);
  } catch (const Error& error) {
    if (std::string(error.what()).rfind(path, 0) == 0) throw;
    throw Error(path + ": " + error.what());
  }
}

}  // namespace roundlab
