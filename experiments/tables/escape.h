#pragma once

#include <string>

namespace roundlab {

// Any text as text of a format, also in a table's cell: one function a format, used for every cell,
// header, title and note.

/// GitHub's Markdown. What would end a cell or open a tag, an entity or emphasis is escaped; line
/// ends become blanks.
std::string EscapeMarkdown(const std::string& text);

/// LaTeX, in any encoding of fonts: `<`, `>`, `|` are other characters in OT1.
std::string EscapeLatex(const std::string& text);

/// HTML, also inside quotes: & < > " ' become entities.
std::string EscapeHtml(const std::string& text);

/// RFC 4180: quoted where it has to be.
std::string EscapeCsv(const std::string& text);

}  // namespace roundlab
