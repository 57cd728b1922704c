#include "core/kernels/packed_attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <tuple>

#include "core/base/random.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

struct PackedCase {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t dim;
  std::vector<Segment> segments;
  AttentionOptions options;
};

const std::vector<RowRange> kContext = {{0, 70}};
/// Two texts; the first with a context of 70 and three continuations, one of a single token.
const std::vector<Segment> kShared = {
    {{0, 70}, {}}, {{70, 9}, kContext}, {{79, 1}, kContext}, {{80, 30}, kContext}, {{110, 5}, {}}};

/// A context of 33, under it two of 20 and 40, and texts of 7 and 90 under both; in any order.
const std::vector<Segment> kTree = {{{60, 40}, {{7, 33}}},
                                    {{0, 7}, {{7, 33}, {40, 20}}},
                                    {{7, 33}, {}},
                                    {{40, 20}, {{7, 33}}},
                                    {{100, 90}, {{7, 33}, {60, 40}}}};

/// Of four heads: far below all scores, among them, and far above.
AttentionOptions WithSinks(double scale, std::int64_t window) {
  AttentionOptions options{scale, window};
  options.sinks = {-90.0F, 0.5F, 3.0F, 90.0F};
  return options;
}

const std::vector<PackedCase> kPackedCases = {{1, 1, 16, {{{0, 1}, {}}}, {1, 0}},
                                              {9, 3, 64, kShared, {0.125, 0}},
                                              {4, 4, 24, kShared, {0.3, 0}},
                                              {8, 2, 80, {{{0, 200}, {}}}, {0.1, 0}},
                                              {4, 2, 32, kShared, {0.2, 16}},
                                              {2, 1, 32, {{{0, 130}, {}}}, {0.2, 1}},
                                              {4, 2, 32, kTree, {0.2, 0}},
                                              {4, 2, 32, kTree, {0.2, 40}},
                                              {4, 2, 32, kTree, {0.2, 0, 16}},
                                              {4, 2, 32, kTree, {0.2, 10, 45}},
                                              {4, 2, 32, kShared, {0.2, 0, 75}},
                                              {4, 2, 32, kTree, WithSinks(0.2, 0)},
                                              {4, 2, 32, kShared, WithSinks(0.2, 32)},
                                              {4, 4, 16, {{{0, 64}, {}}}, WithSinks(0.3, 0)}};

std::tuple<at::Tensor, at::Tensor, at::Tensor> Inputs(const PackedCase& c, at::ScalarType dtype) {
  std::int64_t rows = 0;
  for (const Segment& s : c.segments) rows = std::max(rows, s.own.begin + s.own.length);
  return {RandomTensor({rows, c.heads, c.dim}, 1).to(dtype),
          RandomTensor({rows, c.kv_heads, c.dim}, 2).to(dtype),
          RandomTensor({rows, c.kv_heads, c.dim}, 3).to(dtype)};
}

TEST(PackedAttentionTest, AsReference) {
  for (const PackedCase& c : kPackedCases) {
    SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.dim));
    const auto [q, k, v] = Inputs(c, at::kFloat);
    const at::Tensor expected = PackedAttentionReference(q.to(at::kDouble), k.to(at::kDouble),
                                                         v.to(at::kDouble), c.segments, c.options)
                                    .to(at::kFloat);
    EXPECT_TRUE(TensorNear(PackedAttention(q, k, v, c.segments, c.options), expected, 2e-6, 1e-5));
  }
}

TEST(PackedAttentionTest, SixteenBitsAreMixedInFloat32) {
  for (const PackedCase& c : kPackedCases) {
    SCOPED_TRACE(std::to_string(c.heads) + " heads of " + std::to_string(c.dim));
    for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
      const auto [q, k, v] = Inputs(c, dtype);
      const at::Tensor expected = PackedAttentionReference(
          q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble), c.segments, c.options);
      const at::Tensor mixed = PackedAttention(q, k, v, c.segments, c.options);
      EXPECT_EQ(mixed.scalar_type(), dtype);
      const double half_unit = dtype == at::kHalf ? 1.0 / 2048 : 1.0 / 256;
      EXPECT_TRUE(TensorNear(mixed.to(at::kFloat), expected.to(at::kFloat), 3e-6,
                             1.01 * half_unit));  // rounded once
    }
  }
}

TEST(PackedAttentionTest, ReferenceByHand) {
  // One head of one dimension; both keys 0, so that the second row is the mean of its values.
  const at::Tensor zero = at::zeros({3, 1, 1});
  const at::Tensor v = at::tensor({1.0F, 4.0F, 10.0F}).view({3, 1, 1});
  const at::Tensor branch =
      PackedAttentionReference(zero, zero, v, {{{0, 1}, {}}, {{2, 1}, {{0, 1}}}}, {});
  EXPECT_TRUE(TensorNear(branch.flatten(), at::tensor({1.0F, 0.0F, 5.5F}), 0, 0));
  const at::Tensor window = PackedAttentionReference(zero, zero, v, {{{0, 3}, {}}}, {1, 2});
  EXPECT_TRUE(TensorNear(window.flatten(), at::tensor({1.0F, 2.5F, 7.0F}), 0, 0));
}

TEST(PackedAttentionTest, SegmentsAreCutWhereChunksEnd) {
  // Positions 0 to 9 of a text: a prefix of rows 20 to 24 and 7, then rows 30 to 33.
  const std::vector<Segment> whole = {{{30, 4}, {{20, 5}, {7, 1}}}};
  using Segments = std::vector<std::pair<RowRange, std::vector<RowRange>>>;
  const auto cut = [&](std::int64_t chunk) {
    Segments pieces;
    for (const Segment& s : InChunks(whole, chunk)) pieces.emplace_back(s.own, s.prefix);
    return pieces;
  };
  EXPECT_EQ(cut(10), (Segments{{{30, 4}, {{20, 5}, {7, 1}}}}));
  EXPECT_EQ(cut(8), (Segments{{{30, 2}, {{20, 5}, {7, 1}}}, {{32, 2}, {}}}));
  EXPECT_EQ(cut(4), (Segments{{{30, 2}, {{24, 1}, {7, 1}}}, {{32, 2}, {}}}));
  EXPECT_EQ(cut(3), (Segments{{{30, 3}, {}}, {{33, 1}, {}}}));
}

TEST(PackedAttentionTest, ASinkIsAKeyOfNoValue) {
  // The sink's score is log 2: beside one key of score 0 it has two thirds of the weight, beside
  // two a half.
  AttentionOptions sink{1, 0};
  sink.sinks = {std::log(2.0F)};
  const at::Tensor zero = at::zeros({2, 1, 1});
  const at::Tensor v = at::tensor({3.0F, 9.0F}).view({2, 1, 1});
  for (const auto& attend : {PackedAttention, PackedAttentionReference}) {
    const at::Tensor mixed = attend(zero, zero, v, {{{0, 2}, {}}}, sink);
    EXPECT_TRUE(TensorNear(mixed.flatten(), at::tensor({1.0F, 3.0F}), 1e-6, 0));
  }
}

TEST(PackedAttentionTest, NeighboursDoNotMatter) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor q = RandomTensor({115, 4, 32}, 1).to(dtype);
    const at::Tensor k = RandomTensor({115, 2, 32}, 2).to(dtype);
    const at::Tensor v = RandomTensor({115, 2, 32}, 3).to(dtype);
    const at::Tensor together = PackedAttention(q, k, v, kShared, {0.2, 0});
    const at::Tensor alone = PackedAttention(q, k, v, {{{80, 30}, kContext}}, {0.2, 0});
    EXPECT_TRUE(at::equal(together.narrow(0, 80, 30), alone.narrow(0, 80, 30)));
    EXPECT_TRUE(at::equal(alone.narrow(0, 0, 80), at::zeros({80, 4, 32}, dtype)));
  }
}

TEST(PackedAttentionTest, ShapesMustFit) {
  const at::Tensor q = at::zeros({4, 3, 16});
  EXPECT_THROW(PackedAttention(q, at::zeros({4, 2, 16}), at::zeros({4, 2, 16}), {}, {}),
               std::logic_error);
  EXPECT_THROW(PackedAttention(q, q, q, {{{2, 3}, {}}}, {}), std::logic_error);
}

}  // namespace
}  // namespace roundlab
