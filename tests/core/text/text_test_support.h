#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/text/tokenizer/tokenizer.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/shared_data.h"

namespace roundlab::testing {

using Ids = std::vector<std::int32_t>;

inline Ids Plain(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.Encode(text, SpecialTokens::kNone);
}
inline Ids WithSpecial(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.Encode(text, SpecialTokens::kDefault);
}

/// The values of a file with one JSON document a line.
inline std::vector<nlohmann::json> JsonLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

/// A file that lies beside the tokenizer tests' sources.
inline std::string BesideTests(const std::string& name) {
  return SourceFolder() + "/tests/core/text/tokenizer/" + name;
}

/// A tokenizer.json of the tokens "<unk>", a, b, c, ab, abc (ids 0 to 5), to be varied.
inline nlohmann::json SmallDocument() {
  return nlohmann::json::parse(R"({"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "unk_token": "<unk>",
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
              "merges": ["a b", ["ab", "c"]]}})");
}

/// An entry of its added_tokens: a special token.
inline nlohmann::json SpecialToken(int id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace roundlab::testing
