#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/text/tokenizer/bpe.h"
#include "core/text/tokenizer/tokenizer_json_parts.h"
#include "core/text/tokenizer/unigram.h"
#include "core/text/tokenizer/word_level.h"

namespace roundlab {
namespace {

using nlohmann::json;

Vocabulary ReadVocabulary(const JsonValue& value) {
  Vocabulary vocabulary;
  vocabulary.reserve(value.Object().size());
  for (const auto& [token, id] : value.Object().items()) {
    if (!id.is_number_unsigned()) {
      throw Error(value.place() + ": token '" + token + "': expected an integer, got " +
                  id.type_name());
    }
    vocabulary[token] = JsonValue(&id, value.place() + ": token '" + token + "'").Id();
  }
  return vocabulary;
}

std::pair<std::string, std::string> ReadMerge(const json& merge, const std::string& place,
                                              std::size_t index) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  throw Error(place + "[" + std::to_string(index) +
              "]: expected \"left right\" or [\"left\", \"right\"], got " +
              (merge.is_string() ? "'" + merge.get<std::string>() + "'" : merge.type_name()));
}

std::vector<std::pair<std::string, std::string>> ReadMerges(const JsonValue& value) {
  std::vector<std::pair<std::string, std::string>> merges;
  const json& list = value.Array();
  merges.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool is_header =
        list[i].is_string() && list[i].get_ref<const std::string&>().rfind("#version", 0) == 0;
    if (!is_header) merges.push_back(ReadMerge(list[i], value.place(), i));
  }
  return merges;
}

// The library reads a decimal as an integer of its digits, times or over a power of ten. That
// rounds twice, and the last bit decides between cuts whose sums are the same but for rounding
// ("a" "aa" "aa" and "aa" "a" "aa"). The digits are the fewest that give `score`, as all writers of
// such files have.
double AsTheLibraryReads(double score) {
  std::array<char, 32> buffer{};
  char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(score),
                            std::chars_format::scientific)
                  .ptr;
  std::string digits(buffer.data(), end);  // 1.25e-01
  const std::size_t mark = digits.find('e');
  int exponent = std::stoi(digits.substr(mark + 1));
  digits.resize(mark);
  if (mark > 2) {
    exponent -= static_cast<int>(mark) - 2;
    digits.erase(1, 1);
  }
  constexpr int kLargestPower = 308;
  if (std::abs(exponent) > kLargestPower) return score;
  const double power = std::stod("1e" + std::to_string(std::abs(exponent)));
  const auto whole = static_cast<double>(std::stoull(digits));
  return std::copysign(exponent < 0 ? whole / power : whole * power, score);
}

std::vector<UnigramPiece> ReadUnigramPieces(const JsonValue& value) {
  std::vector<UnigramPiece> pieces;
  pieces.reserve(value.Array().size());
  for (const JsonValue& item : value.Items()) {
    const std::vector<JsonValue> pair = item.Items();
    if (pair.size() != 2) throw Error(item.place() + ": expected a piece and its score");
    pieces.push_back({pair[0].String(), AsTheLibraryReads(pair[1].Number())});
  }
  return pieces;
}

std::unique_ptr<WordModel> ReadBpeModel(const JsonValue& value) {
  const auto require_empty = [&](const char* key) {
    const auto text = value.Find(key);
    if (text.has_value() && !text->String().empty()) {
      throw Error(text->place() + ": '" + text->String() + "' is not supported (known: '')");
    }
  };
  require_empty("continuing_subword_prefix");
  require_empty("end_of_word_suffix");
  const auto dropout = value.Find("dropout");
  if (dropout.has_value() && !dropout->IsZero())
    throw Error(dropout->place() + ": dropout is not supported");
  BpeOptions options;
  options.place = value.place();
  const auto unk = value.Find("unk_token");
  if (unk.has_value()) options.unk_token = unk->String();
  options.fuse_unk = value.BoolOr("fuse_unk", false);
  options.byte_fallback = value.BoolOr("byte_fallback", false);
  options.ignore_merges = value.BoolOr("ignore_merges", false);
  Vocabulary vocabulary = ReadVocabulary(value.At("vocab"));
  const auto merges = ReadMerges(value.At("merges"));
  try {
    return std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(options));
  } catch (const Error& error) {
    throw Error(value.place() + ": " + error.what());
  }
}

std::unique_ptr<WordModel> ReadUnigramModel(const JsonValue& value) {
  UnigramOptions options;
  options.place = value.place();
  const auto unk_id = value.Find("unk_id");
  if (unk_id.has_value()) options.unk_id = unk_id->Id();
  options.byte_fallback = value.BoolOr("byte_fallback", false);
  std::vector<UnigramPiece> pieces = ReadUnigramPieces(value.At("vocab"));
  try {
    return std::make_unique<Unigram>(std::move(pieces), std::move(options));
  } catch (const Error& error) {
    throw Error(value.place() + "." + error.what());
  }
}

std::unique_ptr<WordModel> ReadWordLevelModel(const JsonValue& value) {
  return std::make_unique<WordLevel>(ReadVocabulary(value.At("vocab")),
                                     value.At("unk_token").String(), value.place());
}

// Files from before there was a type differ in their vocabularies.
std::string TypeOfModel(const JsonValue& value) {
  const auto type = value.Find("type");
  if (type.has_value()) return type->String();
  const auto vocabulary = value.Find("vocab");
  return vocabulary.has_value() && vocabulary->IsArray() ? "Unigram" : "BPE";
}

}  // namespace

NamedModel ReadModel(const JsonValue& value) {
  const std::string type = TypeOfModel(value);
  if (type == "BPE") return {ReadBpeModel(value), "bpe"};
  if (type == "Unigram") return {ReadUnigramModel(value), "unigram"};
  if (type == "WordLevel") return {ReadWordLevelModel(value), "words"};
  FailType(value, {"BPE", "Unigram", "WordLevel"});
}

}  // namespace roundlab
