#pragma once

#include <cstdint>
#include <regex>
#include <string>

#include "core/text/data/dataset.h"

namespace roundlab::testing {

/// A text of the golden tables.
struct GoldenCorpus {
  DataSource data;
  std::int64_t documents = 0;  ///< the first so many, 0 all
};

/// "wikitext2-test", "ptb-valid", "c4-first200" or "c4": the data set, and its split or documents.
inline GoldenCorpus GoldenCorpusOf(const std::string& name) {
  GoldenCorpus corpus;
  const std::size_t dash = name.find('-');
  corpus.data.name = name.substr(0, dash);
  if (dash == std::string::npos) return corpus;
  const std::string part = name.substr(dash + 1);
  std::smatch first;
  if (std::regex_match(part, first, std::regex("first(\\d+)"))) {
    corpus.documents = std::stoll(first[1]);
  } else {
    corpus.data.split = part == "valid" ? "validation" : part;
  }
  return corpus;
}

}  // namespace roundlab::testing
