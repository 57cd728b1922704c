#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/ops.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

struct HeadGradients {
  double value;
  at::Tensor hidden;
  at::Tensor head;
};

HeadGradients NllWithGradients(const at::Tensor& hidden, const at::Tensor& head,
                               const at::Tensor& targets) {
  const at::Tensor h = hidden.detach().clone().requires_grad_(true);
  const at::Tensor w = head.detach().clone().requires_grad_(true);
  const at::Tensor loss = HeadNll(h, w, targets);
  loss.backward();
  return {loss.item<double>(), h.grad(), w.grad()};
}

TEST(HeadNllTest, TwoTokensByHand) {
  // Logits 2 and -1: the chosen one has probability 1 / (1 + e^-3).
  const at::Tensor hidden = at::tensor({1.0F}).view({1, 1});
  const at::Tensor head = at::tensor({2.0F, -1.0F}).view({2, 1});
  const double p = 1 / (1 + std::exp(-3.0));
  const HeadGradients made = NllWithGradients(hidden, head, at::zeros({1}, at::kLong));
  EXPECT_NEAR(made.value, -std::log(p), 1e-7);
  EXPECT_NEAR(made.hidden.item<double>(), 2 * (p - 1) - (1 - p), 5e-7);
  EXPECT_TRUE(TensorNear(made.head.flatten().to(at::kDouble),
                         at::tensor({p - 1, 1 - p}, at::kDouble), 5e-7, 0));
}

TEST(HeadNllTest, EqualLogitsHaveTheLogarithmOfTheirNumber) {
  for (const std::int64_t vocab : {1, 15, 16, 17, 100}) {
    const auto made =
        NllWithGradients(at::ones({3, 2}), at::zeros({vocab, 2}), at::zeros({3}, at::kLong));
    EXPECT_NEAR(made.value, std::log(static_cast<double>(vocab)), 1e-6) << vocab;
    EXPECT_TRUE(TensorNear(made.hidden, at::zeros({3, 2}), 0, 0)) << vocab;
  }
}

/// Rows are taken in chunks of 1024: a text repeated has the same mean and the same gradient of the
/// head, and a row's gradient shrinks with their number.
TEST(HeadNllTest, ATextRepeatedHasTheSameMean) {
  const at::Tensor hidden = RandomTensor({5, 4}, 1);
  const at::Tensor head = RandomTensor({7, 4}, 2);
  const at::Tensor targets = at::tensor({0, 6, 3, 3, 1}, at::kLong);
  const HeadGradients one = NllWithGradients(hidden, head, targets);
  constexpr std::int64_t kTimes = 411;  // 2055 rows: two whole chunks and a rest
  const HeadGradients many =
      NllWithGradients(hidden.repeat({kTimes, 1}), head, targets.repeat({kTimes}));
  EXPECT_NEAR(many.value, one.value, 1e-6);
  EXPECT_TRUE(TensorNear(many.head, one.head, 2e-6, 5e-6));  // sums of 2055 rows
  EXPECT_TRUE(TensorNear(many.hidden.narrow(0, 2050, 5) * kTimes, one.hidden, 2e-6, 0));
}

TEST(HeadNllTest, AsLogSoftmax) {
  for (const auto& [tokens, vocab] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {3, 31}, {5, 64}, {1500, 100}}) {
    SCOPED_TRACE(std::to_string(tokens) + " x " + std::to_string(vocab));
    const at::Tensor targets = at::arange(tokens, at::kLong).mul_(7).remainder_(vocab);
    const at::Tensor hidden = RandomTensor({tokens, 16}, 1);
    const at::Tensor head = RandomTensor({vocab, 16}, 2);
    const HeadGradients made = NllWithGradients(hidden, head, targets);
    const at::Tensor h = hidden.to(at::kDouble).requires_grad_(true);
    const at::Tensor w = head.to(at::kDouble).requires_grad_(true);
    const at::Tensor exact =
        -at::log_softmax(at::mm(h, w.t()), -1).gather(1, targets.unsqueeze(1)).mean();
    exact.backward();
    EXPECT_NEAR(made.value, exact.item<double>(), 3e-6 * (1 + exact.item<double>()));
    EXPECT_TRUE(TensorNear(made.hidden.to(at::kDouble), h.grad(), 3e-6, 3e-6));
    EXPECT_TRUE(TensorNear(made.head.to(at::kDouble), w.grad(), 3e-6, 3e-6));
  }
}

TEST(HeadNllTest, LargeLogitsStayFinite) {
  const at::Tensor hidden = at::tensor({1.0F, -1.0F}).view({2, 1});
  const at::Tensor head = at::tensor({500.0F, -500.0F}).view({2, 1});
  const at::Tensor targets = at::tensor({0, 0}, at::kLong);
  EXPECT_NEAR(HeadNll(hidden, head, targets).item<double>(), 500, 1e-3);
}

TEST(HeadNllTest, ShapesAndDtypesMustFit) {
  const at::Tensor head = at::ones({3, 2});
  const at::Tensor targets = at::zeros({2}, at::kLong);
  EXPECT_THROW(HeadNll(at::ones({3, 2}), head, targets), std::logic_error);
  EXPECT_THROW(HeadNll(at::ones({0, 2}), head, at::zeros({0}, at::kLong)), std::logic_error);
  EXPECT_THROW(HeadNll(at::ones({2, 2}, at::kHalf), head, targets), std::logic_error);
}

}  // namespace
}  // namespace roundlab
