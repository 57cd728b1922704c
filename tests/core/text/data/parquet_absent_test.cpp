#include <gtest/gtest.h>

#include "core/text/data/parquet.h"
#include "tests/core/formats/format_files.h"

// Linked with core/text/data/parquet_absent.cpp whether Arrow is there or not.

namespace roundlab {
namespace {

TEST(ParquetAbsentTest, SaysHowToGetIt) {
  EXPECT_FALSE(ReadsParquet());
  EXPECT_EQ(testing::ErrorOf([] { ForParquetRows("a/b.parquet", {}, nullptr); }),
            "a/b.parquet: this build can't read Parquet files: run scripts/setup --parquet and "
            "build again");
}

}  // namespace
}  // namespace roundlab
