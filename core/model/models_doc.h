#pragma once

#include <string>

namespace roundlab {

/// docs/models.md: what the blocks of each family consist of and which tensor feeds which layer,
/// written from the plans of published shapes.
std::string ModelsMarkdown();

}  // namespace roundlab
