#include "optimizers/sign_step.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace roundlab {
namespace {

/// Values of all kinds that a float has, the rest from (-1, 1).
at::Tensor Values(std::int64_t count, std::uint64_t seed, at::ScalarType dtype) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> special = {0.0,       -0.0,       1e-45,        -1e-45, 5e-324, 1e-38,
                                       kInfinity, -kInfinity, std::nan(""), 3e38,   -1e300};
  PythonRandom random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) {
    const std::uint64_t kind = random.Below(3 * special.size());
    value = kind < special.size() ? special[kind] : 2 * random.Real() - 1;
  }
  return at::tensor(values, at::kDouble).to(dtype);
}

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  const auto bits = a.element_size() == 8   ? at::kLong
                    : a.element_size() == 4 ? at::kInt
                                            : at::kShort;
  return at::equal(a.contiguous().view(bits), b.contiguous().view(bits));
}

TEST(SignStepTest, SignOfZeroAndNaNIsZero) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor p = at::ones({6}, dtype);
    SignStep(p, at::tensor({-3.0, 0.0, 1e-9, nan, -0.0, 1e30}, at::kDouble).to(dtype), 0.25);
    EXPECT_TRUE(at::equal(p, at::tensor({1.25, 1.0, 0.75, 1.0, 1.0, 0.75}, at::kDouble).to(dtype)));
  }
}

TEST(SignStepTest, SameBitsAsATen) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (const std::int64_t count : {0, 1, 3, 7, 17, 1000, 70001}) {
      SCOPED_TRACE(std::string(c10::toString(dtype)) + " " + std::to_string(count));
      const at::Tensor direction = Values(count, 2, dtype);
      const at::Tensor start = Values(count, 1, dtype);
      for (const double lr : {5e-3, 0.1, -1.0, 1e-30}) {
        const at::Tensor fused = start.clone();
        const at::Tensor reference = start.clone();
        SignStep(fused, direction, lr);
        SignStepReference(reference, direction, lr);
        EXPECT_TRUE(SameBits(fused, reference)) << "lr " << lr;
      }
    }
  }
}

TEST(SignStepTest, AnyLayoutGivesTheSameBits) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor flat = Values(24 * 35, 3, dtype);
    const at::Tensor wide = Values(2 * 24 * 35, 4, dtype).view({24, 70});
    const std::vector<at::Tensor> directions = {
        wide.slice(1, 0, 35), wide.slice(1, 0, 70, 2), wide.slice(1, 0, 35).t().contiguous().t(),
        wide.slice(0, 0, 1).slice(1, 0, 35).expand({24, 35})};
    for (const at::Tensor& direction : directions) {
      const at::Tensor plain = flat.clone().view({24, 35});
      const at::Tensor turned = plain.t().contiguous().t();
      const at::Tensor part = at::zeros({24, 90}, dtype).slice(1, 5, 75, 2);
      part.copy_(plain);
      const at::Tensor reference = plain.clone();
      SignStepReference(reference, direction, 0.3);
      for (const at::Tensor& p : {plain, turned, part}) {
        SignStep(p, direction, 0.3);
        EXPECT_TRUE(SameBits(p, reference));
      }
    }
  }
}

TEST(SignStepTest, GraphsThatSavedTheParameterNotice) {
  const at::Tensor p = at::ones({3}).requires_grad_(true);
  const at::Tensor loss = (p * p).sum();
  {
    const c10::NoGradGuard no_grad;
    SignStep(p, at::ones({3}), 0.5);
  }
  EXPECT_THROW(loss.backward(), c10::Error);
}

TEST(SignStepTest, ShapesAndDtypesMustAgree) {
  EXPECT_THROW(SignStep(at::ones({3}), at::ones({1}), 1), std::logic_error);
  EXPECT_THROW(SignStep(at::ones({3}), at::ones({3}, at::kDouble), 1), std::logic_error);
}

}  // namespace
}  // namespace roundlab
