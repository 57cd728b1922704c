#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

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

}  // namespace roundlab
