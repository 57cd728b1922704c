#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/rounding/golden_matches.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"

namespace roundlab::testing {

/// On one thread: golden matrices are too small for more.
class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  void TearDown() override { at::set_num_threads(threads_); }

  /// check(Case(file, match)) for each tensor whose name matches, in all files of a kind.
  template <class Case>
  static void ForAllMatches(const char* kind, const char* pattern,
                            const std::function<void(const Case&)>& check) {
    ROUNDLAB_GOLDENS_OR_SKIP(files, kind);
    for (const std::string& path : files) {
      const SafetensorsFile file(path);
      for (const GoldenMatch& match : MatchesOf(file, pattern)) {
        SCOPED_TRACE(path + " " + match.name);
        check(Case(file, match));
      }
    }
  }

 private:
  int threads_ = at::get_num_threads();
};

}  // namespace roundlab::testing
