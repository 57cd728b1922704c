#include "core/base/log.h"

#include <gtest/gtest.h>

#include <regex>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::ReadAll;
using testing::TempFolder;

TEST(LogTest, WritesTimeAndMessageAndAppends) {
  const TempFolder folder;
  const std::string file = folder / "log.txt";
  Log(file, true).Write("one");
  Log(file, true).Write("two");
  EXPECT_TRUE(std::regex_match(ReadAll(file),
                               std::regex("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  one\n"
                                          "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  two\n")))
      << ReadAll(file);
}

TEST(LogTest, TellsStderrUnlessQuiet) {
  ::testing::internal::CaptureStderr();
  Log("", false).Write("heard");
  Log("", true).Write("unheard");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "heard\n");
}

TEST(LogTest, AFileThatCannotBeOpenedIsToldByName) {
  const TempFolder folder;
  const std::string file = folder / "none/log.txt";
  EXPECT_EQ(ErrorOf([&] { Log(file, true); }), file + ": cannot open: No such file or directory");
}

TEST(ProgressTest, IsSilentWhereTheLogIsQuietAndWithinTheFirstSeconds) {
  ::testing::internal::CaptureStderr();
  for (const bool quiet : {true, false}) {
    const Log log("", quiet);
    Progress progress(log, "label", "steps", 3);
    for (int i = 0; i < 3; ++i) progress.Advance();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(FormatDurationTest, RoundsToWholeSeconds) {
  EXPECT_EQ(FormatDuration(0.4), "0 s");
  EXPECT_EQ(FormatDuration(47.5), "48 s");
  EXPECT_EQ(FormatDuration(59.6), "1 min 00 s");
  EXPECT_EQ(FormatDuration(200), "3 min 20 s");
  EXPECT_EQ(FormatDuration(3599.6), "1 h 00 min");
  EXPECT_EQ(FormatDuration(7500), "2 h 05 min");
}

}  // namespace
}  // namespace roundlab
