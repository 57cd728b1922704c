#include "rounding/unit.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/model/loader.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;
using testing::TinyModel;

TEST(UnitTest, WhatRunsInPlaceOfTheOriginalComesBackAlsoWhenTheWorkFails) {
  const TempFolder folder;
  TinyModel().Write(folder.path());
  const ModelFiles files(folder.path());
  const RopeTable rope;
  const Unit unit(files, PlanUnits(2, 2).front(), rope);
  LinearSlot* const slot = unit.Slots().front();
  const at::Tensor chosen = at::ones_like(slot->weight);
  slot->effective = chosen;
  const auto fails = [&] {
    unit.WithOriginalWeights([&] {
      EXPECT_FALSE(slot->effective.defined());
      throw Error("torn");
    });
  };
  EXPECT_EQ(ErrorOf(fails), "torn");
  EXPECT_TRUE(slot->effective.is_same(chosen));
}

}  // namespace
}  // namespace roundlab
