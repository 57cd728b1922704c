#pragma once

#include <string>

namespace roundlab {

/// All parts, or those of one kind, with a line each. Throws Error for an unknown kind.
std::string ListParts(const std::string& kind);

/// The options of one part. Throws Error for an unknown kind or name.
std::string DescribePart(const std::string& kind, const std::string& name);

/// docs/options.md: every option of a config, from the same lists that read it.
std::string OptionsMarkdown();

}  // namespace roundlab
