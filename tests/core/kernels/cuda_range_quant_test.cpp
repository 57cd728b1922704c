#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "tests/core/kernels/cuda_fused_fixture.h"
#include "tests/support/tensor_matchers.h"

// Fake quantization whose grids are made from ranges, and its steps.

namespace roundlab {
namespace {

using testing::CudaFusedTest;
using testing::Eps;
using testing::kDtypes;
using testing::kWarpShapes;
using testing::RandomTensor;
using testing::TensorNear;
using testing::Tensors;

// The grids of 4 bits: asym, sym, sym_full, sym_restricted.
const std::vector<SymmetricGrid> kGrids = {{}, {8, 2, 15}, {8, 1, 8, true}, {8, 1, 7}};

RangeQuant MakeRange(std::int64_t groups, std::int64_t width, at::ScalarType scale_dtype,
                     const SymmetricGrid& grid) {
  RangeQuant q;
  q.symmetric = grid;
  q.weight = RandomTensor({groups, width}, 1);
  q.offset = RandomTensor({groups, width}, 2, 0.3);
  q.low = q.weight.amin(1).clamp_max(0);
  q.high = q.weight.amax(1).clamp_min(0.01);
  q.low_factor = 1 - RandomTensor({groups}, 5).abs().clamp_max(0.9);
  q.high_factor = 1 - RandomTensor({groups}, 6).abs().clamp_max(0.9);
  q.low_factor[0] = 0;  // a grid at the least scale
  q.high_factor[0] = 0;
  q.low[groups - 1] = -1;  // two ends that are as far from 0
  q.high[groups - 1] = 1;
  q.low_factor[groups - 1] = q.high_factor[groups - 1] = groups > 1 ? 0.5 : 0;
  q.scale_dtype = scale_dtype;
  return q;
}

std::string Named(std::int64_t groups, std::int64_t width, const SymmetricGrid& grid) {
  return std::to_string(groups) + " x " + std::to_string(width) + ", scale of " +
         std::to_string(grid.times / grid.divisor) + (grid.signs ? ", signs" : "");
}

at::Tensor FromReference(const RangeQuant& r) {
  const at::Tensor low = r.low * r.low_factor;
  const at::Tensor high = r.high * r.high_factor;
  const auto grid = reference::RangeGrid(low, high, r.code_max, r.scale_dtype, r.symmetric);
  return reference::FakeQuant(r.weight, r.offset, grid.scale.to(at::kFloat), grid.zero, r.code_max);
}

TEST_P(CudaFusedTest, RangeFakeQuantHasTheReferencesBits) {
  for (const auto& [groups, width] : kWarpShapes) {
    for (const SymmetricGrid& grid : kGrids) {
      SCOPED_TRACE(Named(groups, width, grid));
      for (const at::ScalarType scale_dtype : kDtypes) {
        RangeQuant q = MakeRange(groups, width, scale_dtype, grid);
        for (const bool factors : {true, false}) {
          if (!factors) q.low_factor = q.high_factor = at::Tensor();
          const at::Tensor expected = RangeFakeQuant(q, at::kBFloat16);
          const at::Tensor made = cuda::RangeFakeQuant(Kernels(), PutRange(q), at::kBFloat16, {});
          EXPECT_TRUE(TensorNear(made.cpu(), expected, 0, 0));
        }
      }
    }
  }
}

TEST_P(CudaFusedTest, RangeFakeQuantsGradientsAsReference) {
  for (const auto& [groups, width] : kWarpShapes) {
    for (const SymmetricGrid& grid : kGrids) {
      for (const at::ScalarType scale_dtype : kDtypes) {
        SCOPED_TRACE(Named(groups, width, grid) + " " + c10::toString(scale_dtype));
        const RangeQuant q = MakeRange(groups, width, scale_dtype, grid);
        const auto with = [&](const Tensors& in) {
          return RangeQuant{in[0], in[1], in[2], in[3], in[4], in[5], 15, scale_dtype, grid};
        };
        const Tensors inputs = {q.weight, q.offset, q.low, q.high, q.low_factor, q.high_factor};
        const Tensors a = Evaluate(
            [&](const Tensors& in) {
              return cuda::RangeFakeQuant(Kernels(), with(in), at::kBFloat16, {});
            },
            inputs, {1, 4, 5});
        const Tensors e =
            Evaluate([&](const Tensors& in) { return FromReference(with(in)).to(at::kBFloat16); },
                     inputs, {1, 4, 5});
        EXPECT_TRUE(TensorNear(a[1], e[1], 0, 0)) << "offset";
        // Parts of the scale's gradient cancel; each is rounded to the scale's dtype.
        const double part = scale_dtype == at::kFloat ? 1e-5 : Eps(scale_dtype);
        const at::Tensor size = (e[2].abs().max() + e[3].abs().max() + 1) * std::sqrt(width);
        for (const std::size_t i : {std::size_t{2}, std::size_t{3}}) {
          EXPECT_TRUE(
              TensorNear(a[i].slice(0, 1), e[i].slice(0, 1), part * size.item<double>(), part));
          // At the least scale of 1e-8 the sums are about 1e8.
          EXPECT_TRUE(TensorNear(a[i].slice(0, 0, 1), e[i].slice(0, 0, 1), 10, 1e-3));
        }
      }
    }
  }
}

TEST_P(CudaFusedTest, GradientsBeyond16BitsEndAtTheirLargestNumber) {
  for (const SymmetricGrid& grid : kGrids) {
    const RangeQuant q = MakeRange(16, 64, at::kHalf, grid);
    const auto gradients = [&](RangeQuant r, bool kernel) {
      for (at::Tensor* p : {&r.offset, &r.low_factor, &r.high_factor}) {
        *p = p->clone().requires_grad_(true);
      }
      const at::Tensor y = kernel ? cuda::RangeFakeQuant(Kernels(), r, at::kFloat, {})
                                  : RangeFakeQuant(r, at::kFloat);
      y.backward(RandomTensor({16, 64}, 9, 1e5).to(y.device()));
      return Tensors{r.low_factor.grad().cpu(), r.high_factor.grad().cpu()};
    };
    const Tensors made = gradients(PutRange(q), true);
    const Tensors expected = gradients(q, false);
    for (std::size_t i = 0; i < made.size(); ++i) {
      EXPECT_TRUE(made[i].isfinite().all().item<bool>());
      EXPECT_TRUE(expected[i].isfinite().all().item<bool>());
      // The group at the least scale has sums of 1e13, of which no digits are left.
      EXPECT_TRUE(TensorNear(made[i].slice(0, 1), expected[i].slice(0, 1), 200, 2e-3));
    }
  }
}

TEST_P(CudaFusedTest, StepsInTheBackwardPassAreThoseOfItsGradients) {
  for (const auto& [groups, width] : kWarpShapes) {
    for (const SymmetricGrid& grid : kGrids) {
      for (const double bound : {0.0, 0.31}) {
        SCOPED_TRACE(Named(groups, width, grid));
        const at::Tensor dy = Put(RandomTensor({groups, width}, 9)).to(at::kBFloat16);
        const auto run = [&](const SignSteps& steps) {
          RangeQuant r = PutRange(MakeRange(groups, width, at::kHalf, grid));
          for (const at::Tensor* p : {&r.offset, &r.low_factor, &r.high_factor}) {
            p->requires_grad_(true);
          }
          cuda::RangeFakeQuant(Kernels(), r, at::kBFloat16, steps).backward(dy);
          return r;
        };
        const RangeQuant graded = run({});
        const RangeQuant moved = run({0.01, 0.02, bound});
        EXPECT_FALSE(moved.offset.grad().defined());
        at::Tensor offset = graded.offset.detach() - 0.01F * graded.offset.grad().sign();
        if (bound > 0) offset = offset.clamp(-bound, bound);
        EXPECT_TRUE(TensorNear(moved.offset.detach().cpu(), offset.cpu(), 1e-9, 1e-7));
        for (const auto& [from, to] : {std::pair{graded.low_factor, moved.low_factor},
                                       std::pair{graded.high_factor, moved.high_factor}}) {
          const at::Tensor expected = (from.detach() - 0.02 * from.grad().sign()).clamp(0, 1);
          EXPECT_TRUE(TensorNear(to.detach().cpu(), expected.cpu(), 1e-9, 1e-7));
        }
      }
    }
  }
}

TEST_P(CudaFusedTest, AStepLeavesTheMovedStatesWeightsInTheResult) {
  for (const auto& [groups, width] : kWarpShapes) {
    for (const SymmetricGrid& grid : kGrids) {
      SCOPED_TRACE(Named(groups, width, grid));
      RangeQuant q = PutRange(MakeRange(groups, width, at::kHalf, grid));
      for (const at::Tensor* t : {&q.offset, &q.low_factor, &q.high_factor}) {
        t->requires_grad_(true);
      }
      at::Tensor made;
      for (std::uint64_t step = 0; step < 3; ++step) {
        SignSteps steps{0.01, 0.02, 0};
        steps.made = made;
        const at::Tensor y = cuda::RangeFakeQuant(Kernels(), q, at::kBFloat16, steps);
        const at::Tensor of_state = [&] {
          const at::NoGradGuard no_grad;
          return cuda::RangeFakeQuant(Kernels(), q, at::kBFloat16, {});
        }();
        EXPECT_TRUE(TensorNear(y.detach().cpu(), of_state.cpu(), 0, 0)) << step;
        y.backward(Put(RandomTensor({groups, width}, 9 + step)).to(at::kBFloat16));
        made = y.detach();
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
