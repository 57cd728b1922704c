#pragma once

#include <cstddef>
#include <string>

#include "experiments/tables/text_table.h"

namespace roundlab {

/// The table as a person reads it on a terminal of `width` columns, no line longer: long cells go
/// over several lines, and columns that find no room stand below, beside the labels again. A best
/// cell has a "*" before it.
std::string TerminalTable(const TextTable& table, std::size_t width);

}  // namespace roundlab
