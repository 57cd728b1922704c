#include "core/base/allocator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace roundlab {
namespace {

std::uintptr_t EndOfHeap() { return reinterpret_cast<std::uintptr_t>(sbrk(0)); }

TEST(AllocatorTest, FreedMemoryIsKept) {
  KeepFreedMemory();
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 1600; ++i) blocks.push_back(std::make_unique<char[]>(1 << 16));
  const std::uintptr_t end = EndOfHeap();
  while (!blocks.empty()) blocks.pop_back();
  EXPECT_EQ(EndOfHeap(), end);
}

}  // namespace
}  // namespace roundlab
