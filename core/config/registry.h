#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/config/fields.h"
#include "core/config/recipe.h"

namespace roundlab {

/// Names of the parts that a config can choose. Filled by one function per folder (builtin.cpp),
/// never by static initializers, so that the linker can't drop a part and a test can make its own.
template <class Base, class... Args>
class Registry {
 public:
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  /// T needs `struct Options { void Fields(FieldVisitor&); }` and a constructor
  /// T(Options, Args...). Throws std::logic_error where the name is taken.
  template <class T>
  void Add(const std::string& name, const std::string& summary) {
    Entry entry;
    entry.summary = summary;
    entry.describe = [] {
      typename T::Options options;
      return DescribeFields(FieldsOf(&options));
    };
    entry.parse = [name](const ConfigNode& node, const std::string& path,
                         std::vector<Diagnostic>* diagnostics) {
      typename T::Options options;
      Recipe<Base, Args...> recipe;
      recipe.type = name;
      const std::size_t before = diagnostics->size();
      ReadFields(node, path, FieldsOf(&options), diagnostics, {"type"});
      if (diagnostics->size() != before) return recipe;
      WriteOptions(options, &recipe);
      recipe.make = [options](Args... args) -> std::unique_ptr<Base> {
        return std::make_unique<T>(options, std::forward<Args>(args)...);
      };
      return recipe;
    };
    const bool added = entries_.emplace(name, std::move(entry)).second;
    ROUNDLAB_CHECK(added, kind_ + " '" + name + "' is registered twice");
  }

  /// Reads `type` and that type's options from `node`; a word alone is a type. On any error appends
  /// to `diagnostics` and returns a recipe whose make is empty.
  Recipe<Base, Args...> Parse(const ConfigNode& node, const std::string& path,
                              std::vector<Diagnostic>* diagnostics) const {
    if (node.kind == ConfigNode::Kind::kScalar)
      return Parse(AsMember("type", node), path, diagnostics);
    if (node.kind != ConfigNode::Kind::kMapping) {
      diagnostics->push_back({node.where, path + ": expected a mapping with 'type', got " +
                                              node.KindName() +
                                              SuggestionSuffix(node.scalar, Names())});
      return {};
    }
    const ConfigNode* type = node.Find("type");
    if (type == nullptr || type->kind != ConfigNode::Kind::kScalar) {
      diagnostics->push_back(
          {node.where, "missing required key '" + path + ".type'" + SuggestionSuffix("", Names())});
      return {};
    }
    const auto entry = entries_.find(type->scalar);
    if (entry == entries_.end()) {
      diagnostics->push_back({type->where, path + ".type: unknown " + kind_ + " '" + type->scalar +
                                               "'" + SuggestionSuffix(type->scalar, Names())});
      return {};
    }
    return entry->second.parse(node, path, diagnostics);
  }

  /// As Parse, and stops at once: for recipes written in code ("type: linear").
  Recipe<Base, Args...> FromText(const std::string& yaml) const {
    std::vector<Diagnostic> diagnostics;
    auto recipe = Parse(ParseYaml(yaml, "builtin"), kind_, &diagnostics);
    if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
    return recipe;
  }

  const std::string& kind() const { return kind_; }

  std::vector<std::string> Names() const { return Keys(entries_); }  ///< sorted

  /// What a part is, in a line.
  const std::string& Summary(const std::string& name) const { return entries_.at(name).summary; }

  /// The options reference of one part, for `roundlab describe` and the generated docs.
  std::string Describe(const std::string& name) const {
    const Entry& entry = entries_.at(name);
    return name + ": " + entry.summary + "\n" + entry.describe();
  }

 private:
  struct Entry {
    std::string summary;
    std::function<std::string()> describe;
    std::function<Recipe<Base, Args...>(const ConfigNode&, const std::string&,
                                        std::vector<Diagnostic>*)>
        parse;
  };
  std::string kind_;
  std::map<std::string, Entry> entries_;
};

}  // namespace roundlab
