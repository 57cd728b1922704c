#include "core/text/tokenizer/decoder.h"

#include <optional>
#include <utility>

#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/space_mark.h"

namespace roundlab {
namespace {

using Tokens = std::vector<std::string>;
constexpr const char* kReplacementCharacter = "\xEF\xBF\xBD";

class ByteLevelDecoder final : public Decoder {
 public:
  Tokens Apply(Tokens tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += FromByteLevel(token).value_or(token);
    return {ReplaceInvalidUtf8(bytes)};
  }
};

std::optional<char> FallbackByte(const std::string& token) {
  if (token.size() != 6 || token.compare(0, 3, "<0x") != 0 || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char digit : {token[3], token[4]}) {
    const char lower = static_cast<char>(digit | 0x20);
    if (digit >= '0' && digit <= '9') {
      value = value * 16 + (digit - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + (lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<char>(value);
}

class ByteFallbackDecoder final : public Decoder {
 public:
  Tokens Apply(Tokens tokens) const override {
    Tokens decoded;
    std::string bytes;
    for (std::string& token : tokens) {
      const std::optional<char> byte = FallbackByte(token);
      if (byte.has_value()) {
        bytes += *byte;
        continue;
      }
      Flush(&bytes, &decoded);
      decoded.push_back(std::move(token));
    }
    Flush(&bytes, &decoded);
    return decoded;
  }

 private:
  static void Flush(std::string* bytes, Tokens* decoded) {
    if (bytes->empty()) return;
    if (ReplaceInvalidUtf8(*bytes) == *bytes) {
      decoded->push_back(*bytes);
    } else {
      decoded->insert(decoded->end(), bytes->size(), kReplacementCharacter);
    }
    bytes->clear();
  }
};

class FuseDecoder final : public Decoder {
 public:
  Tokens Apply(Tokens tokens) const override {
    std::string text;
    for (const std::string& token : tokens) text += token;
    return {text};
  }
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  Tokens Apply(Tokens tokens) const override {
    std::vector<TextPart> parts;
    for (std::string& token : tokens) {
      if (token.empty()) continue;
      pattern_.Find(token, &parts);
      std::string replaced;
      for (const TextPart& part : parts) {
        replaced += part.is_match ? content_ : token.substr(part.begin, part.end - part.begin);
      }
      token = std::move(replaced);
    }
    return tokens;
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, std::size_t start, std::size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}

  Tokens Apply(Tokens tokens) const override {
    const std::size_t size = content_.size();
    for (std::string& token : tokens) {
      for (std::size_t i = 0; i < start_ && token.starts_with(content_); ++i) token.erase(0, size);
      for (std::size_t i = 0; i < stop_ && token.ends_with(content_); ++i) {
        token.resize(token.size() - size);
      }
    }
    return tokens;
  }

 private:
  std::string content_;
  std::size_t start_;
  std::size_t stop_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drop_first)
      : pattern_(TextPattern::FromString(std::move(replacement))), drop_first_(drop_first) {}

  Tokens Apply(Tokens tokens) const override {
    std::vector<TextPart> parts;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      pattern_.Find(tokens[i], &parts);
      std::string replaced;
      for (const TextPart& part : parts) {
        if (!part.is_match) replaced.append(tokens[i], part.begin, part.end - part.begin);
        if (part.is_match && (i > 0 || !drop_first_)) replaced += ' ';
      }
      tokens[i] = std::move(replaced);
    }
    return tokens;
  }

 private:
  TextPattern pattern_;
  bool drop_first_;
};

class SequenceDecoder final : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<Decoder>> steps)
      : steps_(std::move(steps)) {}
  Tokens Apply(Tokens tokens) const override {
    for (const auto& step : steps_) tokens = step->Apply(std::move(tokens));
    return tokens;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

}  // namespace

std::unique_ptr<Decoder> MakeByteLevelDecoder() { return std::make_unique<ByteLevelDecoder>(); }
std::unique_ptr<Decoder> MakeByteFallbackDecoder() {
  return std::make_unique<ByteFallbackDecoder>();
}
std::unique_ptr<Decoder> MakeFuseDecoder() { return std::make_unique<FuseDecoder>(); }
std::unique_ptr<Decoder> MakeReplaceDecoder(TextPattern pattern, std::string content) {
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content));
}
std::unique_ptr<Decoder> MakeStripDecoder(std::string content, std::size_t start,
                                          std::size_t stop) {
  return std::make_unique<StripDecoder>(std::move(content), start, stop);
}
std::unique_ptr<Decoder> MakeMetaspaceDecoder(std::string replacement, bool drop_first) {
  return std::make_unique<MetaspaceDecoder>(std::move(replacement), drop_first);
}
std::unique_ptr<Decoder> MakePieceDecoder(bool strip_space) {
  std::vector<std::unique_ptr<Decoder>> steps;
  steps.push_back(MakeReplaceDecoder(TextPattern::FromString(std::string(kSpaceMark)), " "));
  steps.push_back(MakeByteFallbackDecoder());
  steps.push_back(MakeFuseDecoder());
  if (strip_space) steps.push_back(MakeStripDecoder(" ", 1, 0));
  return MakeSequence(std::move(steps));
}
std::unique_ptr<Decoder> MakeSequence(std::vector<std::unique_ptr<Decoder>> steps) {
  return std::make_unique<SequenceDecoder>(std::move(steps));
}

}  // namespace roundlab
