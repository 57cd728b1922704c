#pragma once

#include <cstddef>
#include <optional>

namespace roundlab {

/// Columns of the terminal that a file descriptor is, 80 where it doesn't tell; nullopt where it is
/// none.
std::optional<std::size_t> TerminalWidth(int file);

}  // namespace roundlab
