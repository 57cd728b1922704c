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
  std::string Type() const override {
    std::string names;
    for (const std::string& name : registry_.Names()) names += (names.empty() ? "" : " | ") + name;
    return registry_.kind() + " " + names;
  }

 private:
  Recipe<Base, Args...>* recipe_;
  const Registry<Base, Args...>& registry_;
};

}  // namespace roundlab
