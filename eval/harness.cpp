#include "eval/harness.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "core/base/random.h"

namespace roundlab {
namespace {

constexpr std::uint64_t kSeed03 = 42;
constexpr std::uint64_t kSeed04 = 1234;

using Ids = std::vector<std::int32_t>;

std::int32_t PrefixToken(const Tokenizer& tokenizer, Harness harness) {
  if (harness == Harness::kLmEval04 && tokenizer.BosId()) return *tokenizer.BosId();
  if (tokenizer.EosId()) return *tokenizer.EosId();
  throw Error("an empty context needs a BOS or EOS token, and the tokenizer has none");
}

struct SplitIds {
  Ids context;
  Ids continuation;
};

SplitIds EncodeSplit(const Tokenizer& tokenizer, Harness harness, const std::string& context,
                     const std::string& continuation) {
  if (context.empty()) {
    const std::int32_t prefix = PrefixToken(tokenizer, harness);
    Ids ids = tokenizer.Encode(continuation, SpecialTokens::kNone);
    const bool there = harness == Harness::kLmEval04 && !ids.empty() && ids.front() == prefix;
    if (there) ids.erase(ids.begin());
    return {{prefix}, std::move(ids)};
  }
  const SpecialTokens special = SpecialFor(tokenizer, harness, context);
  const std::string stripped = StripRight(context);
  const Ids whole = tokenizer.Encode(context + continuation, special);
  Ids head = tokenizer.Encode(stripped, special);
  const std::size_t cut = std::min(head.size(), whole.size());
  return {std::move(head), Ids(whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end())};
}

std::string Example(const TaskOptions& task, Harness harness, const TaskDocument& document) {
  const auto right = static_cast<std::size_t>(document.gold);
  const bool other = harness == Harness::kLmEval04 && !task.shots.delimiter.empty();
  return document.Context(right) + (other ? task.shots.delimiter : task.delimiter) +
         document.Choice(right);
}

/// Examples of one document after another, in the order in which the harness asks.
class Examples {
 public:
  Examples(const TaskOptions& task, Harness harness, const std::vector<TaskDocument>& pool)
      : task_(task),
        harness_(harness),
        pool_(pool),
        random_(harness == Harness::kLmEval03 ? kSeed03 : kSeed04) {}

  /// The order in which the harness asks for `count` documents.
  std::vector<std::size_t> Order(std::size_t count, std::size_t shuffled_of) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (harness_ != Harness::kLmEval03) return order;
    std::vector<std::size_t> all(shuffled_of);  // in their order already, but the generator goes on
    random_.Shuffle(shuffled_of > 0 ? &all : &order);
    return order;
  }

  std::string For(const TaskDocument& document, const ShotOptions& shots) {
    std::string text;
    for (const std::size_t i :
         Choose(document, static_cast<std::size_t>(shots.count), shots.same)) {
      text += Example(task_, harness_, pool_[i]) + "\n\n";
    }
    return text;
  }

 private:
  std::vector<std::size_t> Choose(const TaskDocument& document, std::size_t shots, bool same) {
    std::vector<std::size_t> candidates;
    if (task_.shots.sampler == ShotSampler::kFirst) {
      for (std::size_t i = 0; i < pool_.size(); ++i) {
        if (pool_[i].group == document.group) candidates.push_back(i);
      }
    } else {
      const std::size_t drawn = shots + (same ? 1 : 0);
      if (drawn > pool_.size()) TooFew(pool_.size(), drawn);
      for (const std::uint64_t i : random_.Sample(pool_.size(), drawn)) candidates.push_back(i);
    }
    if (same) {
      std::erase_if(candidates, [&](std::size_t i) { return pool_[i].row == document.row; });
    }
    if (candidates.size() < shots && task_.shots.sampler != ShotSampler::kFirst) {
      // More than one copy of the document was drawn: 0.3 goes on with fewer examples, 0.4 draws
      // again among the others.
      if (harness_ == Harness::kLmEval03) return candidates;
      candidates = DrawnAgain(document, shots);
    }
    if (candidates.size() < shots) TooFew(candidates.size(), shots);
    candidates.resize(shots);
    return candidates;
  }

  std::vector<std::size_t> DrawnAgain(const TaskDocument& document, std::size_t shots) {
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < pool_.size(); ++i) {
      if (pool_[i].row != document.row) others.push_back(i);
    }
    if (others.size() < shots) TooFew(others.size(), shots);
    std::vector<std::size_t> drawn;
    for (const std::uint64_t i : random_.Sample(others.size(), shots)) drawn.push_back(others[i]);
    return drawn;
  }

  [[noreturn]] static void TooFew(std::size_t have, std::size_t need) {
    throw Error("shots: " + std::to_string(need) + " examples needed, " + std::to_string(have) +
                " are there");
  }

  const TaskOptions& task_;
  Harness harness_;
  const std::vector<TaskDocument>& pool_;
  PythonRandom random_;
};

}  // namespace

const EnumNames<Harness>& HarnessNames() {
  static const EnumNames<Harness> kNames = {{Harness::kLmEval03, "lmeval_0_3"},
                                            {Harness::kLmEval04, "lmeval_0_4"}};
  return kNames;
}

SpecialTokens SpecialFor(const Tokenizer& tokenizer, Harness harness, const std::string& text) {
  if (harness != Harness::kLmEval04) return SpecialTokens::kNone;
  const std::string bos = tokenizer.BosId() ? tokenizer.Decode({*tokenizer.BosId()}) : "";
  return !bos.empty() && text.starts_with(bos) ? SpecialTokens::kNone : SpecialTokens::kDefault;
}

EncodedPair EncodePair(const Tokenizer& tokenizer, Harness harness, std::int64_t max_length,
                       const std::string& context, const std::string& continuation) {
  SplitIds split = EncodeSplit(tokenizer, harness, context, continuation);
  EncodedPair pair;
  pair.continuation.scored = static_cast<std::int64_t>(split.continuation.size());
  if (split.context.empty()) {
    pair.refused = "no token is left for the context";
  } else if (split.continuation.empty()) {
    pair.refused = "no token is left for the continuation";
  } else if (pair.continuation.scored > max_length) {
    pair.refused = "the continuation has " + std::to_string(pair.continuation.scored) +
                   " tokens, more than the model's context of " + std::to_string(max_length);
  }
  Ids& ids = pair.continuation.ids;
  ids = std::move(split.context);
  ids.insert(ids.end(), split.continuation.begin(), split.continuation.end());
  const auto most = static_cast<std::size_t>(max_length) + 1;
  pair.truncated = ids.size() > most;
  if (pair.truncated) ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(most));
  return pair;
}

std::vector<std::string> Preambles(const TaskOptions& task, Harness harness,
                                   const ShotOptions& shots,
                                   const std::vector<TaskDocument>& documents,
                                   const std::vector<TaskDocument>& pool) {
  std::vector<std::string> preambles;
  preambles.reserve(documents.size());
  for (const TaskDocument& document : documents) preambles.push_back(document.description);
  if (shots.count == 0) return preambles;
  Examples examples(task, harness, pool);
  for (const std::size_t i : examples.Order(documents.size(), shots.shuffled_of)) {
    preambles[i] += examples.For(documents[i], shots);
  }
  return preambles;
}

std::vector<std::size_t> ChooseDocuments(std::size_t available, std::int64_t count, bool shuffle) {
  std::vector<std::size_t> order(available);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (shuffle) PythonRandom(kSeed03).Shuffle(&order);
  if (count > 0) order.resize(std::min(available, static_cast<std::size_t>(count)));
  return order;
}

}  // namespace roundlab
