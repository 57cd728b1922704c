#include "core/text/tokenizer/tokenizer_config.h"

#include <charconv>

#include "core/base/error.h"
#include "core/text/tokenizer/json_value.h"

namespace roundlab {
namespace {

using nlohmann::json;

// A file of the folder, as an object at its path; a missing file is an empty object.
struct Document {
  explicit Document(const std::string& path) : place(path) {
    std::optional<json> read = ReadJsonFile(path);
    content = read.has_value() ? std::move(*read) : json::object();
  }
  JsonValue root() const { return {&content, place}; }

  std::string place;
  json content;
};

// "bos_token": "<s>", or {"content": "<s>", ...}, or null
std::optional<std::string> TokenText(const JsonValue& file, const std::string& key) {
  const auto value = file.Find(key);
  if (!value.has_value()) return std::nullopt;
  return value->IsObject() ? value->At("content").String() : value->String();
}

// "bos_token_id": 1, or [1, 2], or null
std::optional<std::int32_t> TokenId(const JsonValue& file, const std::string& key) {
  const auto value = file.Find(key);
  if (!value.has_value()) return std::nullopt;
  if (!value->IsArray()) return value->Id();
  const std::vector<JsonValue> ids = value->Items();
  if (ids.empty()) return std::nullopt;
  return ids.front().Id();
}

SpecialName ReadSpecialName(const std::vector<const Document*>& tokenizer_files,
                            const Document& config, const std::string& key) {
  SpecialName name;
  for (const Document* file : tokenizer_files) {
    if (!file->root().Has(key)) continue;
    name.place = file->place + "." + key;
    name.token = TokenText(file->root(), key);
    return name;
  }
  name.place = config.place + "." + key + "_id";
  name.id = TokenId(config.root(), key + "_id");
  return name;
}

std::int32_t IdFromKey(const std::string& key, const std::string& place) {
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size() || id < 0) {
    throw Error(place + ": expected a token id as key, got '" + key + "'");
  }
  return id;
}

std::vector<AddedToken> ReadAddedTokensDecoder(const JsonValue& value) {
  std::vector<AddedToken> tokens;
  for (const auto& [key, entry] : value.Object().items()) {
    const JsonValue item(&entry, value.place() + "." + key);
    AddedToken token;
    token.id = IdFromKey(key, value.place());
    token.content = item.At("content").String();
    token.special = item.BoolOr("special", false);
    token.single_word = item.BoolOr("single_word", false);
    token.lstrip = item.BoolOr("lstrip", false);
    token.rstrip = item.BoolOr("rstrip", false);
    token.normalized = item.BoolOr("normalized", !token.special);
    tokens.push_back(token);
  }
  return tokens;
}

std::vector<AddedToken> ReadAddedTokensFile(const Document& file, const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : file.root().Object().items()) {
    AddedToken token;
    token.content = content;
    token.id = JsonValue(&id, file.place + "." + content).Id();
    token.special = config.bos.token == content || config.eos.token == content;
    token.normalized = !token.special;
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace

std::optional<std::int32_t> SpecialName::Resolve(
    const std::function<std::optional<std::int32_t>(std::string_view)>& find) const {
  if (!token.has_value()) return id;
  const std::optional<std::int32_t> found = find(*token);
  if (!found.has_value()) throw Error(place + ": token '" + *token + "' is not in the vocabulary");
  return found;
}

TokenizerConfig ReadTokenizerConfig(const std::string& folder) {
  const Document tokenizer_config(folder + "/tokenizer_config.json");
  const Document special_tokens_map(folder + "/special_tokens_map.json");
  const Document model_config(folder + "/config.json");
  const JsonValue root = tokenizer_config.root();
  const auto flag = [&](const char* key) -> std::optional<bool> {
    const auto value = root.Find(key);
    if (!value.has_value()) return std::nullopt;
    return value->Bool();
  };
  TokenizerConfig config;
  const std::vector<const Document*> files = {&tokenizer_config, &special_tokens_map};
  config.bos = ReadSpecialName(files, model_config, "bos_token");
  config.eos = ReadSpecialName(files, model_config, "eos_token");
  config.add_bos = flag("add_bos_token");
  config.add_eos = flag("add_eos_token");
  config.add_prefix_space = flag("add_prefix_space").value_or(false);
  if (const auto value = root.Find("tokenizer_class")) config.tokenizer_class = value->String();
  if (const auto value = root.Find("added_tokens_decoder")) {
    config.added_tokens = ReadAddedTokensDecoder(*value);
  } else {
    config.added_tokens = ReadAddedTokensFile(Document(folder + "/added_tokens.json"), config);
  }
  return config;
}

}  // namespace roundlab
