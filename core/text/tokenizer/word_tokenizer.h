#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/added_tokens.h"
#include "core/text/tokenizer/decoder.h"
#include "core/text/tokenizer/normalizer.h"
#include "core/text/tokenizer/pre_tokenizer.h"
#include "core/text/tokenizer/tokenizer.h"
#include "core/text/tokenizer/word_model.h"

namespace roundlab {

/// What a post-processor puts around the text: fixed ids, and the text's own where `ids` is
/// nullopt.
struct TemplatePart {
  std::optional<std::vector<std::int32_t>> ids;
};
using TokenTemplate = std::vector<TemplatePart>;

/// The template "ids of `front`, text, ids of `back`".
TokenTemplate AroundText(std::vector<std::int32_t> front, std::vector<std::int32_t> back);

/// `text` inside the template; SpecialTokens::kNone leaves the fixed ids out.
std::vector<std::int32_t> ApplyTemplate(const TokenTemplate& parts, SpecialTokens special,
                                        const std::vector<std::int32_t>& text);

struct SpecialIds {
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
};

/// The parts of a WordTokenizer, in the order in which text passes them.
struct WordTokenizerParts {
  std::unique_ptr<Normalizer> normalizer;       ///< null: none
  std::unique_ptr<PreTokenizer> pre_tokenizer;  ///< null: a stretch of text is one word
  std::unique_ptr<WordModel> model;             ///< required
  std::unique_ptr<Decoder> decoder;             ///< null: tokens are joined by spaces
  std::vector<AddedToken> added_tokens;
  std::optional<TokenTemplate> around;  ///< nullopt: the text alone
  SpecialIds special;
  std::string kind;

  /// The id of an added token or, where there is none, of a token of the model.
  std::optional<std::int32_t> Find(std::string_view token) const;
};

/// Text -> added tokens cut out -> normalized -> normalized added tokens cut out -> cut into words
/// -> encoded by the model -> template: the pipeline of the Hugging Face tokenizers library.
class WordTokenizer final : public Tokenizer {
 public:
  /// Throws Error where the added tokens contradict each other.
  explicit WordTokenizer(WordTokenizerParts parts);

  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override;
  std::string Decode(const std::vector<std::int32_t>& ids) const override;
  std::int64_t VocabSize() const override { return vocab_size_; }
  std::optional<std::int32_t> BosId() const override { return parts_.special.bos; }
  std::optional<std::int32_t> EosId() const override { return parts_.special.eos; }
  std::string Kind() const override { return parts_.kind; }

  /// The id of an added token or, where there is none, of a token of the model.
  std::optional<std::int32_t> Find(std::string_view token) const;

 private:
  class WordEncoder;
  void EncodeStretch(const NormalizedText& text, bool special, WordEncoder* words) const;

  WordTokenizerParts parts_;
  AddedTokens added_;
  std::int64_t vocab_size_ = 0;
};

}  // namespace roundlab
