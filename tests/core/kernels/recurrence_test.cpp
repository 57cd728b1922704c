#include "core/kernels/recurrence.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

/// Two key heads of 6, four value heads of 5.
Recurrence RandomRule(std::int64_t batch, std::int64_t seq, double fading = 0.3) {
  return {RandomTensor({batch, seq, 2, 6}, 1), RandomTensor({batch, seq, 2, 6}, 2),
          RandomTensor({batch, seq, 4, 5}, 3), RandomTensor({batch, seq, 4}, 4).abs() * -fading,
          RandomTensor({batch, seq, 4}, 5).sigmoid()};
}

Recurrence Rows(const Recurrence& rule, const at::Tensor& rows) {
  const auto of = [&](const at::Tensor& t) { return t.index_select(1, rows); };
  return {of(rule.q), of(rule.k), of(rule.v), of(rule.decay), of(rule.updates)};
}

TEST(DeltaRuleTest, ChunksAreTokenAfterToken) {
  for (const std::int64_t seq : {1, 5, 64, 65, 150}) {
    for (const double fading : {0.0, 0.3, 20.0}) {
      const Recurrence rule = RandomRule(2, seq, fading);
      const at::Tensor y = GatedDeltaRule(rule, nullptr);
      EXPECT_EQ(y.sizes(), rule.v.sizes());
      EXPECT_TRUE(TensorNear(y, GatedDeltaRuleReference(rule), 1e-4, 2e-5)) << seq << " " << fading;
    }
  }
}

TEST(DeltaRuleTest, WhatIsUpdatedWhollyIsReadBack) {
  Recurrence rule = RandomRule(1, 3, 0);
  rule.q = rule.k;
  rule.updates = at::ones_like(rule.updates);
  // The newest value of a key, over the root of its width.
  const at::Tensor y = GatedDeltaRule(rule, nullptr);
  EXPECT_TRUE(TensorNear(y, rule.v / std::sqrt(6.0), 1e-5, 1e-5));
}

void ExpectGradientsOfTheReference(const Recurrence& rule) {
  const auto gradients = [&](const auto& function) {
    std::vector<at::Tensor> leaves = {rule.q, rule.k, rule.v, rule.decay, rule.updates};
    for (at::Tensor& leaf : leaves) leaf = leaf.detach().clone().requires_grad_(true);
    const at::Tensor y =
        function(Recurrence{leaves[0], leaves[1], leaves[2], leaves[3], leaves[4]});
    return torch::autograd::grad({(y * RandomTensor(y.sizes().vec(), 9)).sum()}, leaves);
  };
  const auto chunks = gradients([](const Recurrence& r) { return GatedDeltaRule(r, nullptr); });
  const auto tokens = gradients([](const Recurrence& r) { return GatedDeltaRuleReference(r); });
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_TRUE(TensorNear(chunks[i], tokens[i], 1e-3, 1e-4)) << i;
  }
}

TEST(DeltaRuleTest, GradientsAreThoseOfTheReference) {
  ExpectGradientsOfTheReference(RandomRule(1, 70));
}

/// The same where each row of a state fades by itself.
Recurrence ByRows(Recurrence rule, double fading) {
  std::vector<std::int64_t> sizes = rule.decay.sizes().vec();
  sizes.push_back(rule.k.size(3));
  rule.decay = RandomTensor(sizes, 14).abs() * -fading;
  return rule;
}

TEST(DeltaRuleTest, RowsMayFadeByThemselves) {
  for (const std::int64_t seq : {1, 16, 17, 70}) {
    for (const double fading : {0.0, 0.3, 20.0}) {
      const Recurrence rule = ByRows(RandomRule(2, seq), fading);
      EXPECT_TRUE(
          TensorNear(GatedDeltaRule(rule, nullptr), GatedDeltaRuleReference(rule), 1e-4, 2e-5))
          << seq << " " << fading;
    }
  }
  // All by the same is what a head's one number says.
  Recurrence alike = RandomRule(1, 70);
  const at::Tensor one = GatedDeltaRule(alike, nullptr);
  alike.decay = alike.decay.unsqueeze(-1).expand({-1, -1, -1, 6});
  EXPECT_TRUE(TensorNear(GatedDeltaRule(alike, nullptr), one, 1e-4, 1e-5));
}

TEST(DeltaRuleTest, GradientsOfRowsThatFadeAreThoseOfTheReference) {
  ExpectGradientsOfTheReference(ByRows(RandomRule(1, 40), 0.3));
}

TEST(DeltaRuleTest, PackedTextsWhoseRowsFadeGoOnFromWhatTheyShare) {
  const Recurrence rule = ByRows(RandomRule(1, 27), 0.3);
  const std::vector<Segment> segments = {{{20, 3}, {{0, 20}}}, {{0, 20}, {}}, {{23, 4}, {}}};
  const at::Tensor packed = GatedDeltaRule(rule, &segments);
  const at::Tensor all = at::arange(27, at::kLong);
  const at::Tensor first = GatedDeltaRule(Rows(rule, all.narrow(0, 0, 23)), nullptr);
  EXPECT_TRUE(TensorNear(packed.narrow(1, 0, 23), first, 1e-4, 1e-5));
  const at::Tensor second = GatedDeltaRule(Rows(rule, all.narrow(0, 23, 4)), nullptr);
  EXPECT_TRUE(TensorNear(packed.narrow(1, 23, 4), second, 1e-5, 1e-6));
}

TEST(DeltaRuleTest, PackedTextsGoOnFromWhatTheyShare) {
  // Texts of 70 + 3 and 70 + 2 rows, and one of 4; what they share ends in a chunk's middle.
  const Recurrence rule = RandomRule(1, 79);
  const std::vector<Segment> segments = {
      {{70, 3}, {{0, 70}}}, {{0, 70}, {}}, {{73, 2}, {{0, 70}}}, {{75, 4}, {}}};
  const at::Tensor packed = GatedDeltaRule(rule, &segments);
  const at::Tensor all = at::arange(79, at::kLong);
  const auto alone = [&](const at::Tensor& rows) {
    return GatedDeltaRule(Rows(rule, rows), nullptr);
  };
  const at::Tensor first = alone(all.narrow(0, 0, 73));
  EXPECT_TRUE(TensorNear(packed.narrow(1, 0, 73), first, 1e-4, 1e-5));
  const at::Tensor second = alone(at::cat({all.narrow(0, 0, 70), all.narrow(0, 73, 2)}));
  EXPECT_TRUE(TensorNear(packed.narrow(1, 73, 2), second.narrow(1, 70, 2), 1e-4, 1e-5));
  const at::Tensor third = alone(all.narrow(0, 75, 4));
  EXPECT_TRUE(TensorNear(packed.narrow(1, 75, 4), third, 1e-5, 1e-6));
}

TEST(StateSpaceTest, ChunksAreTokenAfterToken) {
  for (const std::int64_t seq : {1, 64, 150}) {
    for (const double fading : {0.0, 0.3, 20.0}) {
      const Recurrence rule = RandomRule(2, seq, fading);
      const at::Tensor y = StateSpace(rule, nullptr);
      EXPECT_TRUE(TensorNear(y, StateSpaceReference(rule), 1e-3, 2e-5)) << seq << " " << fading;
    }
  }
}

TEST(StateSpaceTest, WithoutFadingIsASumOverAllTokensBefore) {
  Recurrence rule = RandomRule(1, 70, 0);
  rule.updates = at::ones_like(rule.updates);
  const auto heads = [](const at::Tensor& t) { return t.squeeze(0).transpose(0, 1); };
  const at::Tensor k = heads(rule.k).repeat_interleave(2, 0);
  const at::Tensor q = heads(rule.q).repeat_interleave(2, 0);
  const at::Tensor wanted = q.matmul(k.transpose(1, 2)).tril().matmul(heads(rule.v));
  EXPECT_TRUE(TensorNear(heads(StateSpace(rule, nullptr)), wanted, 1e-3, 1e-5));
}

TEST(StateSpaceTest, PackedTextsGoOnFromWhatTheyShare) {
  const Recurrence rule = RandomRule(1, 75);
  const std::vector<Segment> segments = {{{70, 3}, {{0, 70}}}, {{0, 70}, {}}, {{73, 2}, {}}};
  const at::Tensor packed = StateSpace(rule, &segments);
  const at::Tensor all = at::arange(75, at::kLong);
  const at::Tensor first = StateSpace(Rows(rule, all.narrow(0, 0, 73)), nullptr);
  EXPECT_TRUE(TensorNear(packed.narrow(1, 0, 73), first, 1e-4, 1e-5));
  const at::Tensor second = StateSpace(Rows(rule, all.narrow(0, 73, 2)), nullptr);
  EXPECT_TRUE(TensorNear(packed.narrow(1, 73, 2), second, 1e-5, 1e-6));
}

TEST(DeltaRuleTest, ValueHeadsReadTheKeyHeadOfTheirGroup) {
  const Recurrence rule = RandomRule(1, 8);
  const Recurrence apart = {rule.q.repeat_interleave(2, 2), rule.k.repeat_interleave(2, 2), rule.v,
                            rule.decay, rule.updates};
  EXPECT_TRUE(TensorNear(GatedDeltaRule(rule, nullptr), GatedDeltaRule(apart, nullptr), 0, 0));
}

}  // namespace
}  // namespace roundlab
