#include "core/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace roundlab {

std::optional<std::size_t> TerminalWidth(int file) {
  if (isatty(file) != 1) return std::nullopt;
  winsize size{};
  const bool told = ::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return told ? size.ws_col : 80;
}

}  // namespace roundlab
