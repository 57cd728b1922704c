#include "core/config/fields.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace roundlab {
namespace {

std::string FormatReal(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

bool IsPlain(const std::string& text) {
  if (text.empty() || text == "null" || text == "~" || text == "true" || text == "false") {
    return false;
  }
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '/' || c == '.' || c == '-' || c == '+';
  };
  if (text.front() == '-') return false;
  for (const char c : text) {
    if (!plain(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

class FieldWriter : public FieldVisitor {
 public:
  explicit FieldWriter(int indent) : indent_(indent) {}
  void Int(const char* key, std::int64_t* value, Interval, const char*, Presence) override {
    Line(key, std::to_string(*value));
  }
  void Real(const char* key, double* value, Interval, const char*, Presence) override {
    Line(key, FormatReal(*value));
  }
  void Bool(const char* key, bool* value, const char*, Presence) override {
    Line(key, *value ? "true" : "false");
  }
  void Choice(const char* key, std::string* value, const std::vector<std::string>&, const char*,
              Presence) override {
    Line(key, *value);
  }
  void Section(const char* key, const std::function<void(FieldVisitor&)>& fields,
               const char*) override {
    text_ += std::string(static_cast<std::size_t>(indent_), ' ') + key + ":\n";
    FieldWriter inner(indent_ + 2);
    fields(inner);
    text_ += inner.text_;
  }
  void String(const char* key, std::string* value, const char*, Presence) override {
    if (!value->empty()) Line(key, QuoteScalar(*value));
  }
  void Value(const char* key, ValueField& value, const char*, Presence) override {
    const std::string text = value.Write();
    if (text.empty()) return;
    if (text.back() != '\n') return Line(key, text);
    text_ += std::string(static_cast<std::size_t>(indent_), ' ') + key + ":\n";
    text_ += Indent(text, indent_ + 2);
  }
  void Rule(const std::function<std::string()>&) override {}
  std::string text_;

 private:
  void Line(const char* key, const std::string& value) {
    text_ += std::string(static_cast<std::size_t>(indent_), ' ') + key + ": " + value + "\n";
  }
  int indent_;
};

class FieldDescriber : public FieldVisitor {
 public:
  void Int(const char* key, std::int64_t* value, Interval allowed, const char* help,
           Presence presence) override {
    Line(key, "integer in " + allowed.ToString(), std::to_string(*value), help, presence);
  }
  void Real(const char* key, double* value, Interval allowed, const char* help,
            Presence presence) override {
    Line(key, "number in " + allowed.ToString(), FormatReal(*value), help, presence);
  }
  void Bool(const char* key, bool* value, const char* help, Presence presence) override {
    Line(key, "true or false", *value ? "true" : "false", help, presence);
  }
  void Choice(const char* key, std::string* value, const std::vector<std::string>& choices,
              const char* help, Presence presence) override {
    std::string names;
    for (const std::string& choice : choices) names += (names.empty() ? "" : " | ") + choice;
    Line(key, names, *value, help, presence);
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

bool Interval::Contains(double value) const {
  if (std::isinf(value)) return false;                              // an end at infinity is open
  return (open_low ? value > low : value >= low) && value <= high;  // false for NaN
}

std::string Interval::ToString() const {
  const bool closed_high = high != std::numeric_limits<double>::infinity();
  const bool closed_low = !open_low && low != -std::numeric_limits<double>::infinity();
  return (closed_low ? "[" : "(") + FormatReal(low) + ", " + FormatReal(high) +
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
  FieldWriter writer(0);
  fields(writer);
  return writer.text_;
}

std::string DescribeFields(const FieldsFunction& fields) {
  FieldDescriber describer;
  fields(describer);
  return describer.text_;
}

}  // namespace roundlab
