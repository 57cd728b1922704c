#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace roundlab {

/// A run of tokens that the model sees at once.
struct TokenWindow {
  std::int64_t begin = 0;     ///< its first token's place in the stream
  std::int64_t length = 0;    ///< tokens; what follows the last one is not asked
  std::int64_t scored = 0;    ///< its last so many tokens count, at most length - 1
  std::int64_t document = 0;  ///< that it belongs to
};

/// What a protocol makes of a text: a stream of token ids, and the windows of it that are scored.
struct TokenWindows {
  std::vector<std::int32_t> ids;
  std::vector<TokenWindow> list;
  std::optional<std::int32_t> first;  ///< stands in for the first token of each window
  /// Whether the model is fed the last token too, from which nothing is predicted. Only quantizers
  /// whose ranges span a text see a difference; protocols do as those that they are named after.
  bool feeds_last = true;
};

/// Tokens of all windows: what scoring them takes.
std::int64_t TokensOf(const TokenWindows& windows);

/// Windows of `seqlen` tokens that do not overlap, the rest dropped; all but the first token of
/// each are scored (GPTQ).
TokenWindows DisjointWindows(std::vector<std::int32_t> ids, std::int64_t seqlen);

/// A window of `seqlen` tokens every `stride` tokens (at most seqlen); the last ends with the text
/// and may be shorter. A window scores the tokens that no earlier one reached and that have a token
/// before them in it.
TokenWindows SlidingWindows(std::vector<std::int32_t> ids, std::int64_t seqlen,
                            std::int64_t stride);

/// Windows of `seqlen` tokens that do not overlap, the rest dropped; of tokens 0 to seqlen - 1
/// those from seqlen / 2 + 1 on are scored (llama.cpp). `bos`, if any, stands in for each first
/// token.
TokenWindows SecondHalfWindows(std::vector<std::int32_t> ids, std::int64_t seqlen,
                               std::optional<std::int32_t> bos);

/// Each document by itself, all of its tokens scored (lm-evaluation-harness): `prefix` and the
/// first `seqlen` tokens; then the next seqlen tokens after one token of context, and so on; the
/// last window is moved left until it has seqlen + 1 tokens too. The last token of a window is not
/// fed. An empty document has no window.
TokenWindows RollingWindows(const std::vector<std::vector<std::int32_t>>& documents,
                            std::int32_t prefix, std::int64_t seqlen);

/// Tokens before a scored one in its window.
struct ContextSeen {
  std::int64_t least = 0;
  double mean = 0;
};

/// Over all scored tokens; there must be one.
ContextSeen ContextOf(const std::vector<TokenWindow>& windows);

}  // namespace roundlab
