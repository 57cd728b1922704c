#include "core/text/unicode/regex_translate.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/unicode/regex_class.h"

namespace roundlab {
namespace {

constexpr std::size_t kMaxNesting = 100;

bool IsAsciiAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string Run() {
    if (Take("(?i)")) {
      caseless_ = true;
      out_ += "(?i)";
    }
    while (!AtEnd()) Step();
    if (!groups_.empty()) Fail("an unclosed group");
    return out_;
  }

 private:
  struct Group {
    std::size_t start;  // in out_
    bool caseless;      // of what stands outside
  };

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error("regex '" + std::string(pattern_) + "': " + what + " at offset " +
                std::to_string(position_) + " is not supported");
  }

  bool AtEnd() const { return position_ >= pattern_.size(); }
  char Peek() const { return AtEnd() ? '\0' : pattern_[position_]; }
  bool Take(std::string_view text) {
    if (pattern_.substr(position_, text.size()) != text) return false;
    position_ += text.size();
    return true;
  }

  void Atom(const std::string& text) {
    atom_ = out_.size();
    out_ += text;
  }
  void NoAtom(const std::string& text) {
    atom_.reset();
    out_ += text;
  }
  void Literal(char32_t code_point) {
    if (caseless_) CheckFolding(code_point);
    RegexClass one;
    one.AddRange(code_point, code_point);
    Atom(one.Text(false));
    last_literal_ = code_point;
    last_literal_end_ = out_.size();
  }
  // Without case Oniguruma lets some letters match two ("ss" and U+00DF); PCRE2 does not.
  void CheckFolding(char32_t code_point) const {
    if (code_point >= 0x80) Fail("a letter beyond ASCII without case");
    const bool neighbours = last_literal_end_ == out_.size();
    const std::string pair = {static_cast<char>(last_literal_ | 0x20),
                              static_cast<char>(code_point | 0x20)};
    for (const char* folding : {"ff", "fi", "fl", "ss", "st"}) {
      if (neighbours && pair == folding) Fail("'" + pair + "' without case");
    }
  }
  void Class(const RegexClass& members, bool complement) {
    if (caseless_ && members.HasCasedCategory()) Fail("a cased category without case");
    Atom(members.Text(complement));
  }

  void Step() {
    switch (Peek()) {
      case '\\':
        return Escape();
      case '[':
        return Bracket();
      case '(':
        return OpenGroup();
      case ')':
        return CloseGroup();
      case '*':
      case '+':
      case '?':
        return Quantifier();
      case '{':
        return Interval();
      case '|':
      case '^':
      case '$':
        return NoAtom(std::string(1, pattern_[position_++]));
      case '.':
        ++position_;
        return Atom("[^\\n]");
      default:
        return Literal(NextCodePoint(pattern_, &position_));
    }
  }

  void Escape();
  void Bracket();
  void ClassMembers(RegexClass* members, std::size_t depth);
  void PosixClass(RegexClass* members);
  void NoRangeBehindClasses();
  void OpenGroup();
  void CloseGroup();
  void Quantifier();
  void Interval();
  bool Anchor(char letter);
  bool AddMultiple(RegexClass* members, bool inside_brackets);
  std::optional<char32_t> EscapedCodePoint(bool in_class);
  char32_t HexCodePoint(std::size_t max_digits);
  char32_t ClassCodePoint();
  std::optional<unsigned> Number();

  std::string_view pattern_;
  std::size_t position_ = 0;
  std::string out_;
  std::optional<std::size_t> atom_;  // where in out_ the last atom begins
  std::vector<Group> groups_;
  bool caseless_ = false;
  char32_t last_literal_ = 0;
  std::size_t last_literal_end_ = 0;  // in out_
};

// Reads \s, \p{..} and their like behind the backslash; false where it is something else.
bool Translator::AddMultiple(RegexClass* members, bool inside_brackets) {
  const char letter = Peek();
  if (std::string_view("sSdDwWhH").find(letter) != std::string_view::npos && letter != '\0') {
    ++position_;
    members->AddEscape(letter, inside_brackets);
    return true;
  }
  if (letter != 'p' && letter != 'P') return false;
  ++position_;
  if (!Take("{")) Fail("a property without braces");
  bool complement = letter == 'P';
  if (Take("^")) complement = !complement;
  const std::size_t close = pattern_.find('}', position_);
  if (close == std::string_view::npos) Fail("an unclosed property name");
  const std::string_view name = pattern_.substr(position_, close - position_);
  if (!members->AddProperty(name, complement)) Fail("property '" + std::string(name) + "'");
  position_ = close + 1;
  return true;
}

char32_t Translator::HexCodePoint(std::size_t max_digits) {
  char32_t value = 0;
  std::size_t digits = 0;
  while (digits < max_digits && !AtEnd()) {
    const char c = Peek();
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<char32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
    } else {
      break;
    }
    ++digits;
    ++position_;
  }
  if (digits == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    Fail("an escaped code point");
  }
  return value;
}

// Behind the backslash: the one code point it stands for, or nullopt.
std::optional<char32_t> Translator::EscapedCodePoint(bool in_class) {
  const char letter = Peek();
  static constexpr std::string_view kLetters = "nrtfvae";
  static constexpr std::string_view kMeanings = "\n\r\t\f\v\a\x1B";
  const std::size_t index = kLetters.find(letter);
  if (letter != '\0' && index != std::string_view::npos) {
    ++position_;
    return static_cast<char32_t>(kMeanings[index]);
  }
  if (in_class && Take("b")) return 0x08;
  if (Take("x{")) {
    const char32_t value = HexCodePoint(8);
    if (!Take("}")) Fail("an escaped code point");
    return value;
  }
  if (Take("x")) {
    const char32_t value = HexCodePoint(2);
    if (value >= 0x80) Fail("an escaped byte");
    return value;
  }
  if (Take("u")) {
    const std::size_t start = position_;
    const char32_t value = HexCodePoint(4);
    if (position_ != start + 4) Fail("an escaped code point");
    return value;
  }
  if (AtEnd() || IsAsciiAlnum(letter)) return std::nullopt;
  return NextCodePoint(pattern_, &position_);
}

bool Translator::Anchor(char letter) {
  if (letter == 'A' || letter == 'z' || letter == 'Z') {
    NoAtom(std::string("\\") + letter);
  } else if (letter == 'b' || letter == 'B') {
    RegexClass word;
    word.AddEscape('w', false);
    const std::string w = word.Text(false);
    const bool boundary = letter == 'b';
    NoAtom("(?:(?<=" + w + ")" + (boundary ? "(?!" : "(?=") + w + ")|(?<!" + w + ")" +
           (boundary ? "(?=" : "(?!") + w + "))");
  } else if (letter == 'R') {
    Atom("(?>\\x{D}\\x{A}|[\\x{A}-\\x{D}\\x{85}\\x{2028}\\x{2029}])");
  } else {
    return false;
  }
  ++position_;
  return true;
}

void Translator::Escape() {
  ++position_;
  RegexClass members;
  if (AddMultiple(&members, false)) return Class(members, false);
  if (!AtEnd() && Anchor(Peek())) return;
  const std::optional<char32_t> code_point = EscapedCodePoint(false);
  if (!code_point.has_value()) Fail("escape '\\" + std::string(1, Peek()) + "'");
  Literal(*code_point);
}

// One end of a range inside a class.
char32_t Translator::ClassCodePoint() {
  if (AtEnd()) Fail("an unclosed class");
  if (!Take("\\")) return NextCodePoint(pattern_, &position_);
  const std::optional<char32_t> code_point = EscapedCodePoint(true);
  if (!code_point.has_value()) Fail("escape '\\" + std::string(1, Peek()) + "' in a class");
  return *code_point;
}

void Translator::Bracket() {
  ++position_;
  const bool complement = Take("^");
  RegexClass members;
  ClassMembers(&members, 0);
  Class(members, complement);
}

// Up to the closing bracket. A class in a class adds its members.
void Translator::ClassMembers(RegexClass* members, std::size_t depth) {
  if (Peek() == ']') Fail("']' at the beginning of a class");
  if (depth > kMaxNesting) Fail("deeper nesting of classes");
  while (!Take("]")) {
    if (AtEnd()) Fail("an unclosed class");
    if (Peek() == '[') {
      const std::string_view two = pattern_.substr(position_, 2);
      if (two == "[^") Fail("a nested complement");
      if (two == "[:") {
        PosixClass(members);
        continue;
      }
      ++position_;
      ClassMembers(members, depth + 1);
      continue;
    }
    if (pattern_.substr(position_, 2) == "&&") Fail("an intersection of classes");
    const std::size_t start = position_;
    if (Take("\\") && AddMultiple(members, true)) {
      NoRangeBehindClasses();
      continue;
    }
    position_ = start;
    const char32_t first = ClassCodePoint();
    char32_t last = first;
    if (Peek() == '-' && pattern_.substr(position_, 2) != "-]") {
      ++position_;
      if (Peek() == '[') Fail("a nested class behind '-'");
      last = ClassCodePoint();
      if (last < first) Fail("an empty range");
    }
    members->AddRange(first, last);
  }
}

void Translator::NoRangeBehindClasses() {
  if (Peek() == '-' && pattern_.substr(position_, 2) != "-]") Fail("a range of classes");
}

// [:space:], [:^space:] and those others that are what an escape is.
void Translator::PosixClass(RegexClass* members) {
  const std::size_t begin = position_ + 2;
  const std::size_t close = std::min(pattern_.find(":]", begin), pattern_.size());
  std::string_view name = pattern_.substr(begin, close - begin);
  const bool complement = name.starts_with('^');
  if (complement) name.remove_prefix(1);
  char escape = '\0';
  if (name == "space") escape = complement ? 'S' : 's';
  if (name == "digit") escape = complement ? 'D' : 'd';
  if (name == "word") escape = complement ? 'W' : 'w';
  if (name == "xdigit") escape = complement ? 'H' : 'h';
  if (escape == '\0' || close == pattern_.size()) Fail("POSIX class '" + std::string(name) + "'");
  members->AddEscape(escape, true);
  position_ = close + 2;
  NoRangeBehindClasses();
}

void Translator::OpenGroup() {
  if (groups_.size() >= kMaxNesting) Fail("deeper nesting of groups");
  groups_.push_back({out_.size(), caseless_});
  atom_.reset();
  if (Take("(?i:")) {
    caseless_ = true;
    out_ += "(?i:";
    return;
  }
  if (Take("(?-i:")) {
    caseless_ = false;
    out_ += "(?-i:";
    return;
  }
  for (const char* kind : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
    if (!Take(kind)) continue;
    out_ += kind;
    return;
  }
  if (pattern_.substr(position_, 2) == "(?") Fail("this kind of group");
  ++position_;
  out_ += "(?:";  // nothing refers to it
}

void Translator::CloseGroup() {
  if (groups_.empty()) Fail("an unopened group");
  ++position_;
  out_ += ")";
  caseless_ = groups_.back().caseless;
  atom_ = groups_.back().start;
  groups_.pop_back();
}

void Translator::Quantifier() {
  if (!atom_.has_value()) Fail("a quantifier of nothing");
  out_ += pattern_[position_++];
  if (Peek() == '?' || Peek() == '+') out_ += pattern_[position_++];
  atom_.reset();
}

std::optional<unsigned> Translator::Number() {
  std::optional<unsigned> number;
  while (Peek() >= '0' && Peek() <= '9') {
    number = number.value_or(0) * 10 + static_cast<unsigned>(Peek() - '0');
    if (*number > 1000) Fail("a count above 1000");
    ++position_;
  }
  return number;
}

void Translator::Interval() {
  const std::size_t start = position_++;
  const std::optional<unsigned> least = Number();
  const bool comma = Take(",");
  const std::optional<unsigned> most = comma ? Number() : least;
  if ((!least.has_value() && !most.has_value()) || !Take("}")) {
    position_ = start + 1;
    return Literal('{');
  }
  if (!atom_.has_value()) Fail("a quantifier of nothing");
  std::string text = "{" + std::to_string(least.value_or(0));
  if (comma) text += "," + (most.has_value() ? std::to_string(*most) : std::string());
  text += "}";
  if (Peek() == '?') {
    if (!comma) Fail("a lazy exact count");
    ++position_;
    text += "?";
  }
  out_ += text;
  if (Peek() == '+') {  // Ruby: not possessive, but the counted group once or more
    ++position_;
    out_.insert(*atom_, "(?:");
    out_ += ")+";
  }
  atom_.reset();
}

}  // namespace

std::string TranslateRegex(std::string_view pattern) { return Translator(pattern).Run(); }

}  // namespace roundlab
