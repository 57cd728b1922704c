#include "core/metrics/tensorboard_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::ReadAll;
using testing::TempFolder;
using namespace std::string_literals;  // NOLINT(google-build-using-namespace)

std::uint32_t Unmasked(std::uint32_t masked) { return std::rotl(masked - 0xa282ead8U, 15); }

/// Bit by bit, from the definition: reflected, polynomial 0x1EDC6F41.
std::uint32_t Crc32cByBits(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

template <class T>
T At(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// The events of a file, without frames and times; checks both checksums of each and the time.
std::vector<std::string> Events(const std::string& bytes) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto size = At<std::uint64_t>(bytes, at);
    EXPECT_EQ(Unmasked(At<std::uint32_t>(bytes, at + 8)), Crc32cByBits(bytes.substr(at, 8)));
    const std::string event = bytes.substr(at + 12, size);
    EXPECT_EQ(Unmasked(At<std::uint32_t>(bytes, at + 12 + size)), Crc32cByBits(event));
    EXPECT_EQ(event.at(0), '\x09');
    EXPECT_GT(At<double>(event, 1), 1.7e9);
    EXPECT_LT(At<double>(event, 1), 1e11);
    events.push_back(event.substr(9));
    at += 16 + size;
  }
  return events;
}

std::vector<std::string> EventFiles(const TempFolder& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().string().find("tfevents") != std::string::npos) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

const std::string kVersion =
    "\x1a\x0d"
    "brain.Event:2"s;
const std::string kStart = "\x3a\x02\x08\x01"s;

TEST(Crc32cTest, VectorsOfRfc3720) {
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  const std::string descending(ascending.rbegin(), ascending.rend());
  EXPECT_EQ(Unmasked(MaskedCrc32c(std::string(32, '\0'))), 0x8A9136AAU);
  EXPECT_EQ(Unmasked(MaskedCrc32c(std::string(32, '\xFF'))), 0x62A8AB43U);
  EXPECT_EQ(Unmasked(MaskedCrc32c(ascending)), 0x46DD794EU);
  EXPECT_EQ(Unmasked(MaskedCrc32c(descending)), 0x113FDB5CU);
  EXPECT_EQ(Unmasked(MaskedCrc32c("123456789")), 0xE3069283U);
  EXPECT_EQ(MaskedCrc32c(""), 0xa282ead8U);
}

TEST(TensorBoardFileTest, EventsAreThoseOfTheProtocolByteForByte) {
  const TempFolder folder;
  {
    TensorBoardFile file(folder.path());
    EXPECT_TRUE(EventFiles(folder).empty());
    file.Record("tune/a", 0, 1.0);
    file.Record("b", 300, -0.5);
    file.Array("layers/x", {1}, {1});
    file.Flush();
    EXPECT_EQ(Events(ReadAll(EventFiles(folder).at(0))).size(), 4U);
    file.Record(std::string(200, 'n'), -1, 0.1);
    file.Record("b", 1, std::numeric_limits<double>::infinity());
  }
  ASSERT_EQ(EventFiles(folder).size(), 1U);
  const auto events = Events(ReadAll(EventFiles(folder)[0]));
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(events[0], kVersion);
  EXPECT_EQ(events[1], kStart);
  EXPECT_EQ(events[2], "\x10\0\x2a\x0f\x0a\x0d\x0a\x06tune/a\x15\0\0\x80\x3f"s);
  EXPECT_EQ(events[3],
            "\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01"
            "b\x15\0\0\0\xbf"s);
  const std::string minus_one = "\x10" + std::string(9, '\xff') + "\x01";
  const std::string value = "\x15" + std::string("\xcd\xcc\xcc\x3d");
  EXPECT_EQ(events[4],
            minus_one + "\x2a\xd3\x01\x0a\xd0\x01\x0a\xc8\x01" + std::string(200, 'n') + value);
  EXPECT_EQ(events[5],
            "\x10\x01\x2a\x0a\x0a\x08\x0a\x01"
            "b\x15\0\0\x80\x7f"s);
}

TEST(TensorBoardFileTest, AResumedRunEmptiesTheFileBeforeAndTouchesNothingElse) {
  const TempFolder folder;
  const std::string other = folder.Write("run.h5", "x");
  { TensorBoardFile(folder.path()).Record("a", 0, 1); }
  const auto before = EventFiles(folder);
  ASSERT_EQ(before.size(), 1U);
  EXPECT_GT(fs::file_size(before[0]), 0U);
  { TensorBoardFile(folder.path()).Record("a", 0, 2); }
  const auto files = EventFiles(folder);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0], before[0]);  // TensorBoard reads on in order of names
  EXPECT_EQ(fs::file_size(files[0]), 0U);
  EXPECT_EQ(Events(ReadAll(files[1])).size(), 3U);
  EXPECT_EQ(ReadAll(other), "x");
}

TEST(TensorBoardFileTest, WhatCannotBeWrittenIsTold) {
  const TempFolder folder;
  EXPECT_EQ(ErrorOf([&] { TensorBoardFile(folder / "none"); }),
            folder / "none: cannot empty its event files: No such file or directory");
  fs::create_directory(folder / "gone");
  TensorBoardFile file(folder / "gone");
  fs::remove(folder / "gone");
  file.Record("a", 0, 1);
  const std::string error = ErrorOf([&] { file.Flush(); });
  EXPECT_EQ(error.rfind(folder / "gone/events.out.tfevents.", 0), 0U) << error;
  EXPECT_NE(error.find(".roundlab: cannot write"), std::string::npos) << error;
}

}  // namespace
}  // namespace roundlab
