#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// The file that WikiText rows come from, put together again: a row that does not end in a newline
/// gets one, and a blank row is the line " " that WikiText's own files have in its place.
std::string WikitextFile(const std::vector<std::string>& rows);

/// Pages of such a file as lm-evaluation-harness cuts them (its wikitext_document_level loader): a
/// page starts at a line that, with "= = =" replaced by "===" and then "= =" by "==", and stripped,
/// starts with "= " and ends with " =". Lines of text that look so start one too: the 60 articles
/// of WikiText-2's test file make 62 pages. A blank page in front of the first heading is left out.
std::vector<std::string> WikitextPages(std::string_view file);

/// A page as running text, by the harness's substitutions, in its order and with its slips (e.g.
/// " N " becomes " 1 "; "/' 5/" becomes "/'[0-9]/").
std::string DetokenizeWikitext(std::string_view page);

/// len(re.split(r"\s+", text)) of Python: runs of white space and one more, so that white space at
/// either end counts a word that is empty.
std::int64_t CountWords(std::string_view text);

}  // namespace roundlab
