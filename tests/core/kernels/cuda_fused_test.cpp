#include "core/kernels/cuda/fused.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/kernels/float8.h"
#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "tests/core/kernels/cuda_kernels.h"
#include "tests/core/kernels/group_rows.h"
#include "tests/support/gpu.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

// The CUDA kernels against ATen's operations: everywhere as compiled for the host, and on a GPU
// where there is one.

namespace roundlab {
namespace {

using testing::GroupRows;
using testing::MakeRows;
using testing::RandomTensor;
using testing::TensorNear;

using Tensors = std::vector<at::Tensor>;
using Op = std::function<at::Tensor(const Tensors&)>;

/// Where the kernels run.
struct Place {
  const cuda::Kernels* kernels;
  at::Device device;
};

class CudaFusedTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) return;
    ROUNDLAB_NEEDS_GPU();
    if (cuda::LoadKernels() == nullptr) GTEST_SKIP() << cuda::KernelsProblem();
    place_ = {cuda::LoadKernels(), {at::kCUDA, 0}};
  }

  const cuda::Kernels& Kernels() const { return *place_.kernels; }
  at::Tensor Put(const at::Tensor& t) const { return t.defined() ? t.to(place_.device) : t; }
  RangeQuant PutRange(RangeQuant q) const {
    for (at::Tensor* t : {&q.weight, &q.offset, &q.low, &q.high, &q.low_factor, &q.high_factor}) {
      *t = Put(*t);
    }
    return q;
  }

  /// [value, gradient of each input in `trained`] under sum(op(inputs) * weights), on the CPU.
  Tensors Evaluate(const Op& op, const Tensors& inputs, const std::vector<std::size_t>& trained) {
    Tensors leaves;
    for (const at::Tensor& input : inputs) {
      leaves.push_back(input.defined() ? Put(input.detach()).clone() : input);
    }
    for (const std::size_t i : trained) leaves[i].requires_grad_(true);
    const at::Tensor y = op(leaves);
    const at::Tensor weights = Put(RandomTensor(y.sizes(), 99)).to(y.scalar_type());
    y.backward(weights);
    Tensors results = {y.detach().cpu()};
    for (const std::size_t i : trained) results.push_back(leaves[i].grad().cpu());
    return results;
  }

  Place place_{&testing::HostKernels(), at::kCPU};
};

/// Roundings of a value to `dtype` that a bound allows.
double Eps(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return 1.0 / 128;
  return dtype == at::kHalf ? 1.0 / 1024 : 1.0 / (1 << 22);
}

const std::vector<at::ScalarType> kDtypes = {at::kFloat, at::kHalf, at::kBFloat16};

// A group a lane, part of a warp, a warp with turns; widths that are not read four at a time.
const std::vector<std::pair<std::int64_t, std::int64_t>> kWarpShapes = {
    {1, 1}, {3, 15}, {5, 16}, {7, 17}, {9, 32}, {5, 64}, {13, 128}, {2, 1000}, {3, 131}};

TEST_P(CudaFusedTest, FakeQuantHasTheReferencesBits) {
  for (const auto& [groups, width] : kWarpShapes) {
    SCOPED_TRACE(std::to_string(groups) + " x " + std::to_string(width));
    const GroupRows r = MakeRows(groups, width);
    for (const at::ScalarType dtype : kDtypes) {
      for (const at::Tensor& offset : {r.offset, at::Tensor()}) {
        const at::Tensor made = cuda::FakeQuant(Kernels(), Put(r.weight), Put(offset), Put(r.scale),
                                                Put(r.zero), 15, dtype);
        const at::Tensor expected =
            reference::FakeQuant(r.weight, offset, r.scale, r.zero, 15).to(dtype);
        EXPECT_TRUE(TensorNear(made.cpu(), expected, 0, 0));
      }
    }
  }
}

TEST_P(CudaFusedTest, FakeQuantsGradientsAsReference) {
  for (const auto& [groups, width] : kWarpShapes) {
    for (const at::ScalarType dtype : kDtypes) {
      SCOPED_TRACE(std::to_string(groups) + " x " + std::to_string(width));
      const GroupRows r = MakeRows(groups, width);
      const Tensors inputs = {r.weight, r.offset, r.scale, r.zero};
      const Tensors a = Evaluate(
          [&](const Tensors& in) {
            return cuda::FakeQuant(Kernels(), in[0], in[1], in[2], in[3], 15, dtype);
          },
          inputs, {1, 2, 3});
      const Tensors e = Evaluate(
          [&](const Tensors& in) {
            return reference::FakeQuant(in[0], in[1], in[2], in[3], 15).to(dtype);
          },
          inputs, {1, 2, 3});
      const double sum = 2e-5 * std::sqrt(static_cast<double>(width));
      EXPECT_TRUE(TensorNear(a[1], e[1], 0, 0)) << "offset";
      EXPECT_TRUE(TensorNear(a[2], e[2], sum, 1e-5)) << "scale";
      EXPECT_TRUE(TensorNear(a[3], e[3], sum, 1e-5)) << "zero";
    }
  }
}

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

TEST_P(CudaFusedTest, ColumnsOfFewBitsAsReference) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const auto& [rows, columns] : {std::pair{16, 8}, std::pair{48, 24}, std::pair{272, 136}}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      at::Tensor x = RandomTensor({rows, columns}, 1) * RandomTensor({columns}, 2).mul(2).exp();
      x.select(1, 0).zero_();
      x.select(1, 1).clamp_(-1, 1);
      x[0][1] = 1;
      x[1][1] = 15;  // cut off: no row that the scale is made from
      x[2][2] = std::numeric_limits<float>::infinity();
      x[0][3] = std::numeric_limits<float>::infinity();
      x.select(1, 4).mul_(1e-38);
      x = x.to(dtype);
      const Float8Columns a = cuda::ToFloat8Columns(Kernels(), Put(x));
      const Float8Columns e = ToFloat8Columns(x);
      EXPECT_TRUE(at::equal(at::nan_to_num(a.scales.cpu()), at::nan_to_num(e.scales)));
      const auto numbers = [](const Float8Columns& c) { return c.values.cpu().to(at::kFloat); };
      EXPECT_TRUE(at::equal(numbers(a).isnan(), numbers(e).isnan()));
      EXPECT_TRUE(at::equal(at::nan_to_num(numbers(a)), at::nan_to_num(numbers(e))));
      EXPECT_TRUE(numbers(e)[2][2].isnan().item<bool>() && e.scales[3].isnan().item<bool>());
      EXPECT_EQ(numbers(e)[1][1].abs().item<float>(), 448);
    }
  }
}

TEST_P(CudaFusedTest, RmsNormAsReference) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{1, 1}, {3, 31}, {2, 3, 64}, {9, 128}, {5, 1000}}) {
      SCOPED_TRACE(at::IntArrayRef(shape));
      const Tensors inputs = {RandomTensor(shape, 1, 3).to(dtype), RandomTensor({shape.back()}, 2)};
      const Tensors a =
          Evaluate([&](const Tensors& in) { return cuda::RmsNorm(Kernels(), in[0], in[1], 1e-5); },
                   inputs, {0, 1});
      const Tensors e = Evaluate(
          [](const Tensors& in) { return reference::RmsNorm(in[0], in[1], 1e-5); }, inputs, {0, 1});
      for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        EXPECT_TRUE(TensorNear(a[i], e[i], 4 * Eps(dtype), 4 * Eps(dtype))) << i;
      }
      EXPECT_TRUE(TensorNear(a[2], e[2], 16 * Eps(dtype), 16 * Eps(dtype))) << "weight";
    }
  }
}

TEST_P(CudaFusedTest, RopeAsReference) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
             {1, 1, 1, 2}, {2, 5, 3, 16}, {1, 7, 1, 6}, {2, 9, 3, 64}}) {
      SCOPED_TRACE(at::IntArrayRef(shape));
      const at::Tensor angles = RandomTensor({shape[1], shape[3] / 2}, 3, 4);
      const at::Tensor cosine = Put(angles.cos());
      const at::Tensor sine = Put(angles.sin());
      const Tensors inputs = {RandomTensor(shape, 1).to(dtype)};
      const Tensors a = Evaluate(
          [&](const Tensors& in) { return cuda::ApplyRope(Kernels(), in[0], cosine, sine); },
          inputs, {0});
      const Tensors e = Evaluate(
          [&](const Tensors& in) {
            return reference::ApplyRope(in[0].to(at::kFloat), cosine, sine).to(dtype);
          },
          inputs, {0});
      EXPECT_TRUE(TensorNear(a[0], e[0], Eps(dtype), Eps(dtype)));
      EXPECT_TRUE(TensorNear(a[1], e[1], Eps(dtype), Eps(dtype)));
    }
  }
}

TEST_P(CudaFusedTest, SwiGluAsReference) {
  for (const at::ScalarType dtype : kDtypes) {
    for (const std::int64_t count : {1, 7, 64, 1000}) {
      SCOPED_TRACE(count);
      const Tensors inputs = {RandomTensor({count}, 1, 4).to(dtype),
                              RandomTensor({count}, 2).to(dtype)};
      const Tensors a = Evaluate(
          [&](const Tensors& in) { return cuda::SwiGlu(Kernels(), in[0], in[1]); }, inputs, {0, 1});
      const Tensors e = Evaluate([](const Tensors& in) { return reference::SwiGlu(in[0], in[1]); },
                                 inputs, {0, 1});
      for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_TRUE(TensorNear(a[i], e[i], 2 * Eps(dtype), 2 * Eps(dtype))) << i;
      }
    }
  }
}

TEST_P(CudaFusedTest, MeanSquaredErrorAsReference) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t count : {5, 4096}) {
      SCOPED_TRACE(count);
      const at::Tensor target = RandomTensor({count}, 1).to(dtype);
      const Tensors inputs = {(target.to(at::kFloat) + RandomTensor({count}, 2, 0.1)).to(dtype)};
      const Tensors a = Evaluate(
          [&](const Tensors& in) { return cuda::MeanSquaredError(Kernels(), in[0], Put(target)); },
          inputs, {0});
      const Tensors e = Evaluate(
          [&](const Tensors& in) {
            return at::mse_loss(in[0].to(at::kFloat), Put(target).to(at::kFloat));
          },
          inputs, {0});
      EXPECT_TRUE(TensorNear(a[0], e[0], 0, 1e-6));
      EXPECT_TRUE(TensorNear(a[1], e[1], 0, Eps(dtype)));
    }
  }
}

TEST_P(CudaFusedTest, CopyIfLooksAtItsFlag) {
  for (const std::int64_t count : {3, 16, 1000}) {
    const at::Tensor from = Put(RandomTensor({count}, 1));
    const at::Tensor to = Put(RandomTensor({count}, 2));
    const at::Tensor before = to.clone();
    cuda::CopyIf(Kernels(), Put(at::zeros({}, at::kBool)), from, to);
    EXPECT_TRUE(TensorNear(to.cpu(), before.cpu(), 0, 0));
    cuda::CopyIf(Kernels(), Put(at::ones({}, at::kBool)), from, to);
    EXPECT_TRUE(TensorNear(to.cpu(), from.cpu(), 0, 0));
  }
}

INSTANTIATE_TEST_SUITE_P(On, CudaFusedTest, ::testing::Values(false, true),
                         [](const auto& param) { return param.param ? "Gpu" : "Host"; });

}  // namespace
}  // namespace roundlab
