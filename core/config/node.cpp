#include "core/config/node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
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

/// Builds the tree of the one document of a text, with aliases written out. By yaml-cpp's events,
/// for YAML::Load drops what is behind the first document, also where that is only a key that is
/// indented otherwise than the first. Throws ConfigError where a tree can't go on; what it can go
/// on with is in diagnostics().
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& text, const std::string& file)
      : text_(text),
        file_(file),
        marked_(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0) {
    root_.where = {file, 0, 0};
  }

  ConfigNode Build() {
    std::istringstream stream(text_);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(*this)) continue;
    CheckLastQuote();
    return std::move(root_);
  }
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (begun_) {
      const bool marker = text_.compare(Place(mark), 3, "---") == 0;
      Fail(Locate(file_, mark),
           marker ? "a second document"
                  : "more behind the end of what began before (another indentation?)");
    }
    begun_ = true;
  }
  void OnDocumentEnd() override {}

  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    last_scalar_ = mark;
    ConfigNode node = New(mark, ConfigNode::Kind::kScalar);
    node.scalar = value;
    Add(std::move(node), anchor);
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(New(mark, ConfigNode::Kind::kNull), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) FailTooLarge(Locate(file_, mark));  // an alias of what it lies in
    Count(found->second, open_.size());
    Add(found->second, YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open_.push_back({New(mark, ConfigNode::Kind::kSequence), anchor, {}});
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open_.push_back({New(mark, ConfigNode::Kind::kMapping), anchor, {}});
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  static constexpr std::size_t kDeepest = 100;
  static constexpr std::size_t kMost = 200000;

  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor;
    std::optional<ConfigNode> key;  ///< of a mapping, whose value is to come
  };

  std::size_t Place(const YAML::Mark& mark) const {
    return std::min(static_cast<std::size_t>(mark.pos) + marked_, text_.size());
  }
  [[noreturn]] static void Fail(const SourceLoc& where, const std::string& problem) {
    throw ConfigError({{where, "yaml: " + problem}});
  }
  /// Aliases can make a text without end, or one that grows like a power.
  [[noreturn]] static void FailTooLarge(const SourceLoc& where) {
    Fail(
        where,
        "nested too deep or too large once aliases are written out (an alias of what it lies in?)");
  }

  ConfigNode New(const YAML::Mark& mark, ConfigNode::Kind kind) {
    ConfigNode node;
    node.kind = kind;
    node.where = Locate(file_, mark);
    Count(node, open_.size());
    return node;
  }
  void Count(const ConfigNode& node, std::size_t depth) {
    if (depth == kDeepest || ++nodes_ > kMost) FailTooLarge(node.where);
    for (const ConfigNode& element : node.elements) Count(element, depth + 1);
    for (const ConfigNode::Member& member : node.members) Count(member.value, depth + 1);
  }

  void Close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    Add(std::move(closed.node), closed.anchor);
  }
  void Add(ConfigNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == ConfigNode::Kind::kSequence) {
      parent.node.elements.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      AddMember(*std::exchange(parent.key, std::nullopt), std::move(node), &parent.node);
    }
  }
  void AddMember(const ConfigNode& key, ConfigNode value, ConfigNode* mapping) {
    if (key.kind != ConfigNode::Kind::kScalar) {
      diagnostics_.push_back({key.where, "a key must be a scalar"});
    } else if (mapping->Find(key.scalar) != nullptr) {
      diagnostics_.push_back({key.where, "duplicate key '" + key.scalar + "'"});
    } else {
      // yaml-cpp marks an empty value at the token after it, often on another line.
      if (value.kind == ConfigNode::Kind::kNull) value.where = key.where;
      mapping->members.push_back({key.scalar, key.where, std::move(value)});
    }
  }

  /// yaml-cpp takes a quote that does not end to reach to the end of the text: its last scalar.
  void CheckLastQuote() const {
    if (last_scalar_.is_null()) return;
    std::size_t begin = Place(last_scalar_);
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
    Fail(Locate(file_, last_scalar_), "a quote that does not end");
  }

  const std::string& text_;
  const std::string& file_;
  const std::size_t marked_;  // bytes of the mark before UTF-8 text
  bool begun_ = false;
  YAML::Mark last_scalar_ = YAML::Mark::null_mark();
  ConfigNode root_;
  std::vector<Open> open_;  // outermost first
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  std::size_t nodes_ = 0;
  std::vector<Diagnostic> diagnostics_;
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

const ConfigNode* ConfigNode::Child(std::string_view key) const {
  if (kind != Kind::kSequence) return Find(key);
  std::size_t index = 0;
  const char* end = key.data() + key.size();
  const auto read = std::from_chars(key.data(), end, index);
  const bool good = read.ec == std::errc() && read.ptr == end && index < elements.size();
  return good ? &elements[index] : nullptr;
}

const SourceLoc& ConfigNode::WhereOf(std::string_view path) const {
  const std::size_t end = std::min(path.find('.'), path.size());
  const std::string_view key = path.substr(0, end);
  const ConfigNode* value = Child(key);
  if (value == nullptr) return where;
  return end == path.size() ? value->where : value->WhereOf(path.substr(end + 1));
}

const SourceLoc& ConfigNode::WhereItBegins(std::string_view message) const {
  return WhereOf(message.substr(0, message.find_first_of(": ")));
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
  TreeBuilder builder(text, file);
  ConfigNode root;
  try {
    root = builder.Build();
  } catch (const YAML::Exception& e) {
    throw ConfigError({{Locate(file, e.mark), "yaml: " + e.msg}});
  }
  if (!builder.diagnostics().empty()) throw ConfigError(builder.diagnostics());
  return root;
}

std::string ToYaml(const ConfigNode& node) {
  YAML::Emitter out;
  Emit(node, &out);
  return std::string(out.c_str()) + "\n";
}

ConfigNode LoadYaml(const std::string& file) { return ParseYaml(ReadFile(file), file); }

}  // namespace roundlab
