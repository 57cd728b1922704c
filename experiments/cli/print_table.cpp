#include "experiments/cli/print_table.h"

#include <unistd.h>

#include "core/base/terminal.h"
#include "experiments/tables/terminal_table.h"

namespace roundlab {

std::string TableText(const CommandLine& line, const TextTable& table) {
  const auto width = TerminalWidth(STDOUT_FILENO);
  return width && !line.format ? TerminalTable(table, *width)
                               : table.To(line.format.value_or(TableFormat::kMarkdown));
}

}  // namespace roundlab
