#include "core/model/unit_loader.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/error.h"
#include "core/model/loader.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/source_over.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;
using testing::TinyModel;

/// Counts the blocks that were read; one of them can't be.
class WatchedSource : public testing::SourceOver {
 public:
  explicit WatchedSource(const ModelSource* original, std::int64_t broken = -1)
      : SourceOver(original), broken_(broken) {}
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override {
    if (index == broken_) throw Error("block 2 of the file is torn");
    auto block = SourceOver::LoadBlock(index);
    const std::lock_guard lock(mutex_);
    ++read_;
    changed_.notify_all();
    return block;
  }
  void WaitFor(std::int64_t blocks) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return read_ >= blocks; });
  }
  std::int64_t read() const {
    const std::lock_guard lock(mutex_);
    return read_;
  }

 private:
  const std::int64_t broken_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::int64_t read_ = 0;
};

class UnitLoaderTest : public ::testing::Test {
 protected:
  UnitLoaderTest() {
    TinyModel{.layers = 5}.Write(folder_.path());
    files_ = std::make_unique<ModelFiles>(folder_.path());
  }

  TempFolder folder_;
  std::unique_ptr<ModelFiles> files_;
};

TEST_F(UnitLoaderTest, UnitsComeInOrderAndOneIsReadAhead) {
  const WatchedSource source(files_.get());
  {
    UnitLoader loader(source, PlanUnits(5, 2), at::kCPU);
    EXPECT_EQ(source.read(), 0);
    std::int64_t next = 0;
    for (const std::int64_t ahead : {4, 5, 5}) {
      for (const auto& block : loader.Next()) {
        const auto again = files_->LoadBlock(next);
        EXPECT_EQ(block->index, next++);
        EXPECT_TRUE(at::equal(block->Slot(3).weight, again->Slot(3).weight));
      }
      source.WaitFor(ahead);  // while the unit is worked on
    }
    EXPECT_EQ(next, 5);
  }
  EXPECT_EQ(source.read(), 5);
}

TEST_F(UnitLoaderTest, LinearWeightsAreCastAndTheHookSeesEachBlockOnce) {
  std::vector<std::int64_t> seen;
  UnitLoader loader(*files_, PlanUnits(5, 1), at::kCPU, {at::kBFloat16, [&](DecoderBlock* block) {
                                                           seen.push_back(block->index);
                                                           block->Slot(0).weight = at::ones({2, 2});
                                                         }});
  for (std::int64_t i = 0; i < 5; ++i) {
    const UnitBlocks unit = loader.Next();
    EXPECT_TRUE(at::equal(unit.front()->Slot(0).weight, at::ones({2, 2}, at::kBFloat16)));
    EXPECT_TRUE(at::equal(unit.front()->Slot(3).weight,
                          files_->LoadBlock(i)->Slot(3).weight.to(at::kBFloat16)));
    EXPECT_EQ(unit.front()->Norms().front()->weight.scalar_type(), at::kFloat);
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST_F(UnitLoaderTest, NeverMoreThanOneIsReadAhead) {
  const WatchedSource source(files_.get());
  {
    UnitLoader loader(source, PlanUnits(5, 1), at::kCPU);
    loader.Next();
  }  // waits for what is being read
  EXPECT_EQ(source.read(), 2);
}

TEST_F(UnitLoaderTest, WhatGoesWrongIsToldWhenTheUnitIsWanted) {
  const WatchedSource source(files_.get(), 2);
  UnitLoader loader(source, PlanUnits(5, 1), at::kCPU);
  loader.Next();
  loader.Next();
  EXPECT_EQ(ErrorOf([&] { loader.Next(); }), "block 2 of the file is torn");
}

}  // namespace
}  // namespace roundlab
