#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "rounding/solvers/gptq.h"
#include "tests/rounding/golden_matches.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::MatchesOf;

using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

/// "k_proj.gptq.w4.g32_act_static": a layer, bits and a variant of the method.
struct GptqCase {
  std::string name;
  std::string layer;
  std::int64_t bits = 0;
  GptqSettings settings;
};

std::vector<GptqCase> Cases(const SafetensorsFile& file) {
  std::vector<GptqCase> cases;
  for (const GoldenMatch& m :
       MatchesOf(file, R"((.+)\.gptq\.w(\d+)\.(row|g(\d+))((?:_[a-z]+)*)\.codes)")) {
    GptqCase c{m.str(0).substr(0, m.str(0).size() - 6), m.str(1), std::stoll(m.str(2)), {}};
    c.settings.group_size = m.str(3) == "row" ? -1 : std::stoll(m.str(4));
    c.settings.code_max = static_cast<double>((1 << c.bits) - 1);
    const std::string options = m.str(5) + "_";
    const auto has = [&](const char* o) { return options.find(o) != std::string::npos; };
    if (has("_act_")) c.settings.order = GptqOrder::kActivation;
    c.settings.static_groups = has("_static_");
    c.settings.stale_groups = !has("_fresh_");
    cases.push_back(c);
  }
  return cases;
}

struct Facts {
  double loss;   // sum of column losses
  double error;  // |X W^T - X W^^T|^2
};

/// The metadata's [('name', loss, error), ...].
std::map<std::string, Facts> FactsOf(const SafetensorsFile& file) {
  const std::string text = file.metadata().at("losses");
  const std::regex form(R"(\('([^']+)', ([^,]+), ([^)]+)\))");
  std::map<std::string, Facts> facts;
  for (std::sregex_iterator it(text.begin(), text.end(), form), end; it != end; ++it) {
    facts[it->str(1)] = {std::strtod(it->str(2).c_str(), nullptr),
                         std::strtod(it->str(3).c_str(), nullptr)};
  }
  return facts;
}

GptqSolution Solve(const SafetensorsFile& file, const GptqCase& c, at::ScalarType dtype) {
  GptqProblem problem;
  problem.weight = GoldenTensor(file, c.layer + ".W").to(dtype);
  problem.hessian = GoldenDoubles(file, c.layer + ".H").to(dtype);
  problem.grid = [&](const at::Tensor& groups, const at::Tensor&) {
    const GroupRange range = MinMaxRange(groups);
    const at::Tensor scale = (range.high - range.low) / c.settings.code_max;
    return AffineGrid{scale, (-range.low / scale).round()};
  };
  return SolveGptq(problem, c.settings);
}

double OutputError(const SafetensorsFile& file, const GptqCase& c, const GptqSolution& solution) {
  const at::Tensor scale = solution.scale.to(at::kDouble).index_select(1, solution.g_idx);
  const at::Tensor zero = solution.zero.to(at::kDouble).index_select(1, solution.g_idx);
  const at::Tensor decoded = scale * (solution.codes.to(at::kDouble) - zero);
  const at::Tensor x = GoldenTensor(file, c.layer + ".X").to(at::kDouble);
  const at::Tensor w = GoldenTensor(file, c.layer + ".W").to(at::kDouble);
  return at::mm(x, (decoded - w).t()).square().sum().item<double>();
}

#define ROUNDLAB_ONESHOT_GOLDEN_OR_SKIP(file)                                 \
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/oneshot_golden.safetensors"); \
  const SafetensorsFile file(path)

TEST(GptqGoldenTest, InFloat64CodesGridsAndLossesAreTheOriginals) {
  ROUNDLAB_ONESHOT_GOLDEN_OR_SKIP(file);
  const auto facts = FactsOf(file);
  const auto cases = Cases(file);
  ASSERT_FALSE(cases.empty());
  for (const GptqCase& c : cases) {
    SCOPED_TRACE(c.name);
    const GptqSolution solution = Solve(file, c, at::kDouble);
    EXPECT_FALSE(solution.fallback);
    const at::Tensor g_idx = GoldenTensor(file, c.name + ".g_idx");
    EXPECT_TRUE(TensorNear(solution.g_idx.to(at::kLong), g_idx, 0, 0));
    // An exact tie moves the codes after it in its row: one row in a hundred may have one.
    const at::Tensor codes = GoldenTensor(file, c.name + ".codes");
    const at::Tensor differ = (solution.codes.to(at::kLong) != codes).any(1);
    EXPECT_LE(differ.sum().item<std::int64_t>(), codes.size(0) / 100);
    const at::Tensor same = differ.logical_not().nonzero().flatten();
    EXPECT_TRUE(TensorNear(solution.scale.index_select(0, same),
                           GoldenDoubles(file, c.name + ".scale").index_select(0, same), 0, 1e-10));
    EXPECT_TRUE(TensorNear(solution.zero.index_select(0, same).to(at::kLong),
                           GoldenTensor(file, c.name + ".zero").index_select(0, same), 0, 0));
    const Facts& expected = facts.at(c.name);
    const double tolerance = same.numel() == codes.size(0) ? 1e-9 : 1e-3;
    EXPECT_NEAR(solution.losses.sum().item<double>(), expected.loss, tolerance * expected.loss);
    EXPECT_NEAR(OutputError(file, c, solution), expected.error, tolerance * expected.error);
  }
}

TEST(GptqGoldenTest, InFloat32TheOutputErrorIsTheOriginalsWithinOnePercent) {
  ROUNDLAB_ONESHOT_GOLDEN_OR_SKIP(file);
  const auto facts = FactsOf(file);
  for (const GptqCase& c : Cases(file)) {
    SCOPED_TRACE(c.name);
    const GptqSolution solution = Solve(file, c, at::kFloat);
    const Facts& expected = facts.at(c.name);
    EXPECT_NEAR(OutputError(file, c, solution), expected.error, 0.01 * expected.error);
  }
}

}  // namespace
}  // namespace roundlab
