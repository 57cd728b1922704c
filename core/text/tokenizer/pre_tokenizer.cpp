#include "core/text/tokenizer/pre_tokenizer.h"

#include <utility>

#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/split_parts.h"
#include "core/text/unicode/unicode.h"

namespace roundlab {
namespace {

using Predicate = bool (*)(char32_t);

// Every single code point for which `predicate` holds is a match.
void FindCodePoints(std::string_view text, Predicate predicate, std::vector<TextPart>* parts) {
  parts->clear();
  std::size_t covered = 0;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (!predicate(NextCodePoint(text, &position))) continue;
    if (covered < begin) parts->push_back({covered, begin, false});
    parts->push_back({begin, position, true});
    covered = position;
  }
  if (covered < text.size()) parts->push_back({covered, text.size(), false});
}

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void Apply(Pieces* pieces) const override {
    if (add_prefix_space_) {
      for (Piece& piece : pieces->list) {
        if (piece.text.front() == ' ') continue;
        piece.text = pieces->arena.emplace_back(" " + std::string(piece.text));
      }
    }
    if (use_regex_) {
      std::vector<Piece> cut;
      std::vector<TextPart> parts;
      for (const Piece& piece : pieces->list) {
        regex_.Find(piece.text, &parts);
        AppendSplit(piece, parts, SplitBehavior::kIsolated, &cut);
      }
      pieces->list = std::move(cut);
    }
    pieces->as_bytes = true;
  }

 private:
  bool add_prefix_space_;
  bool use_regex_;
  TextPattern regex_ = TextPattern::FromRegex(kGpt2Regex);
};

class CodePointSplit final : public PreTokenizer {
 public:
  CodePointSplit(Predicate predicate, SplitBehavior behavior)
      : predicate_(predicate), behavior_(behavior) {}

  void Apply(Pieces* pieces) const override {
    std::vector<Piece> cut;
    std::vector<TextPart> parts;
    for (const Piece& piece : pieces->list) {
      FindCodePoints(piece.text, predicate_, &parts);
      AppendSplit(piece, parts, behavior_, &cut);
    }
    pieces->list = std::move(cut);
  }

 private:
  Predicate predicate_;
  SplitBehavior behavior_;
};

class PatternSplit final : public PreTokenizer {
 public:
  PatternSplit(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void Apply(Pieces* pieces) const override {
    std::vector<Piece> cut;
    std::vector<TextPart> parts;
    for (const Piece& piece : pieces->list) {
      pattern_.Find(piece.text, &parts);
      if (invert_) {
        for (TextPart& part : parts) part.is_match = !part.is_match;
      }
      AppendSplit(piece, parts, behavior_, &cut);
    }
    pieces->list = std::move(cut);
  }

 private:
  TextPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, bool split)
      : replacement_(std::move(replacement)),
        scheme_(scheme),
        split_(split),
        pattern_(TextPattern::FromString(replacement_)) {}

  void Apply(Pieces* pieces) const override {
    std::vector<Piece> cut;
    std::vector<TextPart> parts;
    for (const Piece& piece : pieces->list) {
      const Piece marked = {pieces->arena.emplace_back(Mark(piece)), piece.at_start};
      if (!split_) {
        cut.push_back(marked);
        continue;
      }
      pattern_.Find(marked.text, &parts);
      AppendSplit(marked, parts, SplitBehavior::kMergedWithNext, &cut);
    }
    pieces->list = std::move(cut);
  }

 private:
  std::string Mark(const Piece& piece) const {
    std::string text;
    text.reserve(piece.text.size() + replacement_.size());
    for (const char byte : piece.text) {
      if (byte == ' ') {
        text += replacement_;
      } else {
        text += byte;
      }
    }
    const bool wanted =
        scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && piece.at_start);
    if (wanted && text.compare(0, replacement_.size(), replacement_) != 0) {
      text.insert(0, replacement_);
    }
    return text;
  }

  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
  TextPattern pattern_;
};

class Whitespace final : public PreTokenizer {
 public:
  void Apply(Pieces* pieces) const override {
    std::vector<Piece> cut;
    for (const Piece& piece : pieces->list) Cut(piece, &cut);
    pieces->list = std::move(cut);
  }

 private:
  enum class Kind { kSpace, kWord, kOther };

  static Kind KindOf(char32_t code_point) {
    if (IsWord(code_point)) return Kind::kWord;
    return IsWhiteSpace(code_point) ? Kind::kSpace : Kind::kOther;
  }

  static void Cut(const Piece& piece, std::vector<Piece>* cut) {
    std::size_t begin = 0;
    Kind run = Kind::kSpace;
    const auto end_run = [&](std::size_t end) {
      if (run == Kind::kSpace || begin == end) return;
      cut->push_back({piece.text.substr(begin, end - begin), piece.at_start && begin == 0});
    };
    for (std::size_t position = 0; position < piece.text.size();) {
      const std::size_t here = position;
      const Kind kind = KindOf(NextCodePoint(piece.text, &position));
      if (kind == run) continue;
      end_run(here);
      begin = here;
      run = kind;
    }
    end_run(piece.text.size());
  }
};

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void Apply(Pieces* pieces) const override {
    for (const auto& step : steps_) {
      pieces->SpellBytes();
      step->Apply(pieces);
    }
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace

void Pieces::SpellBytes() {
  if (!as_bytes) return;
  for (Piece& piece : list) piece.text = arena.emplace_back(ToByteLevel(piece.text));
  as_bytes = false;
}

std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevel>(add_prefix_space, use_regex);
}
std::unique_ptr<PreTokenizer> MakeDigits(bool individual_digits) {
  return std::make_unique<CodePointSplit>(
      IsNumeric, individual_digits ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}
std::unique_ptr<PreTokenizer> MakeSplit(TextPattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<PatternSplit>(std::move(pattern), behavior, invert);
}
std::unique_ptr<PreTokenizer> MakeMetaspace(std::string replacement, PrependScheme scheme,
                                            bool split) {
  return std::make_unique<Metaspace>(std::move(replacement), scheme, split);
}
std::unique_ptr<PreTokenizer> MakeWhitespace() { return std::make_unique<Whitespace>(); }
std::unique_ptr<PreTokenizer> MakeWhitespaceSplit() {
  return std::make_unique<CodePointSplit>(IsWhiteSpace, SplitBehavior::kRemoved);
}
std::unique_ptr<PreTokenizer> MakePunctuation(SplitBehavior behavior) {
  return std::make_unique<CodePointSplit>(IsPunctuation, behavior);
}
std::unique_ptr<PreTokenizer> MakeSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) {
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

}  // namespace roundlab
