#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/kernels/float8.h"
#include "core/kernels/logit_sums.h"
#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "tests/core/kernels/cuda_fused_fixture.h"
#include "tests/core/kernels/group_rows.h"
#include "tests/core/kernels/random_feedback.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::CudaFusedTest;
using testing::Eps;
using testing::GroupRows;
using testing::kDtypes;
using testing::kWarpShapes;
using testing::MakeRows;
using testing::RandomBlock;
using testing::RandomTensor;
using testing::TensorNear;
using testing::Tensors;

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

TEST_P(CudaFusedTest, ErrorFeedbackHasTheCpusBits) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool shifted : {false, true}) {
      const FeedbackBlock expected = RandomBlock(dtype, shifted);
      ErrorFeedback(expected, 0, 37);
      FeedbackBlock block = RandomBlock(dtype, shifted);
      for (at::Tensor* t : {&block.weight, &block.factor, &block.shift, &block.scale, &block.zero,
                            &block.group, &block.codes, &block.error}) {
        *t = Put(*t);
      }
      cuda::ErrorFeedback(Kernels(), block, 0, 20);
      cuda::ErrorFeedback(Kernels(), block, 20, 37);
      EXPECT_TRUE(TensorNear(block.codes.cpu(), expected.codes, 0, 0));
      EXPECT_TRUE(TensorNear(block.error.cpu(), expected.error, 0, 0));
      EXPECT_TRUE(TensorNear(block.weight.cpu(), expected.weight, 0, 0));
    }
  }
}

TEST_P(CudaFusedTest, LogitSumsAsReference) {
  for (const std::int64_t columns : {1, 5, 64, 100, 4099, 6000}) {
    at::Tensor logits = RandomTensor({5, columns}, 1, 3);
    logits[1].fill_(-7);          // all alike: the first
    logits[2][columns / 2] = 30;  // one that outweighs the rest
    logits[3].fill_(-std::numeric_limits<float>::infinity());
    logits[3][columns - 1] = 2;
    const LogitSums expected = reference::SumLogits(logits.to(at::kDouble));
    const auto [log, place] = cuda::SumLogits(Kernels(), Put(logits));
    EXPECT_TRUE(TensorNear(log.cpu(), expected.log, 1e-6, 1e-6)) << columns;
    EXPECT_TRUE(at::equal(place.cpu(), expected.place)) << columns;
    logits[4][0] = std::numeric_limits<float>::quiet_NaN();
    const at::Tensor broken = cuda::SumLogits(Kernels(), Put(logits)).first.cpu();
    EXPECT_TRUE(at::equal(broken.isnan(), at::arange(5) == 4)) << columns;
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
