#pragma once

#include <string>
#include <vector>

#include "core/config/registry.h"

namespace roundlab {

/// The field of a part: a mapping with `type` and that type's options.
template <class Base, class... Args>
class PartField : public ValueField {
 public:
  PartField(Recipe<Base, Args...>* recipe, const Registry<Base, Args...>& registry)
      : recipe_(recipe), registry_(registry) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    *recipe_ = registry_.Parse(node, path, diagnostics);
  }
  std::string Write() const override { return recipe_->canonical; }
  std::vector<UnusedKey> Unused() const override { return recipe_->unused; }
  std::string Type() const override {
    std::string names;
    for (const std::string& name : registry_.Names()) names += (names.empty() ? "" : " | ") + name;
    return registry_.kind() + " " + names;
  }

 private:
  Recipe<Base, Args...>* recipe_;
  const Registry<Base, Args...>& registry_;
};

/// The field of a sequence of parts.
template <class Base, class... Args>
class PartList : public ValueField {
 public:
  PartList(std::vector<Recipe<Base, Args...>>* recipes, const Registry<Base, Args...>& registry)
      : recipes_(recipes), registry_(registry) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    recipes_->clear();
    if (node.kind != ConfigNode::Kind::kSequence) {
      diagnostics->push_back(
          {node.where, path + ": expected a sequence, got " + std::string(node.KindName())});
      return;
    }
    for (std::size_t i = 0; i < node.elements.size(); ++i) {
      recipes_->push_back(
          registry_.Parse(node.elements[i], path + "." + std::to_string(i), diagnostics));
    }
  }
  std::string Write() const override {
    std::string text;
    for (const auto& recipe : *recipes_) text += "-\n" + Indent(recipe.canonical, 2);
    return text;
  }
  std::string Type() const override { return "sequence of " + registry_.kind() + "s"; }
  std::vector<UnusedKey> Unused() const override {
    std::vector<UnusedKey> unused;
    for (std::size_t i = 0; i < recipes_->size(); ++i) {
      AddUnused(std::to_string(i), (*recipes_)[i].unused, &unused);
    }
    return unused;
  }

 protected:
  const std::vector<Recipe<Base, Args...>>& recipes() const { return *recipes_; }

 private:
  std::vector<Recipe<Base, Args...>>* recipes_;
  const Registry<Base, Args...>& registry_;
};

}  // namespace roundlab
