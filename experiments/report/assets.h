#pragma once

namespace roundlab {

// Texts of the files of these names, compiled in.
extern const char* const kPageCss;
extern const char* const kPlotCss;
extern const char* const kPageJs;

}  // namespace roundlab
