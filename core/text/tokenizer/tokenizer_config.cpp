#include "core/text/tokenizer/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/base/error.h"
#include "core/text/tokenizer/json_value.h"

namespace roundlab {
namespace {

using nlohmann::json;

// A file of the folder, as an object at its path; a missing file is an empty object.
struct Document {
  explicit Document(const std::string& path) : place(path) {
    std::optional<json> read = ReadJsonFile(path);
    exists = read.has_value();
    content = read.has_value() ? std::move(*read) : json::object();
  }
  JsonValue root() const { return {&content, place}; }

  std::string place;
  bool exists = false;
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
    name.none = !name.token.has_value();
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

AddedToken ReadToken(const JsonValue& item, bool special) {
  AddedToken token;
  token.content = item.At("content").String();
  token.special = item.BoolOr("special", special);
  token.single_word = item.BoolOr("single_word", false);
  token.lstrip = item.BoolOr("lstrip", false);
  token.rstrip = item.BoolOr("rstrip", false);
  token.normalized = item.BoolOr("normalized", !token.special);
  return token;
}

std::vector<AddedToken> ReadAddedTokensDecoder(const JsonValue& value) {
  std::vector<AddedToken> tokens;
  for (const auto& [key, entry] : value.Object().items()) {
    AddedToken token = ReadToken(JsonValue(&entry, value.place() + "." + key), false);
    token.id = IdFromKey(key, value.place());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<AddedToken> ReadAddedTokensFile(const Document& file, const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : file.root().Object().items()) {
    const auto names = [&text = content](const auto& named) { return named.token.content == text; };
    AddedToken token;
    token.content = content;
    token.id = JsonValue(&id, file.place + "." + content).Id();
    token.special = std::any_of(config.named_tokens.begin(), config.named_tokens.end(), names);
    token.normalized = !token.special;
    tokens.push_back(token);
  }
  return tokens;
}

// "<s>", or {"content": "<s>", "lstrip": false, ...}
TokenizerConfig::Named ReadNamed(const JsonValue& value) {
  if (value.IsObject()) {
    AddedToken token = ReadToken(value, true);
    token.special = true;
    return {std::move(token), true};
  }
  AddedToken token;
  token.content = value.String();
  token.special = true;
  token.normalized = false;
  return {std::move(token), false};
}

// ["<image>", ...], or by part: {"image_token": "<image>"}
void AppendNamedList(const JsonValue& value, std::vector<TokenizerConfig::Named>* named) {
  if (!value.IsObject()) {
    for (const JsonValue& token : value.Items()) named->push_back(ReadNamed(token));
    return;
  }
  for (const auto& [part, token] : value.Object().items()) {
    named->push_back(ReadNamed(JsonValue(&token, value.place() + "." + part)));
  }
}

// Of the first of `files` that has a part, and of all lists, those of the last file first.
std::vector<TokenizerConfig::Named> ReadNamedTokens(const std::vector<const Document*>& files) {
  std::vector<TokenizerConfig::Named> named;
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    for (const Document* file : files) {
      if (!file->root().Has(key)) continue;
      if (const auto value = file->root().Find(key)) named.push_back(ReadNamed(*value));
      break;
    }
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      if (const auto value = (*file)->root().Find(key)) AppendNamedList(*value, &named);
    }
  }
  std::erase_if(named, [](const auto& one) { return one.token.content.empty(); });
  return named;
}

}  // namespace

std::optional<std::int32_t> SpecialName::Resolve(const FindToken& find) const {
  if (!token.has_value()) return id;
  const std::optional<std::int32_t> found = find(*token);
  if (!found.has_value()) throw Error(place + ": token '" + *token + "' is not in the vocabulary");
  return found;
}

TokenizerConfig ReadTokenizerConfig(const std::string& folder) {
  const Document tokenizer_config(folder + "/tokenizer_config.json");
  const Document special_tokens_map(folder + "/special_tokens_map.json");
  const Document added_tokens(folder + "/added_tokens.json");
  const Document model_config(folder + "/config.json");
  const JsonValue root = tokenizer_config.root();
  const auto flag = [&](const char* key) -> std::optional<bool> {
    const auto value = root.Find(key);
    if (!value.has_value()) return std::nullopt;
    return value->Bool();
  };
  TokenizerConfig config;
  config.given = tokenizer_config.exists || special_tokens_map.exists || added_tokens.exists;
  const bool numbered = root.Has("added_tokens_decoder");
  std::vector<const Document*> files = {&tokenizer_config, &special_tokens_map};
  if (!numbered) std::swap(files[0], files[1]);
  config.bos = ReadSpecialName(files, model_config, "bos_token");
  config.eos = ReadSpecialName(files, model_config, "eos_token");
  config.add_bos = flag("add_bos_token");
  config.add_eos = flag("add_eos_token");
  config.add_prefix_space = flag("add_prefix_space");
  config.legacy = flag("legacy");
  if (numbered) files.pop_back();
  config.named_tokens = ReadNamedTokens(files);
  if (const auto value = root.Find("tokenizer_class")) config.tokenizer_class = value->String();
  if (const auto value = root.Find("added_tokens_decoder")) {
    config.added_tokens = ReadAddedTokensDecoder(*value);
    config.added_tokens_have_flags = true;
  } else {
    config.added_tokens = ReadAddedTokensFile(added_tokens, config);
  }
  return config;
}

std::vector<AddedToken> AllAddedTokens(std::vector<AddedToken> own, const TokenizerConfig& config,
                                       const FindToken& find, std::int64_t vocab_size) {
  std::vector<AddedToken> all = std::move(own);
  const auto known = [&all](const std::string& content) {
    return std::find_if(all.begin(), all.end(),
                        [&](const AddedToken& token) { return token.content == content; });
  };
  for (const AddedToken& token : config.added_tokens) {
    if (token.content.empty()) continue;
    const auto found = known(token.content);
    if (found == all.end()) {
      all.push_back(token);
    } else {
      *found = token;
    }
  }
  auto next = static_cast<std::int32_t>(vocab_size);
  for (const AddedToken& token : all) next = std::max(next, token.id + 1);
  for (const auto& [token, has_flags] : config.named_tokens) {
    const auto found = known(token.content);
    if (found == all.end()) {
      all.push_back(token);
      const std::optional<std::int32_t> id = find(token.content);
      all.back().id = id.has_value() ? *id : next++;
      continue;
    }
    const std::int32_t id = found->id;
    if (has_flags) *found = token;
    found->id = id;
    found->special = true;
  }
  return all;
}

}  // namespace roundlab
