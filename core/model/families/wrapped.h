#pragma once

#include <string>
#include <vector>

#include "core/model/description.h"

namespace roundlab {

/// Names of a language model within a larger one, as transformers 4 and 5 have them, and the
/// `parts` beside it ("vision_tower."), which may be under "model.", too.
void NameWrapped(const std::vector<std::string>& parts, ModelDescription* d);

}  // namespace roundlab
