#include "core/config/node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

#include "core/base/files.h"
#include "core/base/utf8.h"

namespace roundlab {
namespace {

std::string JoinDiagnostics(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    text += (text.empty() ? "" : "\n") + d.where.ToString() + ": " + d.message;
  }
  return text;
}

SourceLoc Locate(const std::string& file, const YAML::Mark& mark) {
  if (mark.is_null()) return {file, 0, 0};
  return {file, mark.line + 1, mark.column + 1};
}

/// Names and labels end in folders and in JSON.
void CheckEncoding(const std::string& text, const std::string& file) {
  const auto bad = FirstBadByte(text);
  if (!bad) return;
  const std::string before = text.substr(0, bad->offset);
  const auto line = std::count(before.begin(), before.end(), '\n');
  const std::size_t begin = before.rfind('\n') + 1;  // 0 where there is none
  throw ConfigError({{{file, static_cast<int>(line) + 1, static_cast<int>(bad->offset - begin) + 1},
                      "not UTF-8: " + bad->text}});
}

/// A document's nodes, with aliases written out.
class Converter {
 public:
  Converter(const std::string& file, std::vector<Diagnostic>* diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  ConfigNode Convert(const YAML::Node& yaml) {
    ConfigNode node;
    node.where = Locate(file_, yaml.Mark());
    if (depth_ == kDeepest || ++nodes_ > kMost) {
      // Aliases can make a text without end, or one that grows like a power.
      throw ConfigError({{node.where,
                          "yaml: nested too deep or too large once aliases are written "
                          "out (an alias of what it lies in?)"}});
    }
    ++depth_;
    if (yaml.IsScalar()) {
      node.kind = ConfigNode::Kind::kScalar;
      node.scalar = yaml.Scalar();
    } else if (yaml.IsSequence()) {
      node.kind = ConfigNode::Kind::kSequence;
      for (const YAML::Node& element : yaml) node.elements.push_back(Convert(element));
    } else if (yaml.IsMap()) {
      node.kind = ConfigNode::Kind::kMapping;
      for (const auto& pair : yaml) AddMember(pair.first, pair.second, &node);
    }
    --depth_;
    return node;
  }

 private:
  static constexpr int kDeepest = 100;
  static constexpr std::size_t kMost = 200000;

  void AddMember(const YAML::Node& key, const YAML::Node& value, ConfigNode* node) {
    const SourceLoc where = Locate(file_, key.Mark());
    if (!key.IsScalar()) {
      diagnostics_->push_back({where, "a key must be a scalar"});
      return;
    }
    const std::string& name = key.Scalar();
    if (node->Find(name) != nullptr) {
      diagnostics_->push_back({where, "duplicate key '" + name + "'"});
      return;
    }
    node->members.push_back({name, where, Convert(value)});
    // yaml-cpp marks an empty value at the token after it, often on another line.
    ConfigNode& added = node->members.back().value;
    if (added.kind == ConfigNode::Kind::kNull) added.where = where;
  }

  const std::string& file_;
  std::vector<Diagnostic>* diagnostics_;
  int depth_ = 0;
  std::size_t nodes_ = 0;
};

/// YAML::Load reads the first document and drops what is behind it, also where that is only a key
/// that is indented otherwise than the first, and takes a quote that does not end to reach to the
/// end of the text. Throws ConfigError of either.
class WholeText : public YAML::EventHandler {
 public:
  static void Check(const std::string& text, const std::string& file) {
    WholeText handler(text, file);
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(handler)) continue;
    handler.CheckLastQuote();
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (begun_) {
      const bool marker = text_.compare(Place(mark), 3, "---") == 0;
      Fail(mark, marker ? "a second document"
                        : "more behind the end of what began before (another indentation?)");
    }
    begun_ = true;
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {
    last_ = mark;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}

 private:
  WholeText(const std::string& text, const std::string& file)
      : text_(text),
        file_(file),
        marked_(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0) {}

  std::size_t Place(const YAML::Mark& mark) const {
    return std::min(static_cast<std::size_t>(mark.pos) + marked_, text_.size());
  }
  void Fail(const YAML::Mark& mark, const std::string& problem) const {
    throw ConfigError({{Locate(file_, mark), "yaml: " + problem}});
  }

  /// One that does not end is the text's last scalar.
  void CheckLastQuote() const {
    if (last_.is_null()) return;
    std::size_t begin = Place(last_);
    while (begin < text_.size() &&
           (text_[begin] == '&' || text_[begin] == '!')) {  // its anchor, tag
      begin = text_.find_first_not_of(" \t\r\n", text_.find_first_of(" \t\r\n", begin));
    }
    const char quote = begin < text_.size() ? text_[begin] : '\0';
    if (quote != '\'' && quote != '"') return;
    for (std::size_t i = begin + 1; i < text_.size(); ++i) {
      const bool escaped = quote == '"' ? text_[i] == '\\' : text_.compare(i, 2, "''") == 0;
      if (escaped) {
        ++i;
      } else if (text_[i] == quote) {
        return;
      }
    }
    Fail(last_, "a quote that does not end");
  }

  const std::string& text_;
  const std::string& file_;
  const std::size_t marked_;  // bytes of the mark before UTF-8 text
  bool begun_ = false;
  YAML::Mark last_ = YAML::Mark::null_mark();
};

void Emit(const ConfigNode& node, YAML::Emitter* out) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      *out << YAML::Null;
      break;
    case ConfigNode::Kind::kScalar:
      *out << node.scalar;
      break;
    case ConfigNode::Kind::kSequence:
      *out << YAML::BeginSeq;
      for (const ConfigNode& element : node.elements) Emit(element, out);
      *out << YAML::EndSeq;
      break;
    case ConfigNode::Kind::kMapping:
      *out << YAML::BeginMap;
      for (const ConfigNode::Member& member : node.members) {
        *out << YAML::Key << member.key << YAML::Value;
        Emit(member.value, out);
      }
      *out << YAML::EndMap;
      break;
  }
}

}  // namespace

std::string SourceLoc::ToString() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError::ConfigError(std::vector<Diagnostic> diagnostics)
    : Error(JoinDiagnostics(diagnostics)), diagnostics_(std::move(diagnostics)) {}

const ConfigNode* ConfigNode::Find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const char* ConfigNode::KindName() const {
  static const char* const kNames[] = {"nothing", "a scalar", "a sequence", "a mapping"};
  return kNames[static_cast<int>(kind)];
}

ConfigNode AsMember(const std::string& key, const ConfigNode& value) {
  ConfigNode mapping;
  mapping.kind = ConfigNode::Kind::kMapping;
  mapping.where = value.where;
  mapping.members.push_back({key, value.where, value});
  return mapping;
}

ConfigNode ParseYaml(const std::string& text, const std::string& file) {
  CheckEncoding(text, file);
  std::vector<Diagnostic> diagnostics;
  ConfigNode root;
  try {
    WholeText::Check(text, file);
    root = Converter(file, &diagnostics).Convert(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    throw ConfigError({{Locate(file, e.mark), "yaml: " + e.msg}});
  }
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return root;
}

std::string ToYaml(const ConfigNode& node) {
  YAML::Emitter out;
  Emit(node, &out);
  return std::string(out.c_str()) + "\n";
}

ConfigNode LoadYaml(const std::string& file) { return ParseYaml(ReadFile(file), file); }

}  // namespace roundlab
