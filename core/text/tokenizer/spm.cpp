#include "core/text/tokenizer/spm.h"

#include <algorithm>
#include <charconv>
#include <queue>
#include <utility>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/word_cache.h"

namespace roundlab {
namespace {

// The byte of "<0xNN>".
std::size_t ByteOf(const std::string& text) {
  unsigned byte = 0;
  const char* digits = text.data() + 3;
  const bool framed = text.size() == 6 && text.rfind("<0x", 0) == 0 && text.back() == '>';
  if (!framed || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
    throw Error("byte piece '" + text + "' is not of the form <0xNN>");
  }
  return byte;
}

}  // namespace

std::vector<AddedToken> PiecesInText(const std::vector<SpmPiece>& pieces) {
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const PieceType type = pieces[i].type;
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    if ((!special && type != PieceType::kUserDefined) || pieces[i].text.empty()) continue;
    AddedToken token;
    token.content = pieces[i].text;
    token.id = static_cast<std::int32_t>(i);
    token.special = special;
    token.normalized = false;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

struct SpmModel::Symbol {
  std::string_view text;  // empty once it has been merged into its left neighbour
  std::size_t previous;   // beyond the end: none
  std::size_t next;
  bool frozen = false;  // a user-defined piece
};

/// Merges the symbols of one text.
class SpmModel::Merger {
 public:
  Merger(const SpmModel& model, std::vector<Symbol>* symbols) : model_(model), symbols_(*symbols) {
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) Push(i, i + 1);
  }

  void Run() {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Symbol& left = symbols_[best.left];
      if (left.text.empty() || symbols_[best.right].text.empty() ||
          left.text.size() + symbols_[best.right].text.size() != best.size) {
        continue;  // one of them has been merged since
      }
      left.text = {left.text.data(), best.size};
      symbols_[best.right].text = {};
      left.next = symbols_[best.right].next;
      if (left.next < symbols_.size()) symbols_[left.next].previous = best.left;
      if (left.previous < symbols_.size()) Push(left.previous, best.left);
      if (left.next < symbols_.size()) Push(best.left, left.next);
    }
  }

  // Takes an unused piece apart into what it was merged from, as deep as needed.
  void AppendParts(std::string_view text, std::vector<std::int32_t>* ids) const {
    const std::optional<std::int32_t> id = model_.FindMergeable(text);
    if (!id.has_value()) return model_.AppendUnknown(text, ids);
    const bool unused = model_.pieces_[static_cast<std::size_t>(*id)].type == PieceType::kUnused;
    const auto halves = halves_.find(text);
    if (!unused || halves == halves_.end()) return ids->push_back(*id);
    AppendParts(text.substr(0, halves->second), ids);
    AppendParts(text.substr(halves->second), ids);
  }

 private:
  struct Candidate {
    double score;
    std::size_t left;
    std::size_t right;
    std::size_t size;  // bytes of both
    bool operator<(const Candidate& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };

  void Push(std::size_t left, std::size_t right) {
    const Symbol& a = symbols_[left];
    const Symbol& b = symbols_[right];
    if (a.frozen || b.frozen) return;
    const std::string_view both(a.text.data(), a.text.size() + b.text.size());
    const std::optional<std::int32_t> id = model_.FindMergeable(both);
    if (!id.has_value()) return;
    const SpmPiece& piece = model_.pieces_[static_cast<std::size_t>(*id)];
    queue_.push({piece.score, left, right, both.size()});
    if (piece.type == PieceType::kUnused) halves_[both] = a.text.size();
  }

  const SpmModel& model_;
  std::vector<Symbol>& symbols_;
  std::priority_queue<Candidate> queue_;
  std::unordered_map<std::string_view, std::size_t> halves_;  // unused piece -> size of its left
};

SpmModel::SpmModel(std::vector<SpmPiece> pieces) : pieces_(std::move(pieces)) {
  bytes_.fill(-1);
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const SpmPiece& piece = pieces_[i];
    const auto id = static_cast<std::int32_t>(i);
    if (piece.type == PieceType::kControl) continue;
    if (piece.type == PieceType::kUnknown) {
      unknown_ = id;
      continue;
    }
    if (piece.type == PieceType::kByte) {
      bytes_[ByteOf(piece.text)] = id;
      has_bytes_ = true;
      continue;
    }
    if (piece.text.empty()) throw Error("piece " + std::to_string(i) + " is empty");
    if (!mergeable_.emplace(piece.text, id).second) {
      throw Error("piece '" + piece.text + "' is there twice");
    }
    if (piece.type == PieceType::kUserDefined) user_defined_.Add(piece.text, i);
  }
  for (const std::int32_t id : bytes_) {
    if (has_bytes_ && id < 0) throw Error("some of the 256 byte pieces are missing");
  }
  if (!has_bytes_ && unknown_ < 0) throw Error("there is neither an unknown piece nor byte pieces");
  into_words_ = SplitsIntoWords();
}

// What an unused piece is taken apart into may depend on where else it comes in the text.
bool SpmModel::SplitsIntoWords() const {
  return FindMergeable(kSpaceMark).has_value() &&
         std::all_of(mergeable_.begin(), mergeable_.end(), [this](const auto& piece) {
           return NextMarkedWord(piece.first) == std::string_view::npos &&
                  pieces_[static_cast<std::size_t>(piece.second)].type != PieceType::kUnused;
         });
}

std::optional<std::int32_t> SpmModel::FindMergeable(std::string_view text) const {
  const auto found = mergeable_.find(text);
  if (found == mergeable_.end()) return std::nullopt;
  return found->second;
}

void SpmModel::AppendUnknown(std::string_view text, std::vector<std::int32_t>* ids) const {
  if (!has_bytes_) {
    if (ids->empty() || ids->back() != unknown_) ids->push_back(unknown_);
    return;
  }
  for (const char byte : text) ids->push_back(bytes_[static_cast<unsigned char>(byte)]);
}

std::vector<SpmModel::Symbol> SpmModel::Cut(std::string_view text) const {
  std::vector<Symbol> symbols;
  auto match = user_defined_.Next(text, 0);
  for (std::size_t position = 0; position < text.size();) {
    const bool frozen = match.has_value() && match->begin == position;
    const std::size_t end = frozen ? match->end : position + Utf8Length(text[position]);
    symbols.push_back(
        {text.substr(position, end - position), symbols.size() - 1, symbols.size() + 1, frozen});
    if (frozen) match = user_defined_.Next(text, end);
    position = end;
  }
  return symbols;
}

void SpmModel::Encode(std::string_view text, std::vector<std::int32_t>* ids) const {
  if (!into_words_) return EncodeWord(text, ids);
  WordCache words;
  ForEachMarkedWord(text, [&](std::string_view word) {
    words.Append(word, ids, [this](auto part, auto* out) { EncodeWord(part, out); });
  });
}

void SpmModel::EncodeWord(std::string_view word, std::vector<std::int32_t>* ids) const {
  std::vector<Symbol> symbols = Cut(word);
  Merger merger(*this, &symbols);
  merger.Run();
  std::vector<std::int32_t> encoded;
  for (const Symbol& symbol : symbols) {
    if (!symbol.text.empty()) merger.AppendParts(symbol.text, &encoded);
  }
  ids->insert(ids->end(), encoded.begin(), encoded.end());
}

}  // namespace roundlab
