#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/added_tokens.h"

namespace roundlab {

/// The id of a token, nullopt where there is none.
using FindToken = std::function<std::optional<std::int32_t>(std::string_view)>;

/// A special token as a file names it: by its text or by its id, or not at all.
struct SpecialName {
  std::optional<std::string> token;
  std::optional<std::int32_t> id;
  bool none = false;  ///< a file says that there is no such token: null
  std::string place;  ///< for messages

  /// The id; `find` gives the id of a token. Throws Error where it knows no such token.
  std::optional<std::int32_t> Resolve(const FindToken& find) const;
};

/// What tokenizer_config.json, special_tokens_map.json, config.json and added_tokens.json of a
/// model folder say; each of them may be missing. As in transformers, what special_tokens_map.json
/// names counts where tokenizer_config.json has no added_tokens_decoder, and comes before its names
/// there; else only BOS and EOS that it lacks are taken from there.
struct TokenizerConfig {
  bool given = false;  ///< one of the tokenizer's files, that is all but config.json, is there
  SpecialName bos;     ///< of the first file that names it, config.json last
  SpecialName eos;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_prefix_space;
  std::optional<bool> legacy;  ///< of LlamaTokenizer
  std::optional<std::string> tokenizer_class;
  std::vector<AddedToken> added_tokens;  ///< added_tokens_decoder, else added_tokens.json
  bool added_tokens_have_flags = false;  ///< they are those of added_tokens_decoder

  /// A token that a file gives a part (bos_token, pad_token, additional_special_tokens, ...).
  struct Named {
    AddedToken token;        ///< without its id
    bool has_flags = false;  ///< the file gives its lstrip, rstrip, ... too
  };
  std::vector<Named> named_tokens;
};

/// Throws Error naming file and key where one of them is malformed.
TokenizerConfig ReadTokenizerConfig(const std::string& folder);

/// All tokens that are looked for in text: the vocabulary's `own`, those that the files number, and
/// those that they name, which get the vocabulary's id (`find`) or the next free one from
/// `vocab_size` on. A later one of the same content replaces an earlier one; named ones leave the
/// id as it is, and the flags where they give none.
///
/// As transformers does it, but where its versions differ: a number in a file counts (4.51's Python
/// tokenizers; 5.23 takes the next free id instead), and so do flags in special_tokens_map.json
/// (4.51; 5.23 loses some of them).
std::vector<AddedToken> AllAddedTokens(std::vector<AddedToken> own, const TokenizerConfig& config,
                                       const FindToken& find, std::int64_t vocab_size);

}  // namespace roundlab
