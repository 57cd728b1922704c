#include <sentencepiece_processor.h>

#include <utility>

#include "core/base/error.h"
#include "core/text/json_value.h"
#include "core/text/tokenizer_config.h"
#include "core/text/tokenizer_loaders.h"
#include "core/text/utf8.h"

namespace roundlab {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

std::optional<std::int32_t> IdOrNone(int id) {
  if (id < 0) return std::nullopt;
  return id;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<Processor> processor, const std::string& place,
                         const TokenizerConfig& config)
      : processor_(std::move(processor)),
        add_bos_(config.add_bos.value_or(processor_->bos_id() >= 0)),
        add_eos_(config.add_eos.value_or(false)) {
    BosEosTemplate(place, {BosId(), EosId()}, add_bos_, add_eos_);  // only for its checks
  }

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    CheckUtf8(text);
    std::vector<int> ids;
    const auto status = processor_->Encode({text.data(), text.size()}, &ids);
    if (!status.ok()) throw Error("sentencepiece: " + status.ToString());
    std::vector<std::int32_t> result;
    result.reserve(ids.size() + 2);
    const bool with_special = special == SpecialTokens::kDefault;
    if (with_special && add_bos_) result.push_back(processor_->bos_id());
    result.insert(result.end(), ids.begin(), ids.end());
    if (with_special && add_eos_) result.push_back(processor_->eos_id());
    return result;
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
  std::unique_ptr<Processor> processor_;
  bool add_bos_;
  bool add_eos_;
};

}  // namespace

std::unique_ptr<Tokenizer> LoadSentencePiece(const std::string& folder) {
  const std::string path = folder + "/tokenizer.model";
  const std::string model = ReadTextFile(path);
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto({model.data(), model.size()});
  if (!status.ok()) throw Error(path + ": not a sentencepiece model");
  return std::make_unique<SentencePieceTokenizer>(std::move(processor), path,
                                                  ReadTokenizerConfig(folder));
}

}  // namespace roundlab
