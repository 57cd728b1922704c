#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/sentencepiece_model.h"
#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

// Before which stretches of text a space is put.
PrependScheme SchemeOf(const TokenizerConfig& config, bool by_default) {
  if (!config.add_prefix_space.value_or(by_default)) return PrependScheme::kNever;
  return config.legacy.value_or(false) ? PrependScheme::kAlways : PrependScheme::kFirst;
}

bool IsLlama(const TokenizerConfig& config) {
  static constexpr std::array<std::string_view, 4> kClasses = {
      "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast"};
  return config.tokenizer_class.has_value() &&
         std::find(kClasses.begin(), kClasses.end(), *config.tokenizer_class) != kClasses.end();
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(const std::string& place, const TokenizerConfig& config)
      : llama_(IsLlama(config)),
        model_(place, ReadFile(place), llama_ ? PieceNormalizer::kNone : PieceNormalizer::kOwn),
        prefix_(SchemeOf(config, llama_ || model_.WantsPrefix())),
        decoder_(MakePieceDecoder(prefix_ != PrependScheme::kNever)) {
    if (config.given) {
      const auto find = [this](std::string_view token) { return model_.Find(token); };
      const auto tokens = AllAddedTokens(PiecesInText(model_.pieces()), config, find, VocabSize());
      added_ = AddedTokens(tokens, nullptr);
    }
    const auto resolve = [&](const SpecialName& name, std::optional<std::int32_t> otherwise) {
      if (name.none) return std::optional<std::int32_t>();
      if (!name.token.has_value()) return otherwise;
      const auto added = added_.Find(*name.token);
      return added.has_value() ? added : model_.Find(*name.token);
    };
    special_ = {resolve(config.bos, model_.BosId()), resolve(config.eos, model_.EosId())};
    around_ = BosEosTemplate(place, special_, config.add_bos.value_or(special_.bos.has_value()),
                             config.add_eos.value_or(false));
  }

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    CheckUtf8(text);
    std::vector<std::int32_t> ids;
    added_.ForEach(
        text, special != SpecialTokens::kUnread, [&](std::int32_t id) { ids.push_back(id); },
        [&](std::string_view stretch, bool at_start) {
          const bool prefix =
              prefix_ == PrependScheme::kAlways || (prefix_ == PrependScheme::kFirst && at_start);
          model_.Encode(stretch, prefix, &ids);
        });
    return ApplyTemplate(around_, special, ids);
  }

  std::string Decode(const std::vector<std::int32_t>& ids) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids) {
      if (const std::string* added = added_.Spelling(id)) {
        tokens.push_back(*added);
      } else if (id >= 0 && id < static_cast<std::int32_t>(model_.pieces().size())) {
        tokens.push_back(model_.pieces()[static_cast<std::size_t>(id)].text);
      }
    }
    std::string text;
    for (const std::string& token : decoder_->Apply(std::move(tokens))) text += token;
    return text;
  }

  std::int64_t VocabSize() const override {
    const auto pieces = static_cast<std::int64_t>(model_.pieces().size());
    if (added_.by_id().empty()) return pieces;
    return std::max<std::int64_t>(pieces, added_.by_id().rbegin()->first + std::int64_t{1});
  }
  std::optional<std::int32_t> BosId() const override { return special_.bos; }
  std::optional<std::int32_t> EosId() const override { return special_.eos; }
  std::string Kind() const override { return "sentencepiece (tokenizer.model)"; }

 private:
  bool llama_;
  SentencePieceModel model_;
  PrependScheme prefix_;
  std::unique_ptr<Decoder> decoder_;
  AddedTokens added_;
  SpecialIds special_;
  TokenTemplate around_;
};

}  // namespace

std::unique_ptr<Tokenizer> LoadSentencePiece(const std::string& folder) {
  return std::make_unique<SentencePieceTokenizer>(folder + "/tokenizer.model",
                                                  ReadTokenizerConfig(folder));
}

}  // namespace roundlab
