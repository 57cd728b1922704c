#pragma once

#include <functional>
#include <memory>
#include <string>

namespace roundlab {

/// A part chosen and configured but not yet built: options are parsed and checked while the
/// config is read, before any model is loaded; make() runs later, as often as needed.
template <class Base, class... Args>
struct Recipe {
  std::string type;       ///< "signround"
  std::string canonical;  ///< "type: signround\nsteps: 200\n...", defaults filled in
  std::function<std::unique_ptr<Base>(Args...)> make;
};

}  // namespace roundlab
