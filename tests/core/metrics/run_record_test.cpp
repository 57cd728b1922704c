#include "core/metrics/run_record.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::uint64_t> Bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

const std::vector<double> kHard = {0.0,    -0.0,      0.1,        std::nan(""),
                                   1e-310, kInfinity, -kInfinity, 1.0 / 3};

RunRecord HardRecord() {
  RunRecord record;
  for (std::size_t i = 0; i < kHard.size(); ++i) {
    record.Record("tune/block_0/loss", static_cast<std::int64_t>(i) - 2, kHard[i]);
  }
  record.Record("a", std::numeric_limits<std::int64_t>::max(), 1);
  record.Array("layers/x/rate", {2, 4}, kHard);
  record.Array("layers/y/none", {0}, {});
  return record;
}

TEST(RunRecordTest, SerializeReadsBackBitForBit) {
  const RunRecord record = HardRecord();
  const RunRecord read = RunRecord::Parse(record.Serialize(), "r");
  EXPECT_EQ(read.Serialize(), record.Serialize());
  ASSERT_EQ(read.series().size(), 2U);
  ASSERT_EQ(read.arrays().size(), 2U);
  const auto& loss = read.series().at("tune/block_0/loss");
  EXPECT_EQ(loss.steps, (std::vector<std::int64_t>{-2, -1, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(Bits(loss.values), Bits(kHard));
  EXPECT_EQ(read.series().at("a").steps.front(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(read.arrays().at("layers/x/rate").shape, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(Bits(read.arrays().at("layers/x/rate").values), Bits(kHard));
  EXPECT_TRUE(read.arrays().at("layers/y/none").values.empty());
}

TEST(RunRecordTest, BrokenTextIsToldWithItsPlace) {
  const auto error = [](const std::string& text) {
    return ErrorOf([&] { RunRecord::Parse(text, "f"); });
  };
  const std::string head = "roundlab record 1\n";
  EXPECT_EQ(error(head + "series a 1 7 1 3ff0000000000000\nend\n"), "");
  EXPECT_EQ(error(""), "f: not a run record");
  EXPECT_EQ(error("roundlab record 2\nend\n"), "f: not a run record");
  EXPECT_EQ(error(head), "f: run record is cut off");
  EXPECT_EQ(error(head + "series a 1 7 1 0\n"), "f: run record is cut off");
  EXPECT_EQ(error(head + "series a 1 x 1 0\nend\n"), "f: broken run record at 'series a'");
  EXPECT_EQ(error(head + "series a 1 7 1 g\nend\n"), "f: broken run record at 'series a'");
  EXPECT_EQ(error(head + "series a 2 7 8 1 0\nend\n"), "f: broken run record at 'series a'");
  EXPECT_EQ(error(head + "series a 3 7\nend\n"), "f: broken run record at 'series a'");
  EXPECT_EQ(error(head + "array b 1\nend\n"), "f: broken run record at 'array b'");
  EXPECT_EQ(error(head + "table c 1\nend\n"), "f: broken run record at 'table c'");
}

TEST(RunRecordTest, EveryCutOffTextIsRefused) {
  const std::string text = HardRecord().Serialize();
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_NE(ErrorOf([&] { RunRecord::Parse(text.substr(0, size), "f"); }), "") << size;
  }
}

TEST(RunRecordTest, AnArrayIsGivenOnce) {
  RunRecord record;
  record.Array("x", {1}, {1});
  EXPECT_THROW(record.Array("x", {1}, {1}), std::logic_error);
}

TEST(RunRecordTest, UnderKeepsWhatBeginsSo) {
  const RunRecord part = HardRecord().Under("layers/x");
  EXPECT_TRUE(part.series().empty());
  ASSERT_EQ(part.arrays().size(), 1U);
  EXPECT_EQ(part.arrays().begin()->first, "layers/x/rate");
}

TEST(RunRecordTest, NamesMayHaveBlanks) {
  RunRecord record;
  record.Array("layers/x/open share", {2}, {0.5, 1});
  record.Record("tune/100 %25\n", 0, 1);
  record.Record("tune/%", 0, 1);
  const RunRecord again = RunRecord::Parse(record.Serialize(), "f");
  EXPECT_EQ(again.Serialize(), record.Serialize());
  EXPECT_EQ(again.arrays().begin()->first, "layers/x/open share");
  EXPECT_EQ(again.series().begin()->first, "tune/%");
  EXPECT_EQ(again.series().rbegin()->first, "tune/100 %25\n");
}

TEST(RunRecordTest, AnArrayHasAsManyValuesAsItsShape) {
  RunRecord record;
  EXPECT_EQ(ErrorOf([&] {
              record.Array("a", {3}, {1, 2});
            }),
            "array 'a' has 2 values, its shape asks for 3");
  record.Array("b", {0, 3}, {});
  record.Array("c", {}, {1});
}

TEST(RunRecordTest, ReplayAndTeeGiveAllToBoth) {
  const RunRecord record = HardRecord();
  RunRecord first;
  RunRecord second;
  TeeSink tee(&first, &second);
  record.Replay(&tee);
  EXPECT_EQ(first.Serialize(), record.Serialize());
  EXPECT_EQ(second.Serialize(), record.Serialize());
}

}  // namespace
}  // namespace roundlab
