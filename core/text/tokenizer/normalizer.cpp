#include "core/text/tokenizer/normalizer.h"

#include <string_view>
#include <utility>

#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"

namespace roundlab {
namespace {

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void Apply(NormalizedText* text) const override {
    if (!text->text.empty()) text->text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void Apply(NormalizedText* text) const override {
    if (text->text.empty()) return;
    std::vector<TextPart> parts;
    pattern_.Find(text->text, &parts);
    std::string replaced;
    replaced.reserve(text->text.size());
    for (const TextPart& part : parts) {
      if (part.is_match) {
        replaced += content_;
      } else {
        replaced.append(text->text, part.begin, part.end - part.begin);
      }
    }
    text->at_start = text->at_start && KeepsStart(text->text, parts.front());
    text->text = std::move(replaced);
  }

 private:
  // What replaces a match counts as coming from the last character of the match.
  bool KeepsStart(std::string_view text, const TextPart& first) const {
    if (!first.is_match) return true;
    return !content_.empty() && first.end <= Utf8Length(text[0]);
  }

  TextPattern pattern_;
  std::string content_;
};

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(NormalForm form) : form_(form) {}
  void Apply(NormalizedText* text) const override {
    text->text = NormalizeUnicode(text->text, form_);
  }

 private:
  NormalForm form_;
};

class Lowercase final : public Normalizer {
 public:
  void Apply(NormalizedText* text) const override {
    std::string lower;
    lower.reserve(text->text.size());
    for (std::size_t position = 0; position < text->text.size();) {
      AppendLowercase(NextCodePoint(text->text, &position), &lower);
    }
    text->text = std::move(lower);
  }
};

bool IsRemovedByNmt(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool IsSpaceToNmt(char32_t c) {
  return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

class Nmt final : public Normalizer {
 public:
  void Apply(NormalizedText* text) const override {
    std::string kept;
    kept.reserve(text->text.size());
    for (std::size_t position = 0; position < text->text.size();) {
      const std::size_t begin = position;
      const char32_t character = NextCodePoint(text->text, &position);
      if (IsRemovedByNmt(character)) {
        if (begin == 0) text->at_start = false;
      } else if (IsSpaceToNmt(character)) {
        kept += ' ';
      } else {
        kept.append(text->text, begin, position - begin);
      }
    }
    text->text = std::move(kept);
  }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void Apply(NormalizedText* text) const override { text->text = ToByteLevel(text->text); }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  void Apply(NormalizedText* text) const override {
    std::string_view rest = text->text;
    while (left_ && !rest.empty()) {
      std::size_t length = 0;
      if (!IsWhiteSpace(NextCodePoint(rest, &length))) break;
      rest.remove_prefix(length);
      text->at_start = false;
    }
    while (right_ && !rest.empty()) {
      const char32_t last = LastCodePoint(rest);
      if (!IsWhiteSpace(last)) break;
      std::string encoded;
      AppendUtf8(last, &encoded);
      rest.remove_suffix(encoded.size());
    }
    text->text = std::string(rest);
  }

 private:
  bool left_;
  bool right_;
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void Apply(NormalizedText* text) const override {
    for (const auto& step : steps_) step->Apply(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<Normalizer> MakePrepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
std::unique_ptr<Normalizer> MakeReplace(TextPattern pattern, std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
std::unique_ptr<Normalizer> MakeUnicodeNormalizer(NormalForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}
std::unique_ptr<Normalizer> MakeLowercase() { return std::make_unique<Lowercase>(); }
std::unique_ptr<Normalizer> MakeNmt() { return std::make_unique<Nmt>(); }
std::unique_ptr<Normalizer> MakeByteLevelNormalizer() {
  return std::make_unique<ByteLevelNormalizer>();
}
std::unique_ptr<Normalizer> MakeStrip(bool left, bool right) {
  return std::make_unique<Strip>(left, right);
}
std::unique_ptr<Normalizer> MakeSequence(std::vector<std::unique_ptr<Normalizer>> steps) {
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace roundlab
