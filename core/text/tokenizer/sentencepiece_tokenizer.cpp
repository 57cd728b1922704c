#include <sentencepiece_processor.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/tokenizer_loaders.h"
#include "core/text/tokenizer/word_cache.h"
#include "core/text/unicode/utf8.h"

namespace roundlab {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

std::optional<std::int32_t> IdOrNone(int id) {
  if (id < 0) return std::nullopt;
  return id;
}

/// The fields of a protocol buffer's message by number: the bytes of a message or string, the value
/// of a number. The last of a number counts.
struct ProtoFields {
  std::map<std::uint64_t, std::string_view> bytes;
  std::map<std::uint64_t, std::uint64_t> values;
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

/// Of a message that the library has read before.
ProtoFields ReadProto(std::string_view data) {
  ProtoFields fields;
  while (!data.empty()) {
    const std::uint64_t key = TakeVarint(&data);
    const std::uint64_t type = key & 7U;
    if (type == 0) {
      fields.values[key >> 3U] = TakeVarint(&data);
      continue;
    }
    const std::uint64_t size = type == 2 ? TakeVarint(&data) : type == 1 ? 8 : 4;
    const std::string_view bytes = data.substr(0, size);
    if (type == 2) fields.bytes[key >> 3U] = bytes;
    data.remove_prefix(bytes.size());
  }
  return fields;
}

/// True where the words of a text, each with the spaces in front of it, give the ids of the text:
/// characters stay as they are, spaces become marks with one more in front of all, and no piece
/// goes from one word into the next. Fields of sentencepiece_model.proto (google/sentencepiece
/// v0.1.97).
bool SplitsIntoWords(std::string_view model, const Processor& processor) {
  const ProtoFields fields = ReadProto(model);
  const auto part = [&](std::uint64_t number) {
    const auto found = fields.bytes.find(number);
    return found == fields.bytes.end() ? ProtoFields() : ReadProto(found->second);
  };
  const auto value = [](const ProtoFields& of, std::uint64_t number, std::uint64_t otherwise) {
    const auto found = of.values.find(number);
    return found == of.values.end() ? otherwise : found->second;
  };
  const ProtoFields trainer = part(2);
  const ProtoFields normalizer = part(3);
  const auto rules = normalizer.bytes.find(2);
  const bool plain = (rules == normalizer.bytes.end() || rules->second.empty()) &&
                     value(normalizer, 3, 1) == 1 &&  // add_dummy_prefix
                     value(normalizer, 4, 1) == 0 &&  // remove_extra_whitespaces
                     value(normalizer, 5, 1) == 1 &&  // escape_whitespaces
                     value(trainer, 3, 1) == 2 &&     // model_type: BPE
                     value(trainer, 24, 0) == 0;      // treat_whitespace_as_suffix
  if (!plain || processor.PieceToId(kSpaceMark.data()) == processor.unk_id()) return false;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (processor.IsUnused(id)) return false;
    if (NextMarkedWord(processor.IdToPiece(id)) != std::string_view::npos) return false;
  }
  return true;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<Processor> processor, bool into_words,
                         const std::string& place, const TokenizerConfig& config)
      : processor_(std::move(processor)),
        into_words_(into_words),
        add_bos_(config.add_bos.value_or(processor_->bos_id() >= 0)),
        add_eos_(config.add_eos.value_or(false)) {
    BosEosTemplate(place, {BosId(), EosId()}, add_bos_, add_eos_);  // only for its checks
  }

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    CheckUtf8(text);
    std::vector<std::int32_t> ids;
    const bool with_special = special == SpecialTokens::kDefault;
    if (with_special && add_bos_) ids.push_back(processor_->bos_id());
    if (into_words_ && text.find(kSpaceMark) == std::string_view::npos) {
      AppendWords(text, &ids);
    } else {
      Append(text, &ids);
    }
    if (with_special && add_eos_) ids.push_back(processor_->eos_id());
    return ids;
  }

  std::string Decode(const std::vector<std::int32_t>& ids) const override {
    std::string text;
    std::vector<int> known;
    for (const std::int32_t id : ids) {
      if (id >= 0 && id < processor_->GetPieceSize()) known.push_back(id);
    }
    const auto status = processor_->Decode(known, &text);
    if (!status.ok()) throw Error("sentencepiece: " + status.ToString());
    return text;
  }

  std::int64_t VocabSize() const override { return processor_->GetPieceSize(); }
  std::optional<std::int32_t> BosId() const override { return IdOrNone(processor_->bos_id()); }
  std::optional<std::int32_t> EosId() const override { return IdOrNone(processor_->eos_id()); }
  std::string Kind() const override { return "sentencepiece (tokenizer.model)"; }

 private:
  void Append(std::string_view text, std::vector<std::int32_t>* ids) const {
    std::vector<int> pieces;
    const auto status = processor_->Encode({text.data(), text.size()}, &pieces);
    if (!status.ok()) throw Error("sentencepiece: " + status.ToString());
    ids->insert(ids->end(), pieces.begin(), pieces.end());
  }

  // Each word but the first without its first space, which the library puts there again.
  void AppendWords(std::string_view text, std::vector<std::int32_t>* ids) const {
    WordCache words;
    bool first = true;
    while (!text.empty()) {
      std::size_t end = text.find_first_not_of(' ');
      end = std::min(text.find(' ', std::min(end, text.size())), text.size());
      if (text.find_first_not_of(' ', end) == std::string_view::npos) end = text.size();
      words.Append(text.substr(first ? 0 : 1, first ? end : end - 1), ids,
                   [this](auto word, auto* out) { Append(word, out); });
      text.remove_prefix(end);
      first = false;
    }
  }

  std::unique_ptr<Processor> processor_;
  bool into_words_;
  bool add_bos_;
  bool add_eos_;
};

}  // namespace

std::unique_ptr<Tokenizer> LoadSentencePiece(const std::string& folder) {
  const std::string path = folder + "/tokenizer.model";
  const std::string model = ReadFile(path);
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto({model.data(), model.size()});
  if (!status.ok()) throw Error(path + ": not a sentencepiece model");
  const bool into_words = SplitsIntoWords(model, *processor);
  return std::make_unique<SentencePieceTokenizer>(std::move(processor), into_words, path,
                                                  ReadTokenizerConfig(folder));
}

}  // namespace roundlab
