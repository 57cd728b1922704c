# Writes OUTPUT with the commit of SOURCE, "-dirty" where files are changed; only when it differs.
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no
                OUTPUT_VARIABLE changes ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
elseif(changes)
  string(APPEND commit -dirty)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include "experiments/run/commit.h"

namespace roundlab {
const char* Commit() { return "@commit@"; }
}  // namespace roundlab
]] @ONLY)
