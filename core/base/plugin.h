#pragma once

/// What a plug-in tells the program that opens it. A plug-in is a shared library, built against the
/// headers of the same version, that adds parts of its own to the registries:
///
///   void AddParts() { roundlab::RoundingSchemes().Add<Mine>("mine", "what it does"); }
///   ROUNDLAB_PLUGIN(AddParts)
///
/// It is linked with nothing of Roundlab: the program has all it calls. docs/plugins.md.
namespace roundlab {

/// Raised whenever a public header changes: parts of another number can't be used.
inline constexpr const char* kPluginInterface = "0.1.0-1";

struct Plugin {
  const char* interface;  ///< kPluginInterface of the headers it was built against
  void (*add)();          ///< adds its parts
};

}  // namespace roundlab

#define ROUNDLAB_PLUGIN(add_parts)                                                         \
  extern "C" __attribute__((visibility("default"))) ::roundlab::Plugin roundlab_plugin() { \
    return {::roundlab::kPluginInterface, add_parts};                                      \
  }
