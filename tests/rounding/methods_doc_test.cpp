#include "rounding/methods_doc.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/files.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "rounding/stage.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

const char* const kBegin = "<!-- roundlab describe methods -->\n";
const char* const kEnd = "<!-- end -->\n";

std::string Page() { return ReadFile(testing::SourceFolder() + "/docs/methods.md"); }

TEST(MethodsDocTest, TheTablesAreCurrent) {
  const std::string page = Page();
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t from = begin + std::string(kBegin).size();
  EXPECT_EQ(page.substr(from, end - from), MethodsMarkdown())
      << "put anew between its marks: roundlab describe methods";
}

TEST(MethodsDocTest, EachMethodHasItsSource) {
  const std::string page = Page();
  const std::string sources = page.substr(page.find(kEnd));
  const auto look = [&](const std::string& name) {
    EXPECT_NE(sources.find("| `" + name + "` |"), std::string::npos) << name;
  };
  for (const std::string& name : RoundingSchemes().Names()) look(name);
  for (const std::string& name : RangeEstimators().Names()) look(name);
  for (const std::string& name : Stages().Names()) {
    if (name != "round") look(name);
  }
}

}  // namespace
}  // namespace roundlab
