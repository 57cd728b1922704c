#include "core/config/node.h"

#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

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

ConfigNode Convert(const YAML::Node& yaml, const std::string& file,
                   std::vector<Diagnostic>* diagnostics) {
  ConfigNode node;
  node.where = Locate(file, yaml.Mark());
  switch (yaml.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      break;
    case YAML::NodeType::Scalar:
      node.kind = ConfigNode::Kind::kScalar;
      node.scalar = yaml.Scalar();
      break;
    case YAML::NodeType::Sequence:
      node.kind = ConfigNode::Kind::kSequence;
      for (const YAML::Node& element : yaml) {
        node.elements.push_back(Convert(element, file, diagnostics));
      }
      break;
    case YAML::NodeType::Map:
      node.kind = ConfigNode::Kind::kMapping;
      for (const auto& pair : yaml) {
        const SourceLoc key_where = Locate(file, pair.first.Mark());
        if (!pair.first.IsScalar()) {
          diagnostics->push_back({key_where, "a key must be a scalar"});
          continue;
        }
        const std::string key = pair.first.Scalar();
        if (node.Find(key) != nullptr) {
          diagnostics->push_back({key_where, "duplicate key '" + key + "'"});
          continue;
        }
        node.members.push_back({key, key_where, Convert(pair.second, file, diagnostics)});
        // yaml-cpp marks an empty value at the token after it, often on another line.
        ConfigNode& value = node.members.back().value;
        if (value.kind == ConfigNode::Kind::kNull) value.where = key_where;
      }
      break;
  }
  return node;
}

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

ConfigNode ParseYaml(const std::string& text, const std::string& file) {
  std::vector<Diagnostic> diagnostics;
  ConfigNode root;
  try {
    root = Convert(YAML::Load(text), file, &diagnostics);
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

ConfigNode LoadYaml(const std::string& file) {
  std::error_code none;
  if (std::filesystem::is_directory(file, none)) throw Error(file + ": cannot open: is a folder");
  std::ifstream in(file);
  if (!in) throw Error(file + ": cannot open: " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return ParseYaml(text.str(), file);
}

}  // namespace roundlab
