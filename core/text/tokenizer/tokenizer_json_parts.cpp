#include "core/text/tokenizer/tokenizer_json_parts.h"

#include <string>
#include <utility>

#include "core/base/suggest.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/base64.h"
#include "core/text/tokenizer/precompiled.h"

namespace roundlab {
namespace {

SplitBehavior ReadBehavior(const JsonValue& value) {
  const std::string& name = value.String();
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  throw Error(value.place() + ": unknown value '" + name + "'" +
              SuggestionSuffix(name, {"Contiguous", "Isolated", "MergedWithNext",
                                      "MergedWithPrevious", "Removed"}));
}

PrependScheme ReadScheme(const JsonValue& value) {
  const auto scheme = value.Find("prepend_scheme");
  const auto old_flag = value.Find("add_prefix_space");
  PrependScheme result = PrependScheme::kAlways;
  if (scheme.has_value()) {
    const std::string& name = scheme->String();
    if (name != "always" && name != "first" && name != "never") {
      throw Error(scheme->place() + ": unknown value '" + name + "'" +
                  SuggestionSuffix(name, {"always", "first", "never"}));
    }
    if (name == "first") result = PrependScheme::kFirst;
    if (name == "never") result = PrependScheme::kNever;
  }
  if (old_flag.has_value() && !old_flag->Bool() && result != PrependScheme::kNever) {
    throw Error(value.place() + ": add_prefix_space false contradicts prepend_scheme");
  }
  return result;
}

std::unique_ptr<PreTokenizer> ReadMetaspace(const JsonValue& value) {
  const PrependScheme scheme = ReadScheme(value);
  return MakeMetaspace(ReadCharacter(value.At("replacement")), scheme, value.BoolOr("split", true));
}

std::size_t ReadCount(const JsonValue& value) { return static_cast<std::size_t>(value.Id()); }

std::unique_ptr<Normalizer> ReadPrecompiled(const JsonValue& value) {
  const std::optional<std::string> charsmap = FromBase64(value.String());
  if (!charsmap.has_value()) throw Error(value.place() + ": expected base64");
  try {
    return MakePrecompiled(*charsmap, value.place());
  } catch (const Error& error) {
    throw Error(value.place() + ": " + error.what());
  }
}

}  // namespace

void FailType(const JsonValue& value, std::vector<std::string> known) {
  const std::string& type = value.At("type").String();
  throw Error(value.place() + ".type: unknown type '" + type + "'" +
              SuggestionSuffix(type, std::move(known)));
}

TextPattern ReadPattern(const JsonValue& value) {
  const auto literal = value.Find("String");
  try {
    if (literal.has_value()) return TextPattern::FromString(literal->String());
    return TextPattern::FromRegex(value.At("Regex").String());
  } catch (const Error& error) {
    if (std::string(error.what()).compare(0, value.place().size(), value.place()) == 0) throw;
    throw Error(value.place() + ": " + error.what());
  }
}

std::string ReadCharacter(const JsonValue& value) {
  const std::string& text = value.String();
  if (text.empty() || Utf8Length(text[0]) != text.size()) {
    throw Error(value.place() + ": expected one character, got '" + text + "'");
  }
  return text;
}

std::unique_ptr<Normalizer> ReadNormalizer(const JsonValue& value, int depth) {
  const std::string& type = value.At("type").String();
  if (type == "Sequence") {
    return MakeSequence(ReadParts<Normalizer>(value, "normalizers", depth, ReadNormalizer));
  }
  if (type == "Prepend") return MakePrepend(value.At("prepend").String());
  if (type == "Replace") {
    return MakeReplace(ReadPattern(value.At("pattern")), value.At("content").String());
  }
  if (type == "NFC") return MakeUnicodeNormalizer(NormalForm::kNfc);
  if (type == "NFD") return MakeUnicodeNormalizer(NormalForm::kNfd);
  if (type == "NFKC") return MakeUnicodeNormalizer(NormalForm::kNfkc);
  if (type == "NFKD") return MakeUnicodeNormalizer(NormalForm::kNfkd);
  if (type == "Lowercase") return MakeLowercase();
  if (type == "Nmt") return MakeNmt();
  if (type == "Precompiled") return ReadPrecompiled(value.At("precompiled_charsmap"));
  if (type == "ByteLevel") return MakeByteLevelNormalizer();
  if (type == "Strip") {
    return MakeStrip(value.At("strip_left").Bool(), value.At("strip_right").Bool());
  }
  FailType(value, {"ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled",
                   "Prepend", "Replace", "Sequence", "Strip"});
}

std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonValue& value, int depth) {
  const std::string& type = value.At("type").String();
  if (type == "Sequence") {
    return MakeSequence(ReadParts<PreTokenizer>(value, "pretokenizers", depth, ReadPreTokenizer));
  }
  if (type == "ByteLevel") {
    return MakeByteLevel(value.At("add_prefix_space").Bool(), value.BoolOr("use_regex", true));
  }
  if (type == "Digits") return MakeDigits(value.At("individual_digits").Bool());
  if (type == "Split") {
    return MakeSplit(ReadPattern(value.At("pattern")), ReadBehavior(value.At("behavior")),
                     value.At("invert").Bool());
  }
  if (type == "Metaspace") return ReadMetaspace(value);
  if (type == "Whitespace") return MakeWhitespace();
  if (type == "WhitespaceSplit") return MakeWhitespaceSplit();
  if (type == "Punctuation") {
    const auto behavior = value.Find("behavior");
    return MakePunctuation(behavior.has_value() ? ReadBehavior(*behavior)
                                                : SplitBehavior::kIsolated);
  }
  FailType(value, {"ByteLevel", "Digits", "Metaspace", "Punctuation", "Sequence", "Split",
                   "Whitespace", "WhitespaceSplit"});
}

std::unique_ptr<Decoder> ReadDecoder(const JsonValue& value, int depth) {
  const std::string& type = value.At("type").String();
  if (type == "Sequence") {
    return MakeSequence(ReadParts<Decoder>(value, "decoders", depth, ReadDecoder));
  }
  if (type == "ByteLevel") return MakeByteLevelDecoder();
  if (type == "ByteFallback") return MakeByteFallbackDecoder();
  if (type == "Fuse") return MakeFuseDecoder();
  if (type == "Replace") {
    return MakeReplaceDecoder(ReadPattern(value.At("pattern")), value.At("content").String());
  }
  if (type == "Strip") {
    return MakeStripDecoder(ReadCharacter(value.At("content")), ReadCount(value.At("start")),
                            ReadCount(value.At("stop")));
  }
  if (type == "Metaspace") {
    return MakeMetaspaceDecoder(ReadCharacter(value.At("replacement")),
                                ReadScheme(value) != PrependScheme::kNever);
  }
  FailType(value,
           {"ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip"});
}

}  // namespace roundlab
