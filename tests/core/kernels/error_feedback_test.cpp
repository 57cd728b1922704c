#include "core/kernels/error_feedback.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/core/kernels/random_feedback.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomBlock;
using testing::TensorNear;

TEST(ErrorFeedbackTest, AsTheReferenceInBothDtypes) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool shifted : {false, true}) {
      const FeedbackBlock fused = RandomBlock(dtype, shifted);
      const FeedbackBlock plain = RandomBlock(dtype, shifted);
      ErrorFeedback(fused, 0, 20);
      ErrorFeedback(fused, 20, 37);
      reference::ErrorFeedback(plain, 0, 37);
      EXPECT_TRUE(TensorNear(fused.codes, plain.codes, 0, 0));
      EXPECT_TRUE(TensorNear(fused.error, plain.error, 1e-5, 0));
      EXPECT_TRUE(TensorNear(fused.weight, plain.weight, 1e-5, 0));
    }
  }
}

TEST(ErrorFeedbackTest, TouchesItsColumnsAndThoseOnTheRight) {
  const FeedbackBlock block = RandomBlock(at::kFloat, false);
  const at::Tensor before = block.weight.clone();
  ErrorFeedback(block, 10, 11);
  EXPECT_TRUE(TensorNear(block.weight.narrow(1, 0, 10), before.narrow(1, 0, 10), 0, 0));
  EXPECT_TRUE((block.weight.narrow(1, 10, 27) != before.narrow(1, 10, 27)).all().item<bool>());
  EXPECT_EQ((block.codes == -1).sum().item<std::int64_t>(), 9 * 36);
}

TEST(ErrorFeedbackTest, ADoneColumnHoldsItsDecodedWeight) {
  const FeedbackBlock block = RandomBlock(at::kDouble, false);
  ErrorFeedback(block, 0, 37);
  const at::Tensor scale = block.scale.index_select(1, block.group);
  const at::Tensor zero = block.zero.index_select(1, block.group);
  EXPECT_TRUE(TensorNear(block.weight, scale * (block.codes - zero), 1e-12, 0));
}

}  // namespace
}  // namespace roundlab
