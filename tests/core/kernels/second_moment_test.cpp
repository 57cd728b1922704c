#include "core/kernels/second_moment.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

TEST(SecondMomentTest, SumsOverCallsOnAndAboveTheDiagonal) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const std::int64_t in : {1, 32, 50, 320}) {
      SCOPED_TRACE(std::string(c10::toString(dtype)) + ", " + std::to_string(in) + " columns");
      at::Tensor sum;
      at::Tensor expected = at::zeros({in, in}, at::kDouble);
      for (const std::int64_t tokens : {1, 33, 700}) {
        const at::Tensor x = RandomTensor({tokens, in}, 7).to(dtype);
        AddSecondMoment(&sum, x);
        expected += x.to(at::kDouble).t().mm(x.to(at::kDouble));
      }
      EXPECT_EQ(sum.scalar_type(), dtype == at::kDouble ? at::kDouble : at::kFloat);
      // Products of bfloat16 lose nothing: the sums are float32's.
      EXPECT_TRUE(
          TensorNear(sum.triu().to(at::kFloat), expected.triu().to(at::kFloat), 1e-4, 1e-5));
    }
  }
}

}  // namespace
}  // namespace roundlab
