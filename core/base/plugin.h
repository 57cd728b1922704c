#pragma once

/// What a plug-in tells the program that opens it. A plug-in is a shared library, built against the
/// headers of the same version, that adds parts of its own to the registries:
///
///   void AddParts() { roundlab::RoundingSchemes().Add<Mine>("mine", "what it does"); }
///   ROUNDLAB_PLUGIN(AddParts)
///
/// It is linked with nothing of Roundlab: the program has all it calls. docs/plugins.md.
namespace roundlab {

struct Plugin {
  const char* interface;  ///< of the headers it was built against, see ROUNDLAB_PLUGIN
  void (*add)();          ///< adds its parts
};

}  // namespace roundlab

/// ROUNDLAB_INTERFACE, a hash of all public headers, is defined by roundlab_add_plugin of the CMake
/// package: a program of other headers refuses the plug-in.
#define ROUNDLAB_PLUGIN(add_parts)                                                         \
  extern "C" __attribute__((visibility("default"))) ::roundlab::Plugin roundlab_plugin() { \
    return {ROUNDLAB_INTERFACE, add_parts};                                                \
  }
