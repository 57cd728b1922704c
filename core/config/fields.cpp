#include "core/config/fields.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "core/base/real_text.h"

namespace roundlab {
namespace {

/// Whether a reader of YAML 1.1 takes the plain word for nothing, a truth value or a number
/// (yaml.org/type: null, bool, int, float, timestamp), whatever its case.
bool MeansMoreThanText(const std::string& text) {
  static const std::set<std::string> kWords = {"null", "true", "false", "yes",  "no",  "on",
                                               "off",  "y",    "n",     ".nan", ".inf"};
  std::string word = text;
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (kWords.count(word) != 0) return true;
  const bool signed_word = word.front() == '+' || word.front() == '-';
  const std::string size = signed_word ? word.substr(1) : word;
  if (size == ".inf") return true;
  return !size.empty() && size.find_first_of("0123456789") != std::string::npos &&
         size.find_first_not_of("0123456789abcdefox_.+-") == std::string::npos &&
         (std::isdigit(static_cast<unsigned char>(size.front())) != 0 || size.front() == '.');
}

bool IsPlain(const std::string& text) {
  if (text.empty() || MeansMoreThanText(text)) return false;
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '/' || c == '.' || c == '-' || c == '+';
  };
  if (text.front() == '-') return false;
  for (const char c : text) {
    if (!plain(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

using Texts = std::map<std::string, std::string>;
constexpr const char* kNoText = "\"\"";  // an empty String

/// The texts of all fields: those of Values by their own Write.
class FieldTexts : public FieldVisitor {
 public:
  void Int(const char* key, std::int64_t* value, Interval, const char*, Presence p) override {
    Put(key, std::to_string(*value), p);
  }
  void Real(const char* key, double* value, Interval, const char*, Presence p) override {
    Put(key, RealText(*value), p);
  }
  void Bool(const char* key, bool* value, const char*, Presence p) override {
    Put(key, *value ? "true" : "false", p);
  }
  void String(const char* key, std::string* value, const char*, Presence p) override {
    Put(key, QuoteScalar(*value), p);
  }
  void Value(const char* key, ValueField& value, const char*, Presence p) override {
    Put(key, value.Write(), p);
  }
  void Section(const char* key, const std::function<void(FieldVisitor&)>& fields,
               const char*) override {
    sections_.emplace_back(key);
    fields(*this);
    sections_.pop_back();
  }
  void UsedIf(bool, const std::string&, const std::function<void(FieldVisitor&)>& fields) override {
    fields(*this);
  }
  void Rule(const std::function<std::string()>&) override {}

 protected:
  /// `text`: as ValueField::Write.
  virtual void Put(const char* key, const std::string& text, Presence presence) = 0;
  std::string PathOf(const char* key) const {
    std::string path;
    for (const std::string& section : sections_) path += section + ".";
    return path + key;
  }
  std::vector<std::string> sections_;
};

class DefaultTexts : public FieldTexts {
 public:
  Texts texts;

 protected:
  void Put(const char* key, const std::string& text, Presence) override {
    texts.emplace(PathOf(key), text);
  }
};

/// What compares with defaults.
class FieldComparer : public FieldTexts {
 public:
  explicit FieldComparer(const FieldsFunction& fields) {
    DefaultTexts defaults;
    if (fields.visit_defaults) fields.visit_defaults(defaults);
    defaults_ = std::move(defaults.texts);
  }

 protected:
  bool AsByDefault(const char* key, const std::string& value) const {
    const auto found = defaults_.find(PathOf(key));
    const std::string by_default = found == defaults_.end() ? "" : found->second;
    return value == by_default || (value == kNoText && by_default.empty());
  }

 private:
  Texts defaults_;
};

class FieldWriter : public FieldComparer {
 public:
  using FieldComparer::FieldComparer;
  const std::string& text() const { return text_; }
  void UsedIf(bool used, const std::string&,
              const std::function<void(FieldVisitor&)>& fields) override {
    if (used) fields(*this);
  }

 protected:
  void Put(const char* key, const std::string& value, Presence presence) override {
    if (AsByDefault(key, value) && (presence == Presence::kOptional || value.empty())) return;
    OpenSections();
    const std::string margin(2 * sections_.size(), ' ');
    const std::string text = value.empty() ? "null" : value;  // the default is not empty
    if (text.back() != '\n') {
      text_ += margin + key + ": " + text + "\n";
    } else {
      text_ += margin + key + ":\n" + Indent(text, static_cast<int>(margin.size()) + 2);
    }
  }

 private:
  /// The lines of the sections that hold this field and have none yet.
  void OpenSections() {
    std::size_t same = 0;
    while (same < std::min(open_.size(), sections_.size()) && open_[same] == sections_[same]) {
      ++same;
    }
    for (std::size_t i = same; i < sections_.size(); ++i) {
      text_ += std::string(2 * i, ' ') + sections_[i] + ":\n";
    }
    open_ = sections_;
  }

  std::vector<std::string> open_;
  std::string text_;
};

class UnusedFinder : public FieldComparer {
 public:
  using FieldComparer::FieldComparer;
  std::vector<UnusedKey> found;

  void UsedIf(bool used, const std::string& otherwise,
              const std::function<void(FieldVisitor&)>& fields) override {
    const std::string outer = why_;
    if (!used && why_.empty()) why_ = otherwise;
    fields(*this);
    why_ = outer;
  }
  void Value(const char* key, ValueField& value, const char* help, Presence presence) override {
    if (!why_.empty()) return FieldComparer::Value(key, value, help, presence);
    AddUnused(PathOf(key), value.Unused(), &found);
  }

 protected:
  void Put(const char* key, const std::string& value, Presence) override {
    if (!why_.empty() && !AsByDefault(key, value)) found.push_back({PathOf(key), why_});
  }

 private:
  std::string why_;  // of the fields that are visited; empty: they are used
};

class FieldDescriber : public FieldVisitor {
 public:
  void Int(const char* key, std::int64_t* value, Interval allowed, const char* help,
           Presence presence) override {
    Line(key, "integer in " + allowed.ToString(), std::to_string(*value), help, presence);
  }
  void Real(const char* key, double* value, Interval allowed, const char* help,
            Presence presence) override {
    Line(key, "number in " + allowed.ToString(), RealText(*value), help, presence);
  }
  void Bool(const char* key, bool* value, const char* help, Presence presence) override {
    Line(key, "true or false", *value ? "true" : "false", help, presence);
  }
  void Section(const char* key, const std::function<void(FieldVisitor&)>& fields,
               const char*) override {
    const std::string outer = prefix_;
    prefix_ += std::string(key) + ".";
    fields(*this);
    prefix_ = outer;
  }
  void String(const char* key, std::string* value, const char* help, Presence presence) override {
    Line(key, "text", value->empty() ? "none" : *value, help, presence);
  }
  void Value(const char* key, ValueField& value, const char* help, Presence presence) override {
    std::string text = value.Write();
    text = text.substr(0, text.find('\n'));
    Line(key, value.Type(), text.empty() ? "none" : text, help, presence);
  }
  void UsedIf(bool, const std::string&, const std::function<void(FieldVisitor&)>& fields) override {
    fields(*this);
  }
  void Rule(const std::function<std::string()>&) override {}
  std::string text_;

 private:
  void Line(const char* key, const std::string& type, const std::string& value, const char* help,
            Presence presence) {
    text_ += prefix_ + key + "  " + type + ", " +
             (presence == Presence::kRequired ? "required" : "default " + value) + "  " + help +
             "\n";
  }
  std::string prefix_;
};

}  // namespace

void AddUnused(const std::string& key, const std::vector<UnusedKey>& inside,
               std::vector<UnusedKey>* unused) {
  for (const UnusedKey& below : inside) unused->push_back({key + "." + below.path, below.why});
}

bool Interval::Contains(double value) const {
  if (std::isinf(value)) return false;                              // an end at infinity is open
  return (open_low ? value > low : value >= low) && value <= high;  // false for NaN
}

std::string Interval::ToString() const {
  const bool closed_high = high != std::numeric_limits<double>::infinity();
  const bool closed_low = !open_low && low != -std::numeric_limits<double>::infinity();
  return (closed_low ? "[" : "(") + RealText(low) + ", " + RealText(high) +
         (closed_high ? "]" : ")");
}

std::string QuoteScalar(const std::string& text) {
  if (IsPlain(text)) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += std::string("\\") + c;
    } else if (byte < 0x20 || byte == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02x", static_cast<unsigned>(byte));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string Indent(const std::string& block, int spaces) {
  std::string text;
  std::size_t begin = 0;
  while (begin < block.size()) {
    const std::size_t end = block.find('\n', begin);
    text +=
        std::string(static_cast<std::size_t>(spaces), ' ') + block.substr(begin, end - begin + 1);
    begin = end + 1;
  }
  return text;
}

std::string WriteFields(const FieldsFunction& fields) {
  FieldWriter writer(fields);
  fields.visit(writer);
  return writer.text();
}

std::vector<UnusedKey> UnusedFields(const FieldsFunction& fields) {
  UnusedFinder finder(fields);
  fields.visit(finder);
  return finder.found;
}

std::string DescribeFields(const FieldsFunction& fields) {
  FieldDescriber describer;
  fields.visit(describer);
  return describer.text_;
}

}  // namespace roundlab
