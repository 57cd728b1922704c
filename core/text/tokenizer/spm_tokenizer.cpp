#include "core/text/tokenizer/spm_tokenizer.h"

#include <utility>

#include "core/text/tokenizer/decoder.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/unicode/utf8.h"

namespace roundlab {
namespace {

std::unique_ptr<Decoder> MakeSpmDecoder(bool strip_space) {
  std::vector<std::unique_ptr<Decoder>> steps;
  steps.push_back(MakeReplaceDecoder(TextPattern::FromString(std::string(kSpaceMark)), " "));
  steps.push_back(MakeByteFallbackDecoder());
  steps.push_back(MakeFuseDecoder());
  if (strip_space) steps.push_back(MakeStripDecoder(" ", 1, 0));
  return MakeSequence(std::move(steps));
}

class SpmTokenizer final : public Tokenizer {
 public:
  SpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options)
      : model_(std::move(pieces)),
        options_(std::move(options)),
        decoder_(MakeSpmDecoder(options_.add_space_prefix)) {}

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    CheckUtf8(text);
    std::vector<std::int32_t> ids;
    if (!text.empty()) model_.Encode(Escape(text), &ids);
    return ApplyTemplate(options_.around, special, ids);
  }

  // Control pieces have no text.
  std::string Decode(const std::vector<std::int32_t>& ids) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids) {
      if (id < 0 || id >= VocabSize()) continue;
      const SpmPiece& piece = model_.pieces()[static_cast<std::size_t>(id)];
      if (piece.type != PieceType::kControl) tokens.push_back(piece.text);
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
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeSpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options) {
  return std::make_unique<SpmTokenizer>(std::move(pieces), std::move(options));
}

}  // namespace roundlab
