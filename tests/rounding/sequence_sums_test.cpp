#include <gtest/gtest.h>

#include <string>

#include "tests/core/formats/format_files.h"
#include "tests/rounding/pipeline_fixture.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

class SequenceSumsTest : public testing::PipelineFixture {
 protected:
  SequenceSumsTest() : PipelineFixture(12, 10) {
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
  }

  std::string Codes(const std::string& stage) { return Run({stage}).CodesSha256(); }
};

TEST_F(SequenceSumsTest, CodesAreTheSameWhateverPartsABatchIsRunIn) {
  const std::string steps = "type: round\nsteps: 6\nbatch: 6\n";
  for (const std::string scheme :
       {"scheme: signround", "scheme: signround\noptimizer: {type: adam, lr: 0.005}",
        "scheme: signround\nunit: {blocks: 2}", "scheme: signround\nunit: linear",
        "scheme: signround\naug_loss: true", "scheme: adaround", "scheme: flexround"}) {
    const std::string whole = Codes(steps + scheme);
    EXPECT_EQ(Codes(steps + scheme + "\naccumulate: 4"), whole) << scheme;
  }
}

TEST_F(SequenceSumsTest, SixteenBitsHaveThemWhereAsked) {
  inputs_.dtype = at::kBFloat16;
  const std::string stage =
      "type: round\nscheme: signround\nsteps: 6\nbatch: 6\nsums: sequence\naccumulate: ";
  const std::string whole = Codes(stage + "1");
  EXPECT_EQ(Codes(stage + "4"), whole);
  EXPECT_EQ(Codes(stage + "6"), whole);
}

TEST_F(SequenceSumsTest, WhatLooksAtPartsAsTheyAreHasNone) {
  const std::string stage = "type: round\nscheme: signround\nsteps: 2\nbatch: 4\n";
  const std::string refusal =
      "block_0: sums: sequence is for soft weights, with a loss that is the mean of its rows' and "
      "without a vote";
  for (const char* part : {"loss: trimmed_mse", "optimizer: {type: sign_sgd, vote: majority}"}) {
    EXPECT_EQ(ErrorOf([&] { Codes(stage + part + "\nsums: sequence"); }), refusal);
    Codes(stage + part);
  }
}

}  // namespace
}  // namespace roundlab
