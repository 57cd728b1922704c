#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/lab/world.h"

namespace roundlab {

/// Tasks of the lab world: "agreement", "cloze", "count", "fact", "pronoun", "story", "yesno".
std::vector<std::string> LabTaskNames();

/// Rows of a task, 500 different ones, as JSON lines in the form of a public set: fact ARC,
/// agreement PIQA, story HellaSwag, count OpenBookQA, cloze LAMBADA, yesno BoolQ, pronoun
/// WinoGrande. What they ask about is in no text of the world. Right answers stand at
/// random places. Throws Error for an unknown name.
std::string LabTaskRows(const LabWorld& world, const std::string& name);

}  // namespace roundlab
