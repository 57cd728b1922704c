#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/config/node.h"

namespace roundlab {
namespace {

/// What `over` says, and below it what `base` says.
void Merge(const ConfigNode& base, ConfigNode* over) {
  if (base.kind != ConfigNode::Kind::kMapping || over->kind != ConfigNode::Kind::kMapping) return;
  for (const ConfigNode::Member& member : base.members) {
    auto* mine = const_cast<ConfigNode*>(over->Find(member.key));
    if (mine == nullptr) {
      over->members.push_back(member);
    } else {
      Merge(member.value, mine);
    }
  }
}

ConfigNode LoadExtending(const std::string& file, std::vector<std::string>* open);

/// The file that `extends` names beside `file`, with what that extends.
ConfigNode LoadBase(const ConfigNode& extends, const std::string& file,
                    std::vector<std::string>* open) {
  if (extends.kind != ConfigNode::Kind::kScalar) {
    throw ConfigError(
        {{extends.where, "extends: expected a file name, got " + std::string(extends.KindName())}});
  }
  const auto base = std::filesystem::path(file).parent_path() / extends.scalar;
  const std::string name = base.lexically_normal().string();
  if (std::find(open->begin(), open->end(), name) != open->end()) {
    throw ConfigError({{extends.where, "extends: '" + name + "' extends itself"}});
  }
  if (!std::filesystem::exists(base)) {
    throw ConfigError({{extends.where, "extends: no such file '" + name + "'"}});
  }
  open->push_back(name);
  ConfigNode loaded = LoadExtending(name, open);
  open->pop_back();
  return loaded;
}

ConfigNode LoadExtending(const std::string& file, std::vector<std::string>* open) {
  ConfigNode root = LoadYaml(file);
  if (root.Find("extends") == nullptr) return root;
  const ConfigNode extends = *root.Find("extends");
  std::erase_if(root.members, [](const auto& member) { return member.key == "extends"; });
  if (extends.kind != ConfigNode::Kind::kSequence) {
    Merge(LoadBase(extends, file, open), &root);
    return root;
  }
  for (std::size_t i = extends.elements.size(); i-- > 0;) {
    Merge(LoadBase(extends.elements[i], file, open), &root);
  }
  return root;
}

/// The key of a mapping that a word or number alone in its place is short for.
const char* KeyOfWord(const std::string& field) {
  if (field == "model") return "path";
  if (field == "data") return "name";
  return field == "budget" ? "bits" : "type";  // of a part
}

ConfigNode* Enter(ConfigNode* at, const std::string& key, const SourceLoc& where) {
  auto* child = const_cast<ConfigNode*>(at->Child(key));
  if (child != nullptr) return child;
  if (at->kind == ConfigNode::Kind::kSequence) {
    throw ConfigError({{where, "'" + key + "' is no index into a sequence of " +
                                   std::to_string(at->elements.size())}});
  }
  if (at->kind == ConfigNode::Kind::kNull) at->kind = ConfigNode::Kind::kMapping;
  at->members.push_back({key, where, {}});
  at->members.back().value.where = where;
  return &at->members.back().value;
}

}  // namespace

ConfigNode LoadConfig(const std::string& file) {
  std::vector<std::string> open = {std::filesystem::path(file).lexically_normal().string()};
  return LoadExtending(file, &open);
}

void SetPath(const std::string& path, ConfigNode value, ConfigNode* root) {
  const SourceLoc where = value.where;
  ConfigNode* at = root;
  std::istringstream keys(path);
  std::string key;
  std::string field;
  while (std::getline(keys, key, '.')) {
    if (at->kind == ConfigNode::Kind::kScalar) *at = AsMember(KeyOfWord(field), *at);
    at = Enter(at, key, where);
    field = key;
  }
  *at = std::move(value);
}

void ApplyOverride(const std::string& assignment, ConfigNode* root) {
  const std::string source = "--set " + assignment;
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError({{{source}, "expected KEY.PATH=VALUE"}});
  }
  ConfigNode value = ParseYaml(assignment.substr(equals + 1), source);
  value.where = {source};
  SetPath(assignment.substr(0, equals), std::move(value), root);
}

}  // namespace roundlab
