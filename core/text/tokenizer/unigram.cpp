#include "core/text/tokenizer/unigram.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"

namespace roundlab {
namespace {

PrefixTree TreeOf(const std::vector<UnigramPiece>& pieces) {
  std::vector<std::pair<std::string_view, std::int32_t>> strings;
  strings.reserve(pieces.size());
  for (const UnigramPiece& piece : pieces) {
    strings.emplace_back(piece.text, static_cast<std::int32_t>(strings.size()));
  }
  return PrefixTree(std::move(strings));
}

}  // namespace

/// The last piece of the best way to spell a word up to some byte.
struct Unigram::Ending {
  double score = 0;          // of all pieces up to here
  std::uint32_t length = 0;  // 0: nothing ends here
  std::int32_t id = 0;

  void Offer(double other_score, std::size_t other_length, std::int32_t other_id) {
    if (length > 0 && other_score <= score) return;
    *this = {other_score, static_cast<std::uint32_t>(other_length), other_id};
  }
};

Unigram::Unigram(std::vector<UnigramPiece> pieces, UnigramOptions options)
    : pieces_(std::move(pieces)), options_(std::move(options)), tree_(TreeOf(pieces_)) {
  if (pieces_.empty()) throw Error("vocab: expected one piece or more, got none");
  if (options_.unk_id.has_value() && *options_.unk_id > MaxId()) {
    throw Error("unk_id: expected an id from 0 to " + std::to_string(MaxId()) + ", got " +
                std::to_string(*options_.unk_id));
  }
  double lowest = pieces_.front().score;
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    ids_[pieces_[id].text] = static_cast<std::int32_t>(id);
    lowest = std::min(lowest, pieces_[id].score);
  }
  unknown_score_ = lowest - 10;
  for (unsigned byte = 0; options_.byte_fallback && byte < 256; ++byte) {
    const std::string token = ByteToken(static_cast<unsigned char>(byte));
    if (!Find(token).has_value()) {
      throw Error("byte_fallback: piece '" + token + "' is not in the vocabulary");
    }
  }
}

std::optional<std::int32_t> Unigram::Find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* Unigram::Token(std::int32_t id) const {
  return id >= 0 && id <= MaxId() ? &pieces_[static_cast<std::size_t>(id)].text : nullptr;
}

std::int32_t Unigram::UnknownId(std::string_view character) const {
  if (options_.unk_id.has_value()) return *options_.unk_id;
  throw Error((options_.place.empty() ? "" : options_.place + ": ") + "'" + std::string(character) +
              "' is no piece, and there is no unk_id");
}

std::vector<Unigram::Ending> Unigram::BestEndings(std::string_view word) const {
  std::vector<Ending> best(word.size() + 1);
  for (std::size_t begin = 0; begin < word.size();) {
    const double before = best[begin].score;
    const std::size_t character = Utf8Length(word[begin]);
    bool known = false;
    tree_.ForEachPrefix(word.substr(begin), [&](std::size_t length, std::int32_t id) {
      const double score = pieces_[static_cast<std::size_t>(id)].score + before;
      best[begin + length].Offer(score, length, id);
      known = known || length == character;
    });
    Ending& next = best[begin + character];
    const double unknown = unknown_score_ + before;
    if (!known && (next.length == 0 || unknown > next.score)) {
      next.Offer(unknown, character, UnknownId(word.substr(begin, character)));
    }
    begin += character;
  }
  return best;
}

void Unigram::AppendUnknown(std::string_view text, std::vector<std::int32_t>* ids) const {
  const std::optional<std::int32_t> whole = Find(text);
  if (whole.has_value() || !options_.byte_fallback) {
    ids->push_back(whole.value_or(*options_.unk_id));
    return;
  }
  for (const char byte : text) {
    ids->push_back(*Find(ByteToken(static_cast<unsigned char>(byte))));
  }
}

void Unigram::EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const {
  const std::vector<Ending> best = BestEndings(word);
  struct Cut {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;
  };
  std::vector<Cut> cuts;  // from the last piece to the first
  for (std::size_t end = word.size(); end > 0;) {
    const Ending& last = best[end];
    const std::size_t begin = end - last.length;
    if (!cuts.empty() && last.id == options_.unk_id && cuts.back().id == options_.unk_id) {
      cuts.back().begin = begin;
    } else {
      cuts.push_back({begin, end, last.id});
    }
    end = begin;
  }
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
    if (cut->id == options_.unk_id) {
      AppendUnknown(word.substr(cut->begin, cut->end - cut->begin), ids);
    } else {
      ids->push_back(cut->id);
    }
  }
}

void Unigram::EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const {
  EncodeText(ToByteLevel(bytes), ids);
}

}  // namespace roundlab
