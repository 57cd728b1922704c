#include "experiments/run/device_claim.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

TEST(DeviceClaimTest, EachTakesAnotherWhileThereAre) {
  const testing::TempFolder folder;
  DeviceClaim first(folder.path());
  auto second = std::make_unique<DeviceClaim>(folder.path());
  EXPECT_EQ(first.Take(2), 0);
  EXPECT_EQ(second->Take(2), 1);
  DeviceClaim third(folder.path());
  const std::int64_t shared = third.Take(2);
  EXPECT_TRUE(shared == 0 || shared == 1);
  second.reset();
  DeviceClaim fourth(folder.path());
  EXPECT_EQ(fourth.Take(2), 1);
}

TEST(DeviceClaimTest, ProcessesThatSeeDifferentGpusDontMeet) {
  const testing::TempFolder folder;
  ::setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
  DeviceClaim first(folder.path());
  DeviceClaim second(folder.path());
  EXPECT_EQ(first.Take(2), 0);
  EXPECT_EQ(second.Take(2), 1);
  ::setenv("CUDA_VISIBLE_DEVICES", "GPU-8a, 3", 1);
  DeviceClaim third(folder.path());
  DeviceClaim fourth(folder.path());
  EXPECT_EQ(third.Take(2), 0);
  EXPECT_EQ(fourth.Take(2), 1);
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

TEST(DeviceClaimTest, OfOneGpuThereIsNothingToClaim) {
  DeviceClaim first("/no/such/folder");
  EXPECT_EQ(first.Take(1), 0);
  EXPECT_EQ(first.Take(0), 0);
}

}  // namespace
}  // namespace roundlab
