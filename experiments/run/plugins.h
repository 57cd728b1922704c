#pragma once

#include <string>
#include <utility>
#include <vector>

namespace roundlab {

/// Opens plug-ins (core/base/plugin.h) and adds their parts to the registries; the processes that
/// this one starts open them too (ROUNDLAB_PLUGINS, absolute paths with ':' between). Throws Error,
/// naming the file, for one that is missing, is no plug-in, was built for another version, throws
/// while it adds its parts, or adds a part that there is already.
void OpenPlugins(const std::vector<std::string>& paths);

/// Those that are open, as a run's provenance has them: "PATH SHA256, PATH SHA256".
std::string PluginsText();

/// The same by the files' names, wherever they lie.
std::string PluginHashes();

/// Of what a run was made with, as PluginsText: the plug-ins that are open, by the names of their
/// files, and have changed since.
std::vector<std::string> ChangedPlugins(const std::string& text);

}  // namespace roundlab
