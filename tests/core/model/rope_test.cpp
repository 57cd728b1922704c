#include "core/model/rope.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

// llama.cpp: theta / freq_factor * freq_scale (ggml_rope_ext).
TEST(RopeTest, AFactorStretchesFrequenciesThatAreDividedToo) {
  RopeDescription rope;
  rope.divisors = {1, 8};
  rope.type = RopeType::kLinear;
  rope.factor = 4;
  const at::Tensor expected = at::tensor({std::sin(1.0F / 4), std::sin(0.01F / 8 / 4)});
  EXPECT_TRUE(testing::TensorNear(MakeRopeTable(rope, 4, 2).sine[1], expected, 1e-7, 0));
}

}  // namespace
}  // namespace roundlab
