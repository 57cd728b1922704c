#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/formats/tensor_file.h"

namespace roundlab::testing {

/// Reports the running test as skipped, with the reason. It goes on: other files may have the part.
inline void SkipPart(const std::string& file, const std::string& part) {
  GTEST_SKIP() << file << " has no " << part;
}

/// Whether `part` stands in the name of any tensor of a golden file. One that leaves it out in all
/// of its cases is not wrong: the test is reported as skipped.
inline bool HasPart(const TensorFile& file, const std::string& part) {
  const auto& tensors = file.tensors();
  const bool has = std::any_of(tensors.begin(), tensors.end(), [&](const TensorView& view) {
    return view.name.find(part) != std::string_view::npos;
  });
  if (!has) SkipPart(file.path(), part);
  return has;
}

}  // namespace roundlab::testing
