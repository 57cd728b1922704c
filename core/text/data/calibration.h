#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/config/fields.h"
#include "core/text/data/dataset.h"
#include "core/text/tokenizer/tokenizer.h"

namespace roundlab {

/// How samples are taken from text (arXiv 2309.05516; intel/auto-round cfc4169e9; IST-DASLab/gptq
/// datautils.py).
enum class CalibrationProtocol {
  /// Documents shuffled as Hugging Face datasets do with `seed` (shuffle: false keeps file order);
  /// those of at least seqlen tokens, cut to seqlen, each with the special tokens the tokenizer
  /// adds; dropped where the last id fills more than half.
  kSignRound,
  /// Python's random(seed): a random document of more than seqlen tokens, a random window of it;
  /// again for each sample.
  kGptqC4,
  /// All documents joined by two newlines, encoded once; Python's random(seed) picks each window's
  /// start.
  kGptqWikitext2,
  /// Documents joined as for perplexity, encoded; the first `samples` windows.
  kPlain,
};
const EnumNames<CalibrationProtocol>& CalibrationProtocolNames();

/// Which pieces of text the tuned methods see.
struct CalibrationOptions {
  DataSource data;
  CalibrationProtocol protocol = CalibrationProtocol::kSignRound;
  std::int64_t samples = 128;
  std::int64_t seqlen = 2048;
  std::int64_t seed = 42;
  bool shuffle = true;
  void Fields(FieldVisitor& f);
};

/// Rows of token ids, all of options.seqlen.
struct CalibrationTokens {
  std::vector<std::vector<std::int32_t>> rows;
  std::int64_t documents_read = 0;
  std::string fingerprint;  ///< SHA-256 over the ids
};

/// Throws Error where there are fewer samples than asked for, saying how many there were.
CalibrationTokens MakeCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer);

/// One stream of ids from a data set: documents joined as the set says and encoded with the default
/// special tokens (or as `special` says); for join_tokens each document by itself.
std::vector<std::int32_t> TokenStream(const Dataset& dataset, const Tokenizer& tokenizer,
                                      SpecialTokens special = SpecialTokens::kDefault);

/// SHA-256 over ids as little-endian int32.
std::string TokenFingerprint(const std::vector<std::int32_t>& ids);

}  // namespace roundlab
