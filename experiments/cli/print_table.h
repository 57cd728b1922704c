#pragma once

#include <string>

#include "experiments/cli/command_line.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

/// A table as the command line wants it: by --format; where that is not given, as wide as the
/// terminal that stdout is, else Markdown.
std::string TableText(const CommandLine& line, const TextTable& table);

}  // namespace roundlab
