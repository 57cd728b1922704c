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
  std::vector<UnusedKey> unused = {};  ///< not in the canonical text
};

/// Fills the recipe's texts.
template <class Options, class Base, class... Args>
void WriteOptions(Options options, Recipe<Base, Args...>* recipe) {
  const FieldsFunction fields = FieldsOf(&options);
  recipe->canonical = "type: " + recipe->type + "\n" + WriteFields(fields);
  recipe->unused = UnusedFields(fields);
}

}  // namespace roundlab
