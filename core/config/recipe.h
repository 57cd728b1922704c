#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config/fields.h"

namespace roundlab {

/// A part chosen and configured but not yet built: options are parsed and checked while the
/// config is read, before any model is loaded; make() runs later, as often as needed.
template <class Base, class... Args>
struct Recipe {
  std::string type;       ///< "signround"
  std::string canonical;  ///< "type: signround\nsteps: 200\n...", defaults filled in
  std::function<std::unique_ptr<Base>(Args...)> make;
  /// Keys that were given and change nothing beside the others: "steps" of a scheme that is not
  /// tuned, "start.steps". They are not in the canonical text.
  std::vector<std::string> unused = {};
};

/// Fills the recipe's text. Options that have no use beside others are left out where a part says
/// so by Used().
template <class Options, class Base, class... Args>
void WriteOptions(Options options, Recipe<Base, Args...>* recipe) {
  const auto text = [&] {
    return "type: " + recipe->type + "\n" + WriteFields(FieldsOf(&options));
  };
  recipe->canonical = text();
  if constexpr (requires { options.Used(); }) {
    const std::string given = recipe->canonical;
    options = options.Used();
    recipe->canonical = text();
    if (recipe->canonical == given) return;
    recipe->unused =
        PathsNotIn(ParseYaml(recipe->canonical, recipe->type), ParseYaml(given, recipe->type));
  }
}

}  // namespace roundlab
