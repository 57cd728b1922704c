#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/added_tokens.h"

namespace roundlab {

/// A special token as a file names it: by its text or by its id, or not at all.
struct SpecialName {
  std::optional<std::string> token;
  std::optional<std::int32_t> id;
  std::string place;  ///< for messages

  /// The id; `find` gives the id of a token. Throws Error where it knows no such token.
  std::optional<std::int32_t> Resolve(
      const std::function<std::optional<std::int32_t>(std::string_view)>& find) const;
};

/// What tokenizer_config.json, special_tokens_map.json, config.json and added_tokens.json of a
/// model folder say; each of them may be missing.
struct TokenizerConfig {
  SpecialName bos;  ///< tokenizer_config.json, else special_tokens_map.json, else config.json
  SpecialName eos;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  bool add_prefix_space = false;
  std::optional<std::string> tokenizer_class;
  std::vector<AddedToken> added_tokens;  ///< added_tokens_decoder, else added_tokens.json
};

/// Throws Error naming file and key where one of them is malformed.
TokenizerConfig ReadTokenizerConfig(const std::string& folder);

}  // namespace roundlab
