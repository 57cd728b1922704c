#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/model/description.h"
#include "core/text/data/dataset.h"
#include "core/text/tokenizer/tokenizer.h"
#include "eval/harness.h"
#include "eval/windows.h"

namespace roundlab {

/// How a text is cut, see Cut.
enum class ProtocolKind { kGptq, kGptqC4, kSliding, kLlamaCpp, kLmEvalRolling };
const EnumNames<ProtocolKind>& ProtocolNames();

/// Whether WikiText's spaces around marks are undone.
enum class Detokenize { kWikitext, kNone };

/// What stands between documents that are joined.
struct DocumentJoin {
  enum class Kind {
    kOfData,  ///< what the data set says
    kTokens,  ///< nothing: each document is encoded by itself, and the ids are put together
    kText,
  };
  Kind kind = Kind::kOfData;
  std::string text = {};  ///< of kText
};

/// A text and how it is cut into windows.
struct ProtocolOptions {
  DataSource data;
  std::string name;
  ProtocolKind protocol = ProtocolKind::kGptq;
  std::optional<std::int64_t> seqlen;
  std::optional<std::int64_t> stride;
  std::int64_t windows = 0;
  std::int64_t documents = 0;
  DocumentJoin join;
  std::optional<Harness> version;  ///< of lm-evaluation-harness
  std::optional<Detokenize> detokenize;

  void Fields(FieldVisitor& f);
  /// `name`, else that of the data; of protocols but gptq with the protocol's behind it.
  std::string Name() const;
};

/// A text as its protocol cuts it.
struct CutText {
  TokenWindows windows;
  std::int64_t available = 0;  ///< windows that there are; `windows` may be fewer
  std::vector<double> words;   ///< of each document as it was, where documents are kept apart
  std::vector<double> bytes;
  /// For a reader: data, protocol, settings, bos (where one stands), rule (a sentence).
  std::map<std::string, std::string> told;
};

/// Cuts by `options.protocol`. Documents are joined as the data set or `join` says and encoded by
/// one call with the special tokens that the tokenizer adds, but for gptq_c4 and lmeval_rolling.
/// * gptq (IST-DASLab/gptq llama.py, arXiv 2210.17323): windows of seqlen (2048) that do not
/// overlap;
///   all but the first token scored. That code multiplies each window's mean over its seqlen - 1
///   targets by seqlen and divides by windows * seqlen in the end: the factor cancels.
///   Its `ptb-new` is split test of ptb, `ptb` split validation joined by two newlines, `c4-new`
///   the first 1100 documents of c4's validation file and 256 windows.
/// * gptq_c4 (its older `c4`): 256 windows (or `windows`), each from a random place of a random
///   document of more than seqlen tokens, by Python's random(0); scored as gptq.
/// * sliding (Hugging Face transformers' page on perplexity): a window every `stride` tokens,
///   half of seqlen (2048) where not given.
/// * llama_cpp (ggml-org/llama.cpp tools/perplexity at 050fc7f3): windows of seqlen (512) that do
///   not overlap; where the tokenizer adds BOS, BOS in place of each first token; tokens seqlen / 2
///   + 1 to seqlen - 1 scored. Two windows at least, as there. One newline at the end of the text
///   is dropped, and rows of WikiText become their file again. What the text spells like a special
///   token stays text (parse_special=false there); by the other protocols it is that token.
/// * lmeval_rolling (EleutherAI/lm-evaluation-harness): each document by itself, all of its tokens
///   scored in windows of seqlen (the model's context). Version 0.3 (commit 008fc2a): no BOS,
///   prefix EOS; 0.4 (0.4.13): prefix BOS, else EOS, and where the tokenizer adds BOS that is
///   scored too. Rows of WikiText are put together to pages and detokenized; `detokenize` forces or
///   forbids it.
/// Throws Error where the text is too short or a window too long for the model.
CutText Cut(const ProtocolOptions& options, const ModelDescription& model,
            const Tokenizer& tokenizer);

/// Throws the Error that Cut would, as far as it can be known where the model could not be opened
/// (both null): what the data alone tell.
void CheckCut(const ProtocolOptions& options, const ModelDescription* model,
              const Tokenizer* tokenizer);

}  // namespace roundlab
