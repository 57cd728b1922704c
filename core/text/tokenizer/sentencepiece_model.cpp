#include "core/text/tokenizer/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/word_cache.h"

namespace roundlab {
namespace {

/// The fields of a protocol buffer's message by number: the bytes of a message or string, the value
/// of a number. The last of a number counts.
struct ProtoFields {
  std::map<std::uint64_t, std::string_view> bytes;
  std::map<std::uint64_t, std::uint64_t> values;

  std::uint64_t Value(std::uint64_t number, std::uint64_t otherwise) const {
    const auto found = values.find(number);
    return found == values.end() ? otherwise : found->second;
  }
  std::string_view Bytes(std::uint64_t number) const {
    const auto found = bytes.find(number);
    return found == bytes.end() ? std::string_view() : found->second;
  }
};

std::uint64_t TakeVarint(std::string_view* data) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !data->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(data->front());
    data->remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

using FieldBytes = std::optional<std::string_view>;  // nullopt: a number

/// Hands the fields of a message that the library has read before to field(number, bytes, value),
/// in order: the bytes of a message, string or fixed number, or the value of a number.
template <typename Field>
void ForEachField(std::string_view data, const Field& field) {
  while (!data.empty()) {
    const std::uint64_t key = TakeVarint(&data);
    const std::uint64_t type = key & 7U;
    if (type == 0) {
      field(key >> 3U, FieldBytes(), TakeVarint(&data));
      continue;
    }
    const std::uint64_t size = type == 2 ? TakeVarint(&data) : type == 1 ? 8 : 4;
    const std::string_view bytes = data.substr(0, size);
    field(key >> 3U, FieldBytes(bytes), 0);
    data.remove_prefix(bytes.size());
  }
}

ProtoFields ReadProto(std::string_view data) {
  ProtoFields fields;
  ForEachField(data, [&](std::uint64_t number, const FieldBytes& bytes, std::uint64_t value) {
    if (bytes.has_value()) {
      fields.bytes[number] = *bytes;
    } else {
      fields.values[number] = value;
    }
  });
  return fields;
}

std::vector<SpmPiece> ReadPieces(std::string_view model) {
  std::vector<SpmPiece> pieces;
  ForEachField(model, [&](std::uint64_t number, const FieldBytes& bytes, std::uint64_t) {
    if (number != 1 || !bytes.has_value()) return;
    const ProtoFields piece = ReadProto(*bytes);
    pieces.push_back({std::string(piece.Bytes(1)), 0, static_cast<PieceType>(piece.Value(3, 1))});
  });
  return pieces;
}

/// What decides how text is read: fields of sentencepiece_model.proto (google/sentencepiece
/// v0.1.97).
struct ModelSpec {
  explicit ModelSpec(std::string_view model) {
    const ProtoFields fields = ReadProto(model);
    const ProtoFields trainer = ReadProto(fields.Bytes(2));
    const ProtoFields normalizer = ReadProto(fields.Bytes(3));
    merges = trainer.Value(3, 1) == 2;
    add_dummy_prefix = normalizer.Value(3, 1) != 0;
    plain = normalizer.Bytes(2).empty() &&  // precompiled_charsmap
            normalizer.Value(4, 1) == 0 &&  // remove_extra_whitespaces
            normalizer.Value(5, 1) == 1 &&  // escape_whitespaces
            trainer.Value(24, 0) == 0;      // treat_whitespace_as_suffix
  }
  bool merges;            ///< byte-pair encoding
  bool add_dummy_prefix;  ///< a space in front of a text
  bool plain;             ///< characters stay as they are, spaces become marks
};

// A message that stands behind another of its kind is merged into it, field by field.
std::string WithoutPrefix(const std::string& model) {
  return model + std::string("\x1A\x02\x18\x00", 4);  // normalizer_spec {add_dummy_prefix: false}
}
std::string WithoutNormalizer(const std::string& model) {
  // trainer_spec {treat_whitespace_as_suffix: false}, normalizer_spec {precompiled_charsmap: "",
  // add_dummy_prefix: false, remove_extra_whitespaces: false, escape_whitespaces: true}
  return model + std::string("\x12\x03\xC0\x01\x00\x1A\x08\x12\x00\x18\x00\x20\x00\x28\x01", 15);
}

std::unique_ptr<sentencepiece::SentencePieceProcessor> LoadProcessor(const std::string& place,
                                                                     const std::string& bytes) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) throw Error(place + ": not a sentencepiece model");
  return processor;
}

/// True where no piece goes from one word into the next, so that the words of a text, each with the
/// spaces in front of it, give the ids of the text.
bool SplitsIntoWords(const std::vector<SpmPiece>& pieces) {
  return std::all_of(pieces.begin(), pieces.end(), [](const SpmPiece& piece) {
    return piece.type != PieceType::kUnused && NextMarkedWord(piece.text) == std::string_view::npos;
  });
}

void AppendPieces(const sentencepiece::SentencePieceProcessor& processor, std::string_view text,
                  std::vector<std::int32_t>* ids) {
  std::vector<int> pieces;
  const auto status = processor.Encode({text.data(), text.size()}, &pieces);
  if (!status.ok()) throw Error("sentencepiece: " + status.ToString());
  ids->insert(ids->end(), pieces.begin(), pieces.end());
}

std::optional<std::int32_t> IdOrNone(int id) {
  if (id < 0) return std::nullopt;
  return id;
}

}  // namespace

SentencePieceModel::SentencePieceModel(const std::string& place, const std::string& bytes,
                                       PieceNormalizer normalizer)
    : normalizer_(normalizer) {
  auto own = LoadProcessor(place, bytes);
  pieces_ = ReadPieces(bytes);
  const ModelSpec spec(bytes);
  wants_prefix_ = spec.add_dummy_prefix;
  if (normalizer == PieceNormalizer::kNone) {
    bare_ = LoadProcessor(place, WithoutNormalizer(bytes));
  } else if (!spec.add_dummy_prefix) {
    bare_ = std::move(own);
  } else {
    bare_ = LoadProcessor(place, WithoutPrefix(bytes));
    if (!spec.plain) prefixed_ = std::move(own);
  }
  const bool plain = spec.plain || normalizer == PieceNormalizer::kNone;
  into_words_ = plain && spec.merges && Find(kSpaceMark).has_value() && SplitsIntoWords(pieces_);
}

SentencePieceModel::~SentencePieceModel() = default;

void SentencePieceModel::Encode(std::string_view text, bool prefix,
                                std::vector<std::int32_t>* ids) const {
  if (text.empty()) return;
  if (normalizer_ == PieceNormalizer::kNone &&
      (text.front() == ' ' || text.starts_with(kSpaceMark))) {
    prefix = false;
  }
  if (into_words_ && text.find(kSpaceMark) == std::string_view::npos) {
    return EncodeWords(text, prefix, ids);
  }
  if (!prefix) return AppendPieces(*bare_, text, ids);
  if (prefixed_) return AppendPieces(*prefixed_, text, ids);
  AppendPieces(*bare_, std::string(kSpaceMark).append(text), ids);
}

void SentencePieceModel::EncodeWords(std::string_view text, bool prefix,
                                     std::vector<std::int32_t>* ids) const {
  WordCache words;
  const auto append = [&](std::string_view word) {
    words.Append(word, ids, [this](auto part, auto* out) { AppendPieces(*bare_, part, out); });
  };
  while (!text.empty()) {
    std::size_t end = text.find_first_not_of(' ');
    end = std::min(text.find(' ', std::min(end, text.size())), text.size());
    if (prefix) {
      append(std::string(kSpaceMark).append(text.substr(0, end)));
    } else {
      append(text.substr(0, end));
    }
    prefix = false;
    text.remove_prefix(end);
  }
}

std::optional<std::int32_t> SentencePieceModel::Find(std::string_view piece) const {
  const int id = bare_->PieceToId({piece.data(), piece.size()});
  if (id == bare_->unk_id() && bare_->IdToPiece(id) != piece) return std::nullopt;
  return id;
}

std::optional<std::int32_t> SentencePieceModel::BosId() const { return IdOrNone(bare_->bos_id()); }
std::optional<std::int32_t> SentencePieceModel::EosId() const { return IdOrNone(bare_->eos_id()); }

}  // namespace roundlab
