#include "core/quant/weight_form.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/base/diverged.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

const QuantSpec kSpec{3, 4, GridKind::kAsym, ScaleType::kFloat32, false};

std::string ProblemAfter(const std::function<void(QuantizedWeight*)>& change) {
  QuantizedWeight weight = RoundToNearest(testing::RandomTensor({3, 10}, 4), kSpec);
  change(&weight);
  return FormProblem(weight);
}

TEST(WeightFormTest, WhatFitsTogetherIsNoProblem) {
  EXPECT_EQ(ProblemAfter([](QuantizedWeight*) {}), "");
}

TEST(WeightFormTest, EachPartThatDoesNotFitIsTold) {
  using W = QuantizedWeight;
  EXPECT_EQ(ProblemAfter([](W* w) { w->codes = at::Tensor(); }), "no codes");
  EXPECT_EQ(ProblemAfter([](W* w) { w->zero = at::Tensor(); }),
            "neither scale and zero nor a codebook");
  EXPECT_EQ(ProblemAfter([](W* w) { w->codes[1][2] = 8; }), "a code is above 2^bits - 1");
  EXPECT_EQ(ProblemAfter([](W* w) { w->codes = w->codes.to(at::kInt); }),
            "codes has another type than it should");
  EXPECT_EQ(ProblemAfter([](W* w) { w->codes = w->codes.flatten(); }), "codes are no matrix");
  EXPECT_EQ(ProblemAfter([](W* w) { w->scale = w->scale.slice(1, 1); }),
            "scale has another shape than its groups");
  EXPECT_EQ(ProblemAfter([](W* w) { w->g_idx = at::full({10}, 3, at::kInt); }),
            "g_idx is not a group for each column");
  EXPECT_EQ(ProblemAfter([](W* w) { w->bias = at::zeros({4}); }),
            "bias has another length than the rows");
}

TEST(WeightFormTest, CodesAreWholeNumbers) {
  const GroupLayout layout = GroupLayout::For(2, 8, 4);
  const AffineGrid grid{at::ones({4}), at::zeros({4})};
  const auto error = [&](double code) {
    at::Tensor codes = at::zeros({4, 4});
    codes[1][1] = code;
    return ErrorOf([&] { FromCodes(codes, grid, layout, kSpec); });
  };
  EXPECT_EQ(error(7), "");
  for (const double code : {0.5, -1.0, 256.0}) {
    EXPECT_EQ(error(code), "a code is no whole number from 0 to 255") << code;
  }
  EXPECT_EQ(error(std::nan("")), "a code is not finite");
  // What fills up a last group is no code.
  const GroupLayout ragged = GroupLayout::For(1, 6, 4);
  const at::Tensor filled = at::tensor({0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 0.5}).view({2, 4});
  const AffineGrid two{at::ones({2}), at::zeros({2})};
  EXPECT_EQ(ErrorOf([&] { FromCodes(filled, two, ragged, kSpec); }), "");
}

}  // namespace
}  // namespace roundlab
