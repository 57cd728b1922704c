#include "core/kernels/bfloat16_tile.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

/// [rows, columns] of bfloat16 as pairs of rows.
std::vector<Pair> AsPairs(const at::Tensor& matrix) {
  std::vector<Pair> pairs(static_cast<std::size_t>(matrix.numel() / 2));
  for (std::int64_t i = 0; i < matrix.size(0); ++i) {
    PutRow(matrix.const_data_ptr<c10::BFloat16>() + i * matrix.size(1), i, matrix.size(1),
           pairs.data());
  }
  return pairs;
}

TEST(Bfloat16TileTest, SumsOfProductsAsInFloat64) {
  const std::int64_t depth = 96;
  const at::Tensor a = RandomTensor({2, kUnitSide, depth}, 1).to(at::kBFloat16);
  const at::Tensor b = RandomTensor({2, depth, 2 * kUnitSide}, 2).to(at::kBFloat16);
  const std::vector<Pair> pairs[] = {AsPairs(b[0]), AsPairs(b[1])};
  const at::Tensor start = RandomTensor({kUnitSide, kUnitSide}, 3);
  const TileScope tiles;
  for (const std::size_t factors : {1U, 2U}) {
    for (const bool add : {false, true}) {
      at::Tensor c = start.clone();
      UnitProduct product{
          {}, factors, depth, 2 * kUnitSide, depth, c.mutable_data_ptr<float>(), kUnitSide, add};
      at::Tensor expected = add ? start.to(at::kDouble) : at::zeros_like(start, at::kDouble);
      for (std::size_t i = 0; i < factors; ++i) {
        const auto at = static_cast<std::int64_t>(i);
        // The second half of the columns.
        product.factors[i] = {a[at].const_data_ptr<c10::BFloat16>(), pairs[i].data() + kUnitSide};
        expected += a[at].to(at::kDouble).mm(b[at].to(at::kDouble).narrow(1, kUnitSide, kUnitSide));
      }
      MultiplyUnit(product);
      EXPECT_TRUE(TensorNear(c, expected.to(at::kFloat), 1e-5, 1e-6));
    }
  }
}

TEST(Bfloat16TileTest, ColumnsAreRowsTurned) {
  const std::int64_t depth = 64;
  const at::Tensor rows = RandomTensor({2 * kUnitSide, depth}, 1).to(at::kBFloat16);
  const std::vector<Pair> turned = AsPairs(rows.t().contiguous());
  std::vector<Pair> panels(turned.size());
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    PutColumn(rows.const_data_ptr<c10::BFloat16>() + i * depth, i, depth, panels.data());
  }
  for (std::int64_t k = 0; k < depth / 2; ++k) {
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      const Pair* panel = panels.data() + i / kUnitSide * kUnitSide * depth / 2;
      EXPECT_EQ(panel[k * kUnitSide + i % kUnitSide],
                turned[static_cast<std::size_t>(k * rows.size(0) + i)]);
    }
  }
}

TEST(Bfloat16TileTest, TwoNumbersMakeOneOfSeventeenBits) {
  const at::Tensor x = RandomTensor({2, 2 * kUnitSide}, 1) * RandomTensor({2, 2 * kUnitSide}, 2);
  const float* values = x.const_data_ptr<float>();
  const std::int64_t width = x.size(1);
  at::Tensor high = at::empty_like(x, at::kBFloat16);
  at::Tensor low = at::empty_like(high);
  Split(values, x.numel(), high.mutable_data_ptr<c10::BFloat16>(),
        low.mutable_data_ptr<c10::BFloat16>());
  EXPECT_TRUE(at::equal(high, x.to(at::kBFloat16)));
  EXPECT_TRUE(TensorNear(high.to(at::kFloat) + low.to(at::kFloat), x, 0, 1.0 / (1 << 17)));

  std::vector<Pair> pairs_high(static_cast<std::size_t>(width));
  std::vector<Pair> pairs_low(pairs_high.size());
  SplitPairs(values, values + width, width, kUnitSide, pairs_high.data(), pairs_low.data());
  EXPECT_EQ(pairs_high, AsPairs(high));
  EXPECT_EQ(pairs_low, AsPairs(low));
}

TEST(Bfloat16TileTest, WhatIsNotFiniteStaysSo) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x = {std::nanf(""), infinity, -infinity, 3.4e38F};
  x.resize(kUnitSide, std::nanf(""));
  std::vector<c10::BFloat16> high(x.size());
  std::vector<c10::BFloat16> low(x.size());
  Split(x.data(), static_cast<std::int64_t>(x.size()), high.data(), low.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_FALSE(std::isfinite(static_cast<float>(high[i]) + static_cast<float>(low[i]))) << x[i];
  }
}

TEST(Bfloat16TileTest, LibtorchsProductsAreAsBefore) {
  const at::Tensor a = RandomTensor({70, 130}, 1).to(at::kBFloat16);
  const at::Tensor b = RandomTensor({130, 50}, 2).to(at::kBFloat16);
  const at::Tensor before = a.mm(b);
  {
    const TileScope tiles;
    EXPECT_TRUE(at::equal(a.mm(b), before));
  }
  EXPECT_TRUE(at::equal(a.mm(b), before));
}

}  // namespace
}  // namespace roundlab
