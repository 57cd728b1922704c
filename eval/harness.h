#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/text/tokenizer/tokenizer.h"
#include "eval/likelihood.h"
#include "eval/task.h"

namespace roundlab {

/// What two versions of EleutherAI's lm-evaluation-harness do differently with the same strings.
///   lmeval_0_3  commit 008fc2a (0.3.0, November 2023), of the paper: texts are encoded without
///               special tokens; an empty context becomes EOS; a group task is the plain mean of
///               its groups; few-shot examples come from one random.Random(42) that has shuffled
///               the documents first.
///   lmeval_0_4  0.4.13: as the tokenizer does by itself, so with BOS for Llama types; an empty
///               context becomes BOS, else EOS; a group task is the mean over documents; examples
///               come from random.Random(1234).
enum class Harness { kLmEval03, kLmEval04 };
const EnumNames<Harness>& HarnessNames();

struct EncodedPair {
  Continuation continuation;  ///< at most max_length + 1 tokens, cut on the left
  bool truncated = false;
  std::string refused;  ///< why the harness itself would stop here; empty: it would not
};

/// Token ids of a context and what follows it. Spaces at the context's end move to the
/// continuation; both are encoded as one text and cut at the number of tokens that the context has
/// alone (lm_eval/api/model.py, _encode_pair). Throws Error where an empty context has no BOS or
/// EOS to stand for it.
EncodedPair EncodePair(const Tokenizer& tokenizer, Harness harness, std::int64_t max_length,
                       const std::string& context, const std::string& continuation);

/// 0.4 adds no special tokens to a text that begins with the BOS token's own; 0.3 to none.
SpecialTokens SpecialFor(const Tokenizer& tokenizer, Harness harness, const std::string& text);

struct ShotOptions {
  std::int64_t count = 0;  ///< examples a document
  bool same = false;       ///< one more is drawn, and one whose row is the document's left out
  /// The documents are the first of so many, by ChooseDocuments' shuffle, whose generator 0.3 then
  /// draws with; 0: they are in file order.
  std::size_t shuffled_of = 0;
};

/// Few-shot contexts: what stands in front of each document's own context, description included.
/// Examples are drawn from `pool` as the harness does; with `sampler: first` they are the first of
/// the document's group.
std::vector<std::string> Preambles(const TaskOptions& task, Harness harness,
                                   const ShotOptions& shots,
                                   const std::vector<TaskDocument>& documents,
                                   const std::vector<TaskDocument>& pool);

/// The documents a limit leaves: the first `count` (0 all), after random.Random(42).shuffle where
/// `shuffle`, as 0.3 does.
std::vector<std::size_t> ChooseDocuments(std::size_t available, std::int64_t count, bool shuffle);

}  // namespace roundlab
