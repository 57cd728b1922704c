#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/config/fields.h"

namespace roundlab {

struct BpeTrainerOptions {
  std::int64_t vocab = 1536;
  void Fields(FieldVisitor& f);
};

/// The one special token, id 0: begins each document and stands for its end.
inline constexpr const char* kEndOfTextToken = "<|endoftext|>";

/// A byte-level BPE vocabulary: <|endoftext|>, the 256 bytes in the order of their characters'
/// code points, and a token a merge.
struct TrainedBpe {
  std::vector<std::string> tokens;                          ///< by id, in byte-level spelling
  std::vector<std::pair<std::string, std::string>> merges;  ///< by rank

  /// tokenizer.json of the Hugging Face tokenizers library: GPT-2's split, <|endoftext|> in front
  /// of every text.
  std::string TokenizerJson() const;
  /// tokenizer_config.json of transformers.
  static std::string TokenizerConfigJson(std::int64_t max_length);
};

/// Trains byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) on documents cut by GPT-2's
/// pattern: again and again the most frequent pair of neighbours becomes a token; among equals the
/// pair of the smallest (left id, right id). The same tokens and merges as BpeTrainer of the
/// tokenizers library with ByteLevel's initial alphabet and min_frequency 0. Ends early where no
/// pair is left. Throws Error for a vocabulary below 257, no text, and text that is not UTF-8.
TrainedBpe TrainBpe(const std::vector<std::string>& documents, const BpeTrainerOptions& options);

}  // namespace roundlab
