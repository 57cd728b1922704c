#include <algorithm>
#include <cctype>
#include <utility>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/formats/gguf.h"
#include "core/text/tokenizer/bpe.h"
#include "core/text/tokenizer/gguf_pre_tokenizer.h"
#include "core/text/tokenizer/spm_tokenizer.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kBosId = "tokenizer.ggml.bos_token_id";
constexpr const char* kEosId = "tokenizer.ggml.eos_token_id";

// A special token's id. llama.cpp passes over one beyond the vocabulary and takes its own default
// (`otherwise`), where that is in the vocabulary.
std::optional<std::int32_t> SpecialId(const GgufFile& file, const char* key,
                                      std::int32_t otherwise) {
  const auto count = static_cast<std::int64_t>(file.Strings(kTokens).size());
  const std::int64_t id = file.Has(key) ? file.Integer(key) : otherwise;
  if (id >= 0 && id < count) return static_cast<std::int32_t>(id);
  if (otherwise < count) return otherwise;
  return std::nullopt;
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

std::vector<SpmPiece> ReadPieces(const GgufFile& file) {
  const std::vector<std::string>& tokens = file.Strings(kTokens);
  const std::vector<PieceType> types = TokenTypes(file);
  std::vector<SpmPiece> pieces;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool empty = tokens[i].empty();  // llama.cpp's name for it
    pieces.push_back({empty ? "[EMPTY_" + std::to_string(i) + "]" : tokens[i], 0, types[i]});
  }
  return pieces;
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

// Phi-3's special tokens swallow the space behind them, which GGUF files don't say: llama.cpp knows
// it by the model's name.
void StripBehindPhi3(const GgufFile& file, std::vector<AddedToken>* tokens) {
  std::string name = file.Has("general.name") ? file.String("general.name") : "";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (AddedToken& token : *tokens) {
    token.rstrip =
        token.content != "<unk>" && token.content != "<s>" && token.content != "<|endoftext|>";
  }
}

GgufPreTokenizer PreTokenizerOf(const std::string& place, const std::string& name) {
  try {
    return MakeGgufPreTokenizer(name);
  } catch (const Error& error) {
    throw Error(place + ": " + error.what());
  }
}

std::unique_ptr<Tokenizer> LoadByteLevel(const GgufFile& file) {
  const std::vector<std::string>& tokens = file.Strings(kTokens);
  constexpr const char* kPre = "tokenizer.ggml.pre";
  const std::string name = file.Has(kPre) ? file.String(kPre) : "default";
  GgufPreTokenizer pre = PreTokenizerOf(file.path() + ": " + kPre, name);
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    vocabulary.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
  BpeOptions options;
  options.ignore_merges = pre.ignore_merges;
  WordTokenizerParts parts;
  parts.model = std::make_unique<Bpe>(std::move(vocabulary), ReadGgufMerges(file), options);
  if (pre.nfc) parts.normalizer = MakeUnicodeNormalizer(NormalForm::kNfc);
  parts.pre_tokenizer = std::move(pre.pre_tokenizer);
  parts.decoder = MakeByteLevelDecoder();
  parts.added_tokens = PiecesInText(ReadPieces(file));
  StripBehindPhi3(file, &parts.added_tokens);
  // Where the file names none, there is none: llama.cpp's default is Falcon's.
  constexpr std::int32_t kFalcon = 11;
  if (file.Has(kBosId)) parts.special.bos = SpecialId(file, kBosId, kFalcon);
  if (file.Has(kEosId)) parts.special.eos = SpecialId(file, kEosId, kFalcon);
  parts.around = BosEosTemplate(file.path(), parts.special,
                                OptionalFlag(file, "tokenizer.ggml.add_bos_token", pre.adds_bos),
                                OptionalFlag(file, "tokenizer.ggml.add_eos_token", false));
  parts.kind = std::string("byte-level bpe (gguf, ") + name + ")";
  return std::make_unique<WordTokenizer>(std::move(parts));
}

std::unique_ptr<Tokenizer> LoadSpm(const GgufFile& file) {
  constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";
  if (file.Has(kCharsmap)) throw Error(file.path() + ": " + kCharsmap + " is not supported");
  std::vector<SpmPiece> pieces = ReadPieces(file);
  const std::vector<double>& scores = file.Reals("tokenizer.ggml.scores");
  if (scores.size() != pieces.size()) {
    throw Error(file.path() + ": tokenizer.ggml.scores has " + std::to_string(scores.size()) +
                " entries, " + kTokens + " has " + std::to_string(pieces.size()));
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i].score = scores[i];
  SpmOptions options;
  options.added_tokens = PiecesInText(pieces);
  StripBehindPhi3(file, &options.added_tokens);
  options.special = {SpecialId(file, kBosId, 1), SpecialId(file, kEosId, 2)};
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
