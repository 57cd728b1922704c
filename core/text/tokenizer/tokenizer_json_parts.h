#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/text/tokenizer/decoder.h"
#include "core/text/tokenizer/json_value.h"
#include "core/text/tokenizer/normalizer.h"
#include "core/text/tokenizer/pre_tokenizer.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

// The parts of a tokenizer.json, each from its own member. All throw Error naming the place.
std::unique_ptr<Normalizer> ReadNormalizer(const JsonValue& value, int depth = 0);
std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonValue& value, int depth = 0);
std::unique_ptr<Decoder> ReadDecoder(const JsonValue& value, int depth = 0);
void ReadPostProcessor(const JsonValue& value, std::optional<TokenTemplate>* around, int depth = 0);

/// The model, and how Tokenizer::Kind calls it.
struct NamedModel {
  std::unique_ptr<WordModel> model;
  std::string name;
};
NamedModel ReadModel(const JsonValue& value);

/// A part may hold other parts in a Sequence this deep.
constexpr int kMaxPartDepth = 8;

/// The parts listed under `key`, each read by `read` at `depth` + 1.
template <typename Part, typename Read>
std::vector<std::unique_ptr<Part>> ReadParts(const JsonValue& value, const char* key, int depth,
                                             Read read) {
  if (depth >= kMaxPartDepth) {
    throw Error(value.place() + ": sequences nested deeper than " + std::to_string(kMaxPartDepth));
  }
  std::vector<std::unique_ptr<Part>> parts;
  for (const JsonValue& item : value.At(key).Items()) parts.push_back(read(item, depth + 1));
  return parts;
}

/// "<place>.type: unknown type 'x' (known: ...)".
[[noreturn]] void FailType(const JsonValue& value, std::vector<std::string> known);

/// {"String": "..."} or {"Regex": "..."}.
TextPattern ReadPattern(const JsonValue& value);

/// A string of exactly one code point.
std::string ReadCharacter(const JsonValue& value);

}  // namespace roundlab
