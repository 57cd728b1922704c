#include "core/text/data/gzip_file.h"

#include <gtest/gtest.h>

#include "tests/core/formats/format_files.h"
#include "tests/core/text/data/gzip.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Gzip;
using testing::TempFolder;

TEST(GzipFileTest, MembersAreOneText) {
  const TempFolder folder;
  const std::string zeros(5, '\0');
  const std::string large(1000000, 'x');
  EXPECT_EQ(ReadGzip(folder.Write("a.gz", Gzip("a ") + Gzip("") + Gzip(large))), "a " + large);
  EXPECT_EQ(ReadGzip(folder.Write("a.gz", Gzip("a") + zeros)), "a");
  EXPECT_EQ(ReadGzip(folder.Write("a.gz", Gzip("a") + zeros + Gzip("b"))), "ab");
  EXPECT_EQ(ReadGzip(folder.Write("a.gz", "no gzip")), "no gzip");
  EXPECT_EQ(ReadGzip(folder.Write("a.gz", "")), "");
}

TEST(GzipFileTest, WhatStandsBehindAMemberIsGzip) {
  const TempFolder folder;
  const std::string file = folder / "a.gz";
  const std::string one = Gzip("one");
  std::string second = Gzip("two");
  second[1] = '\0';
  for (const std::string& rest : {std::string("garbage"), second}) {
    folder.Write("a.gz", one + rest);
    EXPECT_EQ(ErrorOf([&] { ReadGzip(file); }),
              file + ": broken gzip file: the bytes behind a member, from offset " +
                  std::to_string(one.size()) + " on, are no gzip");
  }
  folder.Write("a.gz", one + "\x1f\x8b\x09" + std::string(20, 'x'));
  EXPECT_EQ(ErrorOf([&] { ReadGzip(file); }),
            file + ": broken gzip file: unknown compression method");
  folder.Write("a.gz", one + one.substr(0, 12));
  EXPECT_EQ(ErrorOf([&] { ReadGzip(file); }), file + ": broken gzip file: unexpected end of file");
}

TEST(GzipFileTest, BrokenOneIsToldByName) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919);
  const std::string packed = Gzip(text);
  const std::string cut = folder.Write("cut.gz", packed.substr(0, packed.size() / 2));
  EXPECT_EQ(ErrorOf([&] { ReadGzip(cut); }).find(cut + ": broken gzip file: "), 0U);
  std::string damaged = packed;
  damaged[packed.size() / 2] = static_cast<char>(damaged[packed.size() / 2] ^ 0x55);
  const std::string bad = folder.Write("bad.gz", damaged);
  EXPECT_EQ(ErrorOf([&] { ReadGzip(bad); }).find(bad + ": broken gzip file: "), 0U);
  EXPECT_EQ(ErrorOf([&] { ReadGzip(folder / "no.gz"); }),
            folder / "no.gz" + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace roundlab
