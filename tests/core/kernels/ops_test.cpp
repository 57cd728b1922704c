#include "core/kernels/ops.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/kernels/reference.h"
#include "tests/core/kernels/group_rows.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GroupRows;
using testing::MakeRows;
using testing::RandomTensor;
using testing::TensorNear;

using Tensors = std::vector<at::Tensor>;
using Op = std::function<at::Tensor(const Tensors&)>;

/// [value, gradient of each input in `trained`] under the loss sum(op(inputs) * weights).
Tensors Evaluate(const Op& op, const Tensors& inputs, const std::vector<std::size_t>& trained,
                 at::ScalarType dtype = at::kFloat) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) {
    leaves.push_back(input.defined() ? input.detach().to(dtype).clone() : input);
  }
  for (const std::size_t i : trained) leaves[i].requires_grad_(true);
  const at::Tensor y = op(leaves);
  (y * RandomTensor(y.sizes(), 99).to(dtype)).sum().backward();
  Tensors results = {y.detach()};
  for (const std::size_t i : trained) results.push_back(leaves[i].grad());
  return results;
}

struct Tolerance {
  double absolute;
  double relative;
};

/// Value and gradients of the fused op in float32 against the reference in float64, and the same
/// bits on one thread and on two.
void ExpectAsReference(const Op& fused, const Op& reference, const Tensors& inputs,
                       const std::vector<std::size_t>& trained, Tolerance tolerance) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = Evaluate(fused, inputs, trained);
  at::set_num_threads(2);
  const Tensors two = Evaluate(fused, inputs, trained);
  at::set_num_threads(threads);
  const Tensors exact = Evaluate(reference, inputs, trained, at::kDouble);
  for (std::size_t i = 0; i < one.size(); ++i) {
    SCOPED_TRACE(i == 0 ? "value" : "gradient " + std::to_string(i));
    EXPECT_TRUE(
        TensorNear(one[i].to(at::kDouble), exact[i], tolerance.absolute, tolerance.relative));
    EXPECT_TRUE(TensorNear(one[i], two[i], 0, 0));
  }
}

TEST(RmsNormTest, AsReference) {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {1, 1}, {3, 31}, {5, 32}, {2, 3, 33}, {7, 128}, {300, 576}}) {
    SCOPED_TRACE(at::IntArrayRef(shape));
    const at::Tensor weight = RandomTensor({shape.back()}, 2);
    const auto fused = [](const Tensors& in) { return RmsNorm(in[0], in[1], 1e-5); };
    const auto plain = [](const Tensors& in) { return reference::RmsNorm(in[0], in[1], 1e-5); };
    ExpectAsReference(fused, plain, {RandomTensor(shape, 1, 3), weight}, {0}, {5e-6, 2e-6});
  }
}

// A weight's gradient is a sum over all rows: its error grows with the root of their number.
TEST(RmsNormTest, WeightsGradientAsReference) {
  const auto fused = [](const Tensors& in) { return RmsNorm(in[0], in[1], 1e-5); };
  const auto plain = [](const Tensors& in) { return reference::RmsNorm(in[0], in[1], 1e-5); };
  for (const std::int64_t rows : {1, 63, 64, 65, 1000}) {
    SCOPED_TRACE(rows);
    ExpectAsReference(fused, plain, {RandomTensor({rows, 40}, 1, 3), RandomTensor({40}, 2)}, {1},
                      {3e-5, 3e-6});
  }
}

TEST(RmsNormTest, EpsKeepsARowOfZerosAtZero) {
  const at::Tensor y = RmsNorm(at::zeros({2, 40}), at::ones({40}), 1e-6);
  EXPECT_TRUE(TensorNear(y, at::zeros({2, 40}), 0, 0));
}

TEST(RmsNormTest, MassiveActivationsAsReference) {
  at::Tensor x = RandomTensor({4, 128}, 1);
  x.select(1, 7).fill_(600);  // as in the models' hidden states
  const auto fused = [](const Tensors& in) { return RmsNorm(in[0], in[1], 1e-6); };
  const auto plain = [](const Tensors& in) { return reference::RmsNorm(in[0], in[1], 1e-6); };
  ExpectAsReference(fused, plain, {x, RandomTensor({128}, 2)}, {0}, {2e-6, 2e-6});
}

TEST(ApplyRopeTest, AsReference) {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {1, 1, 1, 2}, {2, 5, 3, 16}, {1, 7, 1, 6}, {3, 33, 9, 64}}) {
    SCOPED_TRACE(at::IntArrayRef(shape));
    const at::Tensor angles = RandomTensor({shape[1], shape[3] / 2}, 3, 4);
    const at::Tensor cosine = angles.cos();
    const at::Tensor sine = angles.sin();
    const auto fused = [&](const Tensors& in) { return ApplyRope(in[0], cosine, sine); };
    const auto plain = [&](const Tensors& in) {
      return reference::ApplyRope(in[0], cosine.to(in[0].dtype()), sine.to(in[0].dtype()));
    };
    ExpectAsReference(fused, plain, {RandomTensor(shape, 1)}, {0}, {1e-6, 0});
  }
}

TEST(ApplyRopeTest, TurnsAPairByItsAngle) {
  const at::Tensor angle = at::tensor({0.0F, 0.5F}).view({2, 1});
  const at::Tensor x = at::tensor({1.0F, 0.0F, 1.0F, 0.0F}).view({1, 2, 1, 2});
  const at::Tensor y = ApplyRope(x, angle.cos(), angle.sin());
  const at::Tensor expected =
      at::tensor({1.0F, 0.0F, std::cos(0.5F), std::sin(0.5F)}).view({1, 2, 1, 2});
  EXPECT_TRUE(TensorNear(y, expected, 1e-7, 0));
}

TEST(SwiGluTest, AsReference) {
  const auto fused = [](const Tensors& in) { return SwiGlu(in[0], in[1]); };
  const auto plain = [](const Tensors& in) { return reference::SwiGlu(in[0], in[1]); };
  for (const std::int64_t count : {1, 7, 33, 1000, 100'003}) {
    SCOPED_TRACE(count);
    ExpectAsReference(fused, plain, {RandomTensor({count}, 1, 4), RandomTensor({count}, 2)}, {0, 1},
                      {2e-6, 2e-6});
  }
  const at::Tensor far = at::tensor({-200.0F, -90.0F, 90.0F, 200.0F});
  ExpectAsReference(fused, plain, {far, at::ones({4})}, {0, 1}, {1e-6, 1e-6});
}

const std::vector<std::pair<std::int64_t, std::int64_t>> kGroupShapes = {
    {1, 1}, {3, 15}, {5, 16}, {7, 17}, {4, 33}, {64, 128}, {1, 20'001}, {300, 131}};

TEST(FakeQuantTest, ValueHasTheReferencesBits) {
  for (const auto& [groups, width] : kGroupShapes) {
    for (const double code_max : {3.0, 15.0, 255.0}) {
      SCOPED_TRACE(std::to_string(groups) + " x " + std::to_string(width));
      const GroupRows r = MakeRows(groups, width);
      for (const at::Tensor& offset : {r.offset, at::Tensor()}) {
        EXPECT_TRUE(TensorNear(FakeQuant(r.weight, offset, r.scale, r.zero, code_max),
                               reference::FakeQuant(r.weight, offset, r.scale, r.zero, code_max), 0,
                               0));
      }
    }
  }
}

TEST(FakeQuantTest, TiesRoundToEven) {
  const at::Tensor weight = at::tensor({-2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F, 3.5F}).view({1, 7});
  const at::Tensor expected = at::tensor({-2.0F, -2.0F, 0.0F, 0.0F, 2.0F, 2.0F, 4.0F}).view({1, 7});
  EXPECT_TRUE(
      TensorNear(FakeQuant(weight, {}, at::ones({1}), at::full({1}, 8.0), 15), expected, 0, 0));
}

TEST(FakeQuantTest, WeightsFarOutsideTheGridAreClamped) {
  const at::Tensor weight =
      at::tensor({-1e30F, -4194305.0F, -4194303.5F, 4194303.5F, 4194305.0F, 1e30F}).view({1, 6});
  const at::Tensor expected = at::tensor({-8.0F, -8.0F, -8.0F, 7.0F, 7.0F, 7.0F}).view({1, 6});
  EXPECT_TRUE(
      TensorNear(FakeQuant(weight, {}, at::ones({1}), at::full({1}, 8.0), 15), expected, 0, 0));
}

TEST(FakeQuantTest, GradientsAsReference) {
  for (const auto& [groups, width] : kGroupShapes) {
    SCOPED_TRACE(std::to_string(groups) + " x " + std::to_string(width));
    const GroupRows r = MakeRows(groups, width);
    // Codes must not depend on the precision, so the reference runs in float32 here: its sums over
    // `width` terms of about 10 differ by their order.
    const auto fused = [](const Tensors& in) { return FakeQuant(in[0], in[1], in[2], in[3], 15); };
    const auto plain = [](const Tensors& in) {
      return reference::FakeQuant(in[0], in[1], in[2], in[3], 15);
    };
    const double sum = 1e-5 * std::sqrt(static_cast<double>(width));
    const Tensors a = Evaluate(fused, r.Inputs(), {1, 2, 3});
    const Tensors e = Evaluate(plain, r.Inputs(), {1, 2, 3});
    EXPECT_TRUE(TensorNear(a[1], e[1], 0, 0)) << "offset";
    EXPECT_TRUE(TensorNear(a[2], e[2], sum, 1e-5)) << "scale";
    EXPECT_TRUE(TensorNear(a[3], e[3], sum, 1e-5)) << "zero";
    const Tensors without = Evaluate(fused, {r.weight, {}, r.scale, r.zero}, {2, 3});
    const Tensors expected = Evaluate(plain, {r.weight, {}, r.scale, r.zero}, {2, 3});
    EXPECT_TRUE(TensorNear(without[1], expected[1], sum, 1e-5)) << "scale, no offset";
    EXPECT_TRUE(TensorNear(without[2], expected[2], sum, 1e-5)) << "zero, no offset";
  }
}

TEST(FakeQuantTest, ThreadsGiveTheSameBits) {
  const GroupRows r = MakeRows(300, 131);
  const auto fused = [](const Tensors& in) { return FakeQuant(in[0], in[1], in[2], in[3], 15); };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = Evaluate(fused, r.Inputs(), {1, 2, 3});
  at::set_num_threads(2);
  const Tensors two = Evaluate(fused, r.Inputs(), {1, 2, 3});
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(TensorNear(one[i], two[i], 0, 0));
}

/// The straight-through surrogate at a point: where the code is c, round(w/s + v) is replaced by
/// w/s + v + (c - z - w/s0 - v0), smooth in v, s and z. Its slope is the gradient that STE claims.
at::Tensor Surrogate(const Tensors& in, const at::Tensor& shift, double code_max) {
  const at::Tensor s = in[2].unsqueeze(1);
  const at::Tensor z = in[3].unsqueeze(1);
  return s * ((in[0] / s + in[1] + shift + z).clamp(0, code_max) - z);
}

TEST(FakeQuantTest, ReferenceGradientsAreTheSurrogatesFiniteDifferences) {
  const GroupRows r = MakeRows(5, 17);
  Tensors at_point;
  for (const at::Tensor& t : r.Inputs()) at_point.push_back(t.to(at::kDouble));
  // A code at an end of the grid is at a kink of clamp: it is moved off by a little either way.
  at_point[3] += 1e-3;
  const at::Tensor position = at_point[0] / at_point[2].unsqueeze(1) + at_point[1];
  const at::Tensor shift = position.round() - position;
  const auto plain = [](const Tensors& in) {
    return reference::FakeQuant(in[0], in[1], in[2], in[3], 15);
  };
  const Tensors claimed = Evaluate(plain, at_point, {1, 2, 3}, at::kDouble);
  const at::Tensor weights = RandomTensor({5, 17}, 99).to(at::kDouble);
  constexpr double kStep = 1e-6;
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    at::Tensor difference = at::empty_like(at_point[i]);
    for (std::int64_t k = 0; k < difference.numel(); ++k) {
      double sums[2];
      for (const int side : {0, 1}) {
        Tensors moved = at_point;
        moved[i] = at_point[i].clone();
        moved[i].view(-1)[k] += side == 0 ? -kStep : kStep;
        sums[side] = (Surrogate(moved, shift, 15) * weights).sum().item<double>();
      }
      difference.view(-1)[k] = (sums[1] - sums[0]) / (2 * kStep);
    }
    EXPECT_TRUE(TensorNear(claimed[i], difference, 1e-7, 1e-7)) << "input " << i;
  }
}

TEST(AdaRoundWeightTest, AsReference) {
  const auto fused = [](const Tensors& in) {
    return AdaRoundWeight(in[0], in[1], in[2], in[3], 15);
  };
  const auto plain = [](const Tensors& in) {
    return reference::AdaRoundWeight(in[0], in[1], in[2], in[3], 15);
  };
  for (const auto& [groups, width] : kGroupShapes) {
    SCOPED_TRACE(std::to_string(groups) + " x " + std::to_string(width));
    GroupRows r = MakeRows(groups, width);
    r.weight = (r.weight / r.scale.unsqueeze(1)).floor();
    r.offset = RandomTensor({groups, width}, 2, 2);
    ExpectAsReference(fused, plain, r.Inputs(), {1}, {5e-6, 2e-6});
  }
}

TEST(AdaRoundWeightTest, SaturatedLogitsAreWholeCodesWithoutGradient) {
  const Tensors inputs = {at::tensor({2.0F, 2.0F}).view({1, 2}),
                          at::tensor({-10.0F, 10.0F}).view({1, 2}), at::full({1}, 0.5F),
                          at::full({1}, 3.0F)};
  const Tensors results =
      Evaluate([](const Tensors& in) { return AdaRoundWeight(in[0], in[1], in[2], in[3], 15); },
               inputs, {1});
  EXPECT_TRUE(TensorNear(results[0], at::tensor({1.0F, 1.5F}).view({1, 2}), 0, 0));
  EXPECT_TRUE(TensorNear(results[1], at::zeros({1, 2}), 0, 0));
}

TEST(AdaRoundRegularizerTest, AsReference) {
  for (const double beta : {2.0, 11.0, 20.0}) {
    for (const std::int64_t count : {1, 33, 50'000}) {
      SCOPED_TRACE(std::to_string(beta) + " " + std::to_string(count));
      const auto fused = [&](const Tensors& in) { return AdaRoundRegularizer(in[0], beta, 0.01); };
      const auto plain = [&](const Tensors& in) {
        return reference::AdaRoundRegularizer(in[0], beta, 0.01);
      };
      // d/dv multiplies an eps of 2h - 1 by beta.
      ExpectAsReference(fused, plain, {RandomTensor({count}, 1, 2)}, {0}, {2e-6, 1e-5});
    }
  }
}

TEST(AdaRoundRegularizerTest, ByHand) {
  // h(0) = 0.5: penalty 1 each and no slope; saturated: 0.
  const Tensors middle = Evaluate(
      [](const Tensors& in) { return AdaRoundRegularizer(in[0], 2, 0.5); }, {at::zeros({3})}, {0});
  EXPECT_EQ(middle[0].item<double>(), 1.5);
  EXPECT_TRUE(TensorNear(middle[1], at::zeros({3}), 0, 0));
  EXPECT_EQ(AdaRoundRegularizer(at::tensor({-20.0F, 20.0F}), 20, 1).item<double>(), 0);
}

TEST(OpsTest, OtherDtypesTakeTheReferencesPath) {
  const at::Tensor x = RandomTensor({3, 8}, 1).to(at::kHalf);
  const at::Tensor weight = RandomTensor({8}, 2);
  EXPECT_TRUE(TensorNear(RmsNorm(x, weight, 1e-5), reference::RmsNorm(x, weight, 1e-5), 0, 0));
  EXPECT_TRUE(TensorNear(SwiGlu(x, x), reference::SwiGlu(x, x), 0, 0));
  EXPECT_EQ(RmsNorm(x, weight, 1e-5).scalar_type(), at::kHalf);
}

/// Values and gradients of bfloat16 are the reference's, but that one in a hundred may be rounded
/// to its neighbour.
void ExpectSameRounding(const Op& fused, const Op& plain, const Tensors& inputs,
                        const std::vector<std::size_t>& trained) {
  const Tensors a = Evaluate(fused, inputs, trained, at::kBFloat16);
  const Tensors e = Evaluate(plain, inputs, trained, at::kBFloat16);
  for (std::size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i == 0 ? "value" : "gradient " + std::to_string(i));
    EXPECT_EQ(a[i].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(TensorNear(a[i].to(at::kFloat), e[i].to(at::kFloat), 1e-5, 1.0 / 128));
    EXPECT_LE((a[i] != e[i]).sum().item<std::int64_t>(), a[i].numel() / 100);
  }
}

TEST(OpsTest, Bfloat16IsRoundedAsTheReferences) {
  const at::Tensor weight = RandomTensor({577}, 2);
  ExpectSameRounding([&](const Tensors& in) { return RmsNorm(in[0], weight, 1e-5); },
                     [&](const Tensors& in) { return reference::RmsNorm(in[0], weight, 1e-5); },
                     {RandomTensor({3, 20, 577}, 1, 3)}, {0});
  ExpectSameRounding([](const Tensors& in) { return SwiGlu(in[0], in[1]); },
                     [](const Tensors& in) { return reference::SwiGlu(in[0], in[1]); },
                     {RandomTensor({40'001}, 1, 4), RandomTensor({40'001}, 2)}, {0, 1});
  // Rotary positions round once, the reference each product.
  const at::Tensor angles = RandomTensor({33, 32}, 3, 4);
  ExpectSameRounding(
      [&](const Tensors& in) { return ApplyRope(in[0], angles.cos(), angles.sin()); },
      [&](const Tensors& in) {
        const at::Tensor wide = in[0].to(at::kFloat);
        return reference::ApplyRope(wide, angles.cos(), angles.sin()).to(at::kBFloat16);
      },
      {RandomTensor({3, 33, 9, 64}, 1)}, {0});
}

TEST(OpsTest, ANormsOwnWeightIsTrainedInBfloat16Too) {
  const Tensors inputs = {RandomTensor({5, 40}, 1), RandomTensor({40}, 2)};
  const Tensors a = Evaluate([](const Tensors& in) { return RmsNorm(in[0], in[1], 1e-5); }, inputs,
                             {0, 1}, at::kBFloat16);
  const Tensors e =
      Evaluate([](const Tensors& in) { return reference::RmsNorm(in[0], in[1], 1e-5); }, inputs,
               {0, 1}, at::kBFloat16);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], e[i])) << i;
}

TEST(OpsTest, AnyLayoutGivesTheSameBits) {
  const at::Tensor x = RandomTensor({6, 8}, 1);
  const at::Tensor turned = x.t().contiguous().t();
  const at::Tensor weight = RandomTensor({16}, 2).slice(0, 0, 16, 2);
  EXPECT_TRUE(
      TensorNear(RmsNorm(turned, weight, 1e-5), RmsNorm(x, weight.contiguous(), 1e-5), 0, 0));
  EXPECT_TRUE(TensorNear(SwiGlu(turned, x), SwiGlu(x, x), 0, 0));
  const at::Tensor rope = RandomTensor({1, 2, 4, 6}, 3);
  const at::Tensor angles = RandomTensor({4, 3}, 4);
  EXPECT_TRUE(TensorNear(ApplyRope(rope.transpose(1, 2), angles.narrow(0, 0, 4), angles),
                         ApplyRope(rope.transpose(1, 2).contiguous(), angles, angles), 0, 0));
  const GroupRows r = MakeRows(4, 6);
  EXPECT_TRUE(TensorNear(FakeQuant(r.weight, r.offset.t().contiguous().t(), r.scale, r.zero, 15),
                         FakeQuant(r.weight, r.offset, r.scale, r.zero, 15), 0, 0));
}

TEST(OpsTest, ShapesMustFit) {
  const GroupRows r = MakeRows(4, 6);
  EXPECT_THROW(RmsNorm(r.weight, at::ones({5}), 1e-5), std::logic_error);
  EXPECT_THROW(SwiGlu(r.weight, r.weight.t()), std::logic_error);
  EXPECT_THROW(ApplyRope(r.weight, r.weight, r.weight), std::logic_error);
  EXPECT_THROW(FakeQuant(r.weight, {}, at::ones({3}), r.zero, 15), std::logic_error);
  EXPECT_THROW(FakeQuant(r.weight, r.offset.narrow(0, 0, 3), r.scale, r.zero, 15),
               std::logic_error);
  EXPECT_THROW(FakeQuant(r.weight.t(), {}, at::ones({6}), at::ones({6}), 15), std::logic_error);
  EXPECT_THROW(AdaRoundWeight(r.weight, r.offset.t(), r.scale, r.zero, 15), std::logic_error);
}

}  // namespace
}  // namespace roundlab
