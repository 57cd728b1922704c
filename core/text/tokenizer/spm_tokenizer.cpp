#include "core/text/tokenizer/spm_tokenizer.h"

#include <utility>

#include "core/base/utf8.h"
#include "core/text/tokenizer/decoder.h"
#include "core/text/tokenizer/space_mark.h"

namespace roundlab {
namespace {

class SpmTokenizer final : public Tokenizer {
 public:
  SpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options)
      : model_(std::move(pieces)),
        options_(std::move(options)),
        added_(options_.added_tokens, nullptr),
        decoder_(MakePieceDecoder(options_.add_space_prefix)) {}

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    CheckUtf8(text);
    std::vector<std::int32_t> ids;
    added_.ForEach(
        text, special != SpecialTokens::kUnread, [&](std::int32_t id) { ids.push_back(id); },
        [&](std::string_view stretch, bool) { model_.Encode(Escape(stretch), &ids); });
    return ApplyTemplate(options_.around, special, ids);
  }

  std::string Decode(const std::vector<std::int32_t>& ids) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids) {
      if (id < 0 || id >= VocabSize()) continue;
      tokens.push_back(model_.pieces()[static_cast<std::size_t>(id)].text);
    }
    std::string text;
    for (const std::string& token : decoder_->Apply(std::move(tokens))) text += token;
    return text;
  }

  std::int64_t VocabSize() const override {
    return static_cast<std::int64_t>(model_.pieces().size());
  }
  std::optional<std::int32_t> BosId() const override { return options_.special.bos; }
  std::optional<std::int32_t> EosId() const override { return options_.special.eos; }
  std::string Kind() const override { return "sentencepiece bpe (gguf)"; }

 private:
  std::string Escape(std::string_view text) const {
    std::string escaped;
    escaped.reserve(text.size() + text.size() / 2 + 3);
    if (options_.add_space_prefix) escaped += kSpaceMark;
    for (const char byte : text) {
      if (byte == ' ') {
        escaped += kSpaceMark;
      } else {
        escaped += byte;
      }
    }
    return escaped;
  }

  SpmModel model_;
  SpmOptions options_;
  AddedTokens added_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeSpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options) {
  return std::make_unique<SpmTokenizer>(std::move(pieces), std::move(options));
}

}  // namespace roundlab
