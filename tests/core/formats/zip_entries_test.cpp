#include "core/formats/zip_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/formats/zip_builder.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::TempFolder;
using testing::Zip;

/// Name and contents of what is in an archive of these bytes.
std::vector<std::pair<std::string, std::string>> EntriesOf(const std::string& bytes) {
  const TempFolder folder;
  const MappedFile file(folder.Write("a.zip", bytes));
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [name, data] : ZipEntries(file)) {
    entries.emplace_back(name,
                         std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  }
  return entries;
}

std::string ZipError(const std::string& bytes) {
  return ErrorOf([&] { EntriesOf(bytes); });
}

TEST(ZipEntriesTest, EntriesAreFoundByName) {
  for (const bool zip64 : {false, true}) {
    for (const char* comment : {"", "PK", "a comment"}) {
      EXPECT_THAT(EntriesOf(Zip({{"b", "data of b"}, {"a", ""}}, {0, 0, zip64, comment})),
                  ElementsAre(Pair("a", ""), Pair("b", "data of b")));
    }
  }
  EXPECT_THAT(EntriesOf(Zip({})), ElementsAre());
}

TEST(ZipEntriesTest, WhatIsNoPlainArchiveIsAnError) {
  EXPECT_THAT(ZipError(""), HasSubstr("a.zip: not a zip archive, as torch.save writes"));
  EXPECT_THAT(ZipError("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
              HasSubstr("a.zip: a pointer of Git LFS, not the file itself"));
  EXPECT_THAT(ZipError(Zip({{"a", "x"}}).substr(0, 40)), HasSubstr("a.zip: cut off"));
  EXPECT_THAT(ZipError(Zip({{"a", "x"}}, {1, 0, false, ""})),
              HasSubstr("a.zip: entry 'a' is encrypted"));
  EXPECT_THAT(ZipError(Zip({{"a", "x"}}, {0, 8, false, ""})),
              HasSubstr("a.zip: entry 'a' is compressed; expected as torch.save writes it"));
  EXPECT_THAT(ZipError(Zip({{"a", "x"}, {"a", "y"}})), HasSubstr("a.zip: has entry 'a' twice"));
}

TEST(ZipEntriesTest, NoBrokenArchiveIsReadBeyondItsEnd) {
  for (const bool zip64 : {false, true}) {
    const std::string whole = Zip({{"a", "data of a"}, {"b", "of b"}}, {0, 0, zip64, ""});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_NE(ZipError(whole.substr(0, size)), "") << size;
      std::string changed = whole;
      changed[size] = '\xff';
      try {
        EntriesOf(changed);
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
