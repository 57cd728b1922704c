#include "core/text/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/tokenizer_json_parts.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

using nlohmann::json;

std::vector<std::int32_t> TemplateIds(const JsonValue& tokens, const JsonValue& piece) {
  const std::string& name = piece.At("id").String();
  const auto token = tokens.Object().find(name);
  if (token == tokens.Object().end()) {
    throw Error(piece.place() + ".id: '" + name + "' is not in special_tokens");
  }
  std::vector<std::int32_t> ids;
  const JsonValue entry(&*token, tokens.place() + "." + name);
  for (const JsonValue& id : entry.At("ids").Items()) ids.push_back(id.Id());
  return ids;
}

TokenTemplate ReadTemplate(const JsonValue& value) {
  TokenTemplate parts;
  for (const JsonValue& piece : value.At("single").Items()) {
    const auto sequence = piece.Find("Sequence");
    if (!sequence.has_value()) {
      parts.push_back({TemplateIds(value.At("special_tokens"), piece.At("SpecialToken"))});
      continue;
    }
    const JsonValue id = sequence->At("id");
    if (id.String() != "A") throw Error(id.place() + ": expected 'A', got '" + id.String() + "'");
    parts.push_back({std::nullopt});
  }
  return parts;
}

AddedToken ReadAddedToken(const JsonValue& value) {
  AddedToken token;
  token.content = value.At("content").String();
  value.At("id").Id();  // must be there; the model's own id counts
  token.single_word = value.At("single_word").Bool();
  token.lstrip = value.At("lstrip").Bool();
  token.rstrip = value.At("rstrip").Bool();
  token.normalized = value.At("normalized").Bool();
  token.special = value.At("special").Bool();
  return token;
}

bool SameFlags(const AddedToken& a, const AddedToken& b) {
  return a.single_word == b.single_word && a.lstrip == b.lstrip && a.rstrip == b.rstrip &&
         a.normalized == b.normalized && a.special == b.special;
}

// Gives each token the id that the library gives it.
std::vector<AddedToken> ReadAddedTokens(const JsonValue& value, const WordModel& model) {
  std::vector<AddedToken> tokens;
  std::map<std::string, AddedToken> known;
  auto next_id = static_cast<std::int32_t>(model.size());
  for (const JsonValue& item : value.Items()) {
    AddedToken token = ReadAddedToken(item);
    if (token.content.empty()) continue;
    const auto earlier = known.find(token.content);
    if (earlier != known.end() && SameFlags(earlier->second, token)) continue;
    const std::optional<std::int32_t> of_model = model.Find(token.content);
    if (earlier != known.end()) {
      token.id = earlier->second.id;
    } else {
      token.id = of_model.has_value() ? *of_model : next_id++;
    }
    known[token.content] = token;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Adds the tokens of the files beside tokenizer.json.
void AddTokensOf(const TokenizerConfig& config, WordTokenizerParts* parts) {
  auto next_id = static_cast<std::int32_t>(parts->model->size());
  for (const AddedToken& token : parts->added_tokens) next_id = std::max(next_id, token.id + 1);
  const auto add = [&](AddedToken token, bool replace) {
    if (token.content.empty()) return;
    std::optional<std::int32_t> id = FindAdded(parts->added_tokens, token.content);
    if (id.has_value() && !replace) return;
    if (!id.has_value()) id = parts->model->Find(token.content);
    token.id = id.has_value() ? *id : next_id++;
    parts->added_tokens.push_back(std::move(token));
  };
  std::vector<AddedToken> numbered = config.added_tokens;
  std::sort(numbered.begin(), numbered.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (AddedToken& token : numbered) add(std::move(token), config.added_tokens_have_flags);
  for (const TokenizerConfig::Named& named : config.named_tokens) add(named.token, false);
}

// Whether `is` holds of a part of a document or of one inside it.
bool AnyPart(const json& part, bool (*is)(const json& part, const json& type), int depth = 0) {
  if (!part.is_object() || !part.contains("type") || depth > kMaxPartDepth) return false;
  if (is(part, part["type"])) return true;
  for (const char* list : {"normalizers", "pretokenizers"}) {
    for (const json& inner : part.value(list, json::array())) {
      if (AnyPart(inner, is, depth + 1)) return true;
    }
  }
  return false;
}

bool HasByteLevel(const json& pre_tokenizer) {
  return AnyPart(pre_tokenizer, [](const json&, const json& type) { return type == "ByteLevel"; });
}

bool PutsSpaceInFront(const json& part) {
  return AnyPart(part, [](const json& one, const json& type) {
    if (type != "Metaspace") return type == "Prepend";
    const bool never = one.value("prepend_scheme", json()) == "never";
    return !never && one.value("add_prefix_space", json()) != false;
  });
}

// ["<s>", 0]
std::int32_t NamedId(const JsonValue& value) {
  const std::vector<JsonValue> pair = value.Items();
  if (pair.size() != 2) throw Error(value.place() + ": expected a token and its id");
  return pair[1].Id();
}

}  // namespace

// Where tokenizer_config.json says of a Llama tokenizer whether a space stands in front, and
// tokenizer.json has it otherwise, transformers makes the parts around its vocabulary anew.
void FollowPrefixSpace(const TokenizerConfig& config, json* document) {
  const bool llama =
      config.tokenizer_class == "LlamaTokenizer" || config.tokenizer_class == "LlamaTokenizerFast";
  if (!llama || !config.add_prefix_space.has_value() || !document->is_object()) return;
  json& normalizer = (*document)["normalizer"];
  json& pre_tokenizer = (*document)["pre_tokenizer"];
  if (HasByteLevel(pre_tokenizer)) return;
  const bool wanted = *config.add_prefix_space;
  if (wanted == (PutsSpaceInFront(normalizer) || PutsSpaceInFront(pre_tokenizer))) return;
  const auto replace = [](std::string_view what, std::string_view with) -> json {
    return {{"type", "Replace"}, {"pattern", {{"String", what}}}, {"content", with}};
  };
  normalizer = pre_tokenizer = nullptr;
  if (config.legacy.value_or(false)) {
    json steps = json::array();
    if (wanted) steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
    steps.push_back(replace(" ", kSpaceMark));
    normalizer = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
  } else {
    pre_tokenizer = {{"type", "Metaspace"},
                     {"replacement", kSpaceMark},
                     {"prepend_scheme", wanted ? "first" : "never"},
                     {"split", false}};
  }
  json steps = {replace(kSpaceMark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (wanted) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1U}, {"stop", 0U}});
  (*document)["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

void ReadPostProcessor(const JsonValue& value, std::optional<TokenTemplate>* around, int depth) {
  const std::string& type = value.At("type").String();
  if (type == "TemplateProcessing") {
    if (around->has_value()) throw Error(value.place() + ": a second template is not supported");
    *around = ReadTemplate(value);
    return;
  }
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    if (around->has_value()) throw Error(value.place() + ": a second template is not supported");
    *around = AroundText({NamedId(value.At("cls"))}, {NamedId(value.At("sep"))});
    return;
  }
  if (type != "Sequence") {
    FailType(value, {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence",
                     "TemplateProcessing"});
  }
  if (depth >= kMaxPartDepth) {
    throw Error(value.place() + ": sequences nested deeper than " + std::to_string(kMaxPartDepth));
  }
  for (const JsonValue& item : value.At("processors").Items()) {
    ReadPostProcessor(item, around, depth + 1);
  }
}

std::unique_ptr<WordTokenizer> TokenizerFromJson(std::string_view document, const std::string& name,
                                                 const TokenizerConfig& config) {
  json parsed = ParseJson(document, name);
  FollowPrefixSpace(config, &parsed);
  const JsonValue root(&parsed, name + ": tokenizer");
  const auto version = root.Find("version");
  if (version.has_value() && version->String() != "1.0") {
    throw Error(version->place() + ": unknown version '" + version->String() + "' (known: 1.0)");
  }
  WordTokenizerParts parts;
  NamedModel model = ReadModel(root.At("model"));
  parts.model = std::move(model.model);
  if (const auto part = root.Find("normalizer")) parts.normalizer = ReadNormalizer(*part);
  if (const auto part = root.Find("pre_tokenizer")) parts.pre_tokenizer = ReadPreTokenizer(*part);
  if (const auto part = root.Find("decoder")) parts.decoder = ReadDecoder(*part);
  if (const auto part = root.Find("post_processor")) ReadPostProcessor(*part, &parts.around);
  if (const auto part = root.Find("added_tokens")) {
    parts.added_tokens = ReadAddedTokens(*part, *parts.model);
  }
  const auto find = [&](std::string_view text) { return parts.Find(text); };
  parts.special = {config.bos.Resolve(find), config.eos.Resolve(find)};
  AddTokensOf(config, &parts);
  const auto pre_tokenizer = root.Find("pre_tokenizer");
  const bool byte_level = pre_tokenizer.has_value() && HasByteLevel(pre_tokenizer->Object());
  parts.kind = (byte_level ? "byte-level " : "") + model.name + " (tokenizer.json)";
  try {
    return std::make_unique<WordTokenizer>(std::move(parts));
  } catch (const Error& error) {
    throw Error(name + ": tokenizer.added_tokens: " + error.what());
  }
}

std::unique_ptr<Tokenizer> LoadTokenizerJson(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  return TokenizerFromJson(ReadFile(path), path, ReadTokenizerConfig(folder));
}

}  // namespace roundlab
