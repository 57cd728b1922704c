#include "core/quant/groups.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "core/quant/quantized_weight.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

at::Tensor Matrix(std::int64_t out, std::int64_t in) {
  return at::arange(1, out * in + 1, at::kFloat).view({out, in});
}

struct LayoutCase {
  std::int64_t out, in, group_size;
  std::int64_t width, per_row, scale_rows;
};

TEST(GroupLayoutTest, GroupsDownTheColumns) {
  const at::Tensor w = at::arange(12, at::kFloat).view({4, 3});
  const GroupLayout column = GroupLayout::Down(4, 3, -1);
  EXPECT_EQ(column.Count(), 3);
  EXPECT_TRUE(at::equal(column.Split(w)[1], at::tensor({1.0F, 4.0F, 7.0F, 10.0F})));
  // Two of four rows: the first and the third of a column, the second and the fourth.
  const GroupLayout half = GroupLayout::Down(4, 3, 2);
  EXPECT_EQ(half.Count(), 6);
  EXPECT_TRUE(at::equal(half.Split(w)[4], at::tensor({4.0F, 10.0F})));
  for (const GroupLayout& layout : {column, half, GroupLayout::Down(4, 3, 6)}) {
    EXPECT_FALSE(layout.Padded());
    EXPECT_TRUE(at::equal(layout.Join(layout.Split(w)), w));
  }
}

TEST(GroupLayoutTest, CutsRowsAndJoinsThemAgain) {
  for (const LayoutCase& c : {LayoutCase{3, 8, 4, 4, 2, 3},
                              {3, 8, -1, 8, 1, 3},
                              {3, 8, 0, 24, 1, 1},
                              {3, 8, 3, 3, 3, 3},
                              {3, 8, 8, 8, 1, 3},
                              {3, 8, 128, 8, 1, 3},
                              {1, 1, 32, 1, 1, 1},
                              {2, 5, 1, 1, 5, 2}}) {
    SCOPED_TRACE(c.group_size);
    const GroupLayout layout = GroupLayout::For(c.out, c.in, c.group_size);
    EXPECT_EQ(layout.width, c.width);
    EXPECT_EQ(layout.per_row, c.per_row);
    EXPECT_EQ(layout.scale_rows, c.scale_rows);
    EXPECT_EQ(layout.Count(), c.per_row * c.scale_rows);
    const at::Tensor matrix = Matrix(c.out, c.in);
    const at::Tensor groups = layout.Split(matrix);
    EXPECT_EQ(groups.sizes(), (at::IntArrayRef{layout.Count(), c.width}));
    EXPECT_TRUE(groups.is_contiguous());
    EXPECT_TRUE(TensorNear(layout.Join(groups), matrix, 0, 0));
    const at::Tensor turned = matrix.t().contiguous().t();
    EXPECT_TRUE(TensorNear(layout.Split(turned), groups, 0, 0));
  }
}

TEST(GroupLayoutTest, FillsTheLastGroupWithZeros) {
  const GroupLayout layout = GroupLayout::For(2, 5, 3);
  EXPECT_TRUE(layout.Padded());
  EXPECT_FALSE(GroupLayout::For(2, 6, 3).Padded());
  const at::Tensor expected =
      at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 0.0F, 6.0F, 7.0F, 8.0F, 9.0F, 10.0F, 0.0F})
          .view({4, 3});
  EXPECT_TRUE(TensorNear(layout.Split(Matrix(2, 5)), expected, 0, 0));
}

TEST(GroupLayoutTest, JoinPassesGradientsBack) {
  const GroupLayout layout = GroupLayout::For(2, 5, 3);
  const at::Tensor groups = at::ones({4, 3}).requires_grad_(true);
  (layout.Join(groups) * Matrix(2, 5)).sum().backward();
  EXPECT_TRUE(TensorNear(groups.grad(), layout.Split(Matrix(2, 5)), 0, 0));
}

TEST(GroupLayoutTest, RefusesOtherShapes) {
  EXPECT_THROW(GroupLayout::For(2, 5, -2), std::logic_error);
  EXPECT_THROW(GroupLayout::For(0, 5, 3), std::logic_error);
  const GroupLayout layout = GroupLayout::For(2, 6, 3);
  EXPECT_THROW(layout.Split(Matrix(3, 4)), std::logic_error);
  EXPECT_THROW(layout.Split(Matrix(3, 4).view({12})), std::logic_error);
}

/// Two rows of three groups of 2 (the last half filled), scales 1, 2, 3 and 0.5, 0.25, 4.
QuantizedWeight Example() {
  QuantizedWeight weight;
  weight.codes = at::tensor({0, 15, 3, 4, 7, 1, 2, 8, 9, 5}, at::kByte).view({2, 5});
  weight.scale = at::tensor({1.0F, 2.0F, 3.0F, 0.5F, 0.25F, 4.0F}).view({2, 3});
  weight.zero = at::tensor({8.0F, 0.0F, 15.0F, 1.0F, 8.0F, 5.0F}).view({2, 3});
  weight.spec.bits = 4;
  weight.spec.group_size = 2;
  return weight;
}

TEST(QuantizedWeightTest, DequantizesByHand) {
  const at::Tensor expected =
      at::tensor({-8.0F, 7.0F, 6.0F, 8.0F, -24.0F, 0.0F, 0.5F, 0.0F, 0.25F, 0.0F}).view({2, 5});
  EXPECT_TRUE(TensorNear(Example().Dequantize(), expected, 0, 0));
}

TEST(QuantizedWeightTest, OneScaleForAWholeTensor) {
  QuantizedWeight weight = Example();
  weight.spec.group_size = 0;
  weight.scale = at::full({1, 1}, 0.5F);
  weight.zero = at::full({1, 1}, 8.0F);
  EXPECT_TRUE(TensorNear(weight.Dequantize(), 0.5 * (weight.codes.to(at::kFloat) - 8), 0, 0));
}

TEST(QuantizedWeightTest, CountsScalesAndZeroPoints) {
  // 10 codes of 4 bits, 6 scales of 16 bits, 6 zero points of 4; sym grids store none.
  EXPECT_DOUBLE_EQ(Example().BitsPerWeight(), (10 * 4 + 6 * 20) / 10.0);
  QuantizedWeight sym = Example();
  sym.spec.grid = GridKind::kSym;
  sym.spec.scale_dtype = ScaleType::kFloat32;
  EXPECT_DOUBLE_EQ(sym.BitsPerWeight(), (10 * 4 + 6 * 32) / 10.0);
}

TEST(QuantizedWeightTest, DecodesPartsThatOnlySomeMethodsHave) {
  QuantizedWeight ordered = Example();
  ordered.g_idx = at::tensor({2, 1, 0, 2, 1}, at::kInt);
  EXPECT_TRUE(TensorNear(ordered.Dequantize()[0],
                         at::tensor({3.0F * -15, 2.0F * 15, -5.0F, 3.0F * -11, 2.0F * 7}), 0, 0));
  QuantizedWeight table = Example();
  table.codebook = at::arange(32, at::kFloat).view({2, 16});
  table.outlier_index = at::tensor({1, 9}, at::kInt);
  table.outlier_value = at::tensor({100.0F, -1.0F});
  table.left = at::ones({2, 1});
  table.right = at::full({1, 5}, 0.5F);
  EXPECT_TRUE(
      TensorNear(table.Dequantize()[0], at::tensor({0.5F, 100.0F, 3.5F, 4.5F, 7.5F}), 0, 0));
  EXPECT_EQ(table.Dequantize()[1][4].item<float>(), -1.0F);
}

TEST(QuantizeAffineTest, RoundsTiesToEvenAfterTheOffsetAndClamps) {
  const GroupLayout layout = GroupLayout::For(1, 6, -1);
  const AffineGrid grid{at::full({1}, 0.5F), at::full({1}, 3.0F)};
  const QuantSpec spec{3, -1, GridKind::kAsym, ScaleType::kFloat32};
  const at::Tensor weight = at::tensor({0.25F, 0.75F, -0.25F, -9.0F, 9.0F, 0.5F}).view({1, 6});
  EXPECT_TRUE(TensorNear(QuantizeAffine(weight, {}, grid, layout, spec).codes,
                         at::tensor({3, 5, 3, 0, 7, 4}, at::kByte).view({1, 6}), 0, 0));
  const at::Tensor offset = at::tensor({0.25F, -0.25F, -0.25F, 0.5F, -0.5F, 0.5F}).view({1, 6});
  EXPECT_TRUE(TensorNear(QuantizeAffine(weight, offset, grid, layout, spec).codes,
                         at::tensor({4, 4, 2, 0, 7, 5}, at::kByte).view({1, 6}), 0, 0));
}

}  // namespace
}  // namespace roundlab
