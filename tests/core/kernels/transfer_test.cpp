#include "core/kernels/transfer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "core/kernels/device.h"
#include "tests/support/gpu.h"

namespace roundlab {
namespace {

TEST(TransferTest, IsMadeByTheTimeItIsWaitedFor) {
  for (const bool queued : {true, false}) {
    std::atomic<bool> made = false;
    const Transfer transfer(at::kCPU, [&] { made = true; });
    queued ? transfer.AwaitQueued() : transfer.Wait();
    EXPECT_TRUE(made);
  }
  std::atomic<bool> made = false;
  {
    const Transfer transfer(at::kCPU, [&] { made = true; });
  }
  EXPECT_TRUE(made);
}

TEST(TransferTest, WhoWaitsIsToldWhatWentWrong) {
  const Transfer transfer(at::kCPU, [] { throw std::runtime_error("no room"); });
  EXPECT_THROW(transfer.AwaitQueued(), std::runtime_error);
  EXPECT_THROW(transfer.Await(), std::runtime_error);
  EXPECT_THROW(transfer.Wait(), std::runtime_error);
}

class GpuTransferTest : public ::testing::Test {
 protected:
  void SetUp() override { ROUNDLAB_NEEDS_GPU(); }
  const at::Device device_{at::kCUDA, 0};
};

TEST_F(GpuTransferTest, ComesAfterEarlierWorkAndBeforeLater) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor there = at::zeros({1 << 24}, options.device(device_));
  const std::int64_t size = testing::IsSimulated() ? 16 : 4096;  // there copies are late anyway
  const at::Tensor slow = at::ones({size, size}, options.device(device_));
  const at::Tensor here = at::empty({1 << 24}, options.pinned_memory(true));
  for (int round = 1; round <= 5; ++round) {
    for (int i = 0; i < 5; ++i) at::mm(slow, slow);
    there.fill_(round);
    const Transfer out(device_, [&] { here.copy_(there, /*non_blocking=*/true); });
    out.Await();
    there.fill_(-1);  // after it was read
    const Transfer back(device_, [&] {
      out.AwaitQueued();
      there.copy_(here, /*non_blocking=*/true);
    });
    back.Await();
    EXPECT_TRUE(at::equal(there, at::full_like(there, round)));
    out.Wait();
    EXPECT_TRUE(at::equal(here, at::full_like(here, round)));
  }
}

}  // namespace
}  // namespace roundlab
