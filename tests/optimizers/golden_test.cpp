#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "tests/support/source_folder.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

constexpr std::int64_t kSteps = 30;
constexpr std::int64_t kVoters = 3;

/// One "optimizer {...}" or "schedule {...}" of optimizers.txt with the lines of numbers below it.
struct Case {
  std::string recipe;
  std::vector<std::vector<double>> rows;
};

std::vector<Case> GoldenCases(const std::string& kind) {
  const std::string path = testing::SourceFolder() + "/tests/golden/optimizers.txt";
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<Case> cases;
  bool wanted = false;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "#") continue;
    if (first == "optimizer" || first == "schedule") {
      wanted = first == kind;
      if (wanted) cases.push_back({line.substr(first.size() + 1), {}});
    } else if (wanted) {
      auto& row = cases.back().rows.emplace_back(1, std::stod(first));
      for (std::string word; words >> word;) row.push_back(std::stod(word));
    }
  }
  return cases;
}

/// The gradient of make_optimizers.py for its parameters first ... first + 2.
at::Tensor Gradient(const at::Tensor& p, std::int64_t step, std::int64_t first) {
  static const double kTarget[] = {0.23, 0.41, -0.37, 0.11, -0.53, 0.0};
  static const double kCurve[] = {1.3, 0.7, 2.1, 0.9, 1.7, 0.0};
  at::Tensor gradient = at::empty_like(p);
  for (std::int64_t k = 0; k < 3; ++k) {
    const std::int64_t i = first + k;
    const double noise = i == 5 ? 0.0 : static_cast<double>((7 * step + 3 * i) % 11 - 5) / 10;
    gradient[k] = kCurve[i] * (p[k].item<double>() - kTarget[i]) + noise;
  }
  return gradient;
}

void TakeStep(torch::optim::Optimizer* optimizer, std::int64_t step) {
  auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer);
  const bool votes = voter != nullptr && voter->Votes();
  for (std::int64_t m = 0; m < (votes ? kVoters : 1); ++m) {
    for (std::size_t group = 0; group < 2; ++group) {
      const at::Tensor& p = optimizer->param_groups()[group].params()[0];
      p.mutable_grad() = Gradient(p, votes ? kVoters * step + m : step, group == 0 ? 0 : 3);
    }
    if (votes) voter->Vote();
  }
  optimizer->step();
}

TEST(OptimizersGoldenTest, TrajectoriesAsPython) {
  const std::vector<Case> cases = GoldenCases("optimizer");
  ASSERT_EQ(cases.size(), 21U);
  const auto schedule = Schedules().FromText("type: linear").make();
  for (const Case& golden : cases) {
    SCOPED_TRACE(golden.recipe);
    const at::Tensor a = at::tensor({1.0, -0.7, 0.3}, at::kDouble);
    const at::Tensor b = at::tensor({0.5, -1.2, 0.8}, at::kDouble);
    ParamGroups groups;
    groups.emplace_back(std::vector<at::Tensor>{a});
    groups.emplace_back(std::vector<at::Tensor>{b});
    const auto optimizer = Optimizers().FromText(golden.recipe).make(groups);
    std::vector<double> lrs = LearningRates(*optimizer);
    lrs[1] /= 2;
    auto row = golden.rows.begin();
    for (std::int64_t step = 0; step < kSteps; ++step) {
      SetLearningRates(optimizer.get(), lrs, schedule->Factor(step, kSteps));
      TakeStep(optimizer.get(), step);
      ASSERT_NE(row, golden.rows.end());
      if (std::lround(row->front()) != step + 1) continue;
      SCOPED_TRACE("step " + std::to_string(step + 1));
      const auto expected = at::tensor(std::vector<double>(row->begin() + 1, row->end()));
      EXPECT_TRUE(testing::TensorNear(at::cat({a, b}), expected.to(at::kDouble), 1e-13, 1e-13));
      ++row;
    }
    EXPECT_EQ(row, golden.rows.end());
  }
}

TEST(SchedulesGoldenTest, FactorsAsTorch) {
  const std::vector<Case> cases = GoldenCases("schedule");
  ASSERT_EQ(cases.size(), 7U);
  for (const Case& golden : cases) {
    SCOPED_TRACE(golden.recipe);
    const auto schedule = Schedules().FromText(golden.recipe).make();
    ASSERT_EQ(golden.rows.size(), 1U);
    const std::vector<double>& row = golden.rows[0];
    const std::int64_t steps = std::lround(row[0]);
    ASSERT_EQ(row.size(), static_cast<std::size_t>(steps) + 2);
    for (std::int64_t step = 0; step <= steps; ++step) {
      EXPECT_NEAR(schedule->Factor(step, steps), row[static_cast<std::size_t>(step) + 1], 1e-15);
    }
  }
}

}  // namespace
}  // namespace roundlab
