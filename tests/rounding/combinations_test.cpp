#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/interrupt.h"
#include "rounding/stages/round.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/product_fixture.h"

namespace roundlab {
namespace {

using testing::ProductTest;
using testing::StagesOf;
using testing::Tiny;

/// Codes in range, all that is stored finite, every layer there.
void ExpectSound(const QuantizedModel& model, std::size_t layers) {
  ASSERT_EQ(model.layers().size(), layers);
  for (const auto& [name, weight] : model.layers()) {
    ASSERT_EQ(WeightProblem(weight, weight.Dequantize()), "") << name;
    ASSERT_LT(weight.codes.max().item<std::int64_t>(), weight.CodeCount()) << name;
  }
}

std::string RoundText(const std::string& scheme, const std::string& loss,
                      const std::string& optimizer) {
  return "type: round\nscheme: {" + testing::InOneLine(testing::SmallRecipe(scheme)) +
         "}\nloss: {type: " + loss + "}\noptimizer: {type: " + optimizer +
         ", lr: 0.001}\nloss_scale: 1\nsteps: 2\nbatch: 2";
}

/// All of the product takes minutes: unless ROUNDLAB_ALL_COMBINATIONS is set, each scheme sees each
/// range with each transform, and losses, optimizers and repairs by turns.
bool All() { return std::getenv("ROUNDLAB_ALL_COMBINATIONS") != nullptr; }

/// One of `names` by turns, or all of them.
template <typename T>
std::vector<T> Turn(const std::vector<T>& names, std::size_t turn) {
  if (All()) return names;
  return {names[turn % names.size()]};
}

/// Stages behind a scheme: none, and all repairs one after another, in an order that may be.
std::vector<std::vector<std::string>> NoneAndAllRepairs() {
  std::vector<std::string> repairs = StagesOf(StageKind::kRepair);
  std::stable_partition(repairs.begin(), repairs.end(), [](const std::string& text) {
    return !Stages().FromText(text).make()->FitsWeights();
  });
  return {{}, repairs};
}

/// The same, and each repair alone.
std::vector<std::vector<std::string>> EachRepair() {
  auto each = NoneAndAllRepairs();
  for (const std::string& repair : StagesOf(StageKind::kRepair)) each.push_back({repair});
  return each;
}

class CombinationsTest : public ProductTest, public ::testing::WithParamInterface<std::string> {
 protected:
  /// Every pipeline of the scheme between `transforms` and each of `repairs`; counts those that a
  /// config may ask for.
  void Check(const QuantOptions& quant, const std::vector<std::string>& transforms,
             const std::vector<std::vector<std::string>>& repairs, std::size_t turn) {
    const bool tunable = RoundingSchemes().FromText("type: " + GetParam()).make()->Traits().tunable;
    const auto some = [&](const std::vector<std::string>& names, std::size_t at) {
      return tunable ? Turn(names, at)
                     : std::vector<std::string>{names[0]};  // it has no use for them
    };
    for (const std::string& loss : some(Losses().Names(), turn)) {
      for (const std::string& optimizer : some(Optimizers().Names(), turn / 2)) {
        for (const std::vector<std::string>& behind : repairs) {
          std::vector<std::string> stages = transforms;
          stages.push_back(RoundText(GetParam(), loss, optimizer));
          stages.insert(stages.end(), behind.begin(), behind.end());
          const std::vector<StageRecipe> pipeline = Recipes(stages);
          if (!OrderProblems(pipeline).empty() || !UnusedRange(pipeline, quant).empty()) continue;
          SCOPED_TRACE(quant.range.type + " " + loss + " " + optimizer + " " +
                       (behind.empty() ? "" : behind.front()) + " and " +
                       std::to_string(behind.size()) + " behind");
          ExpectSound(Run(inputs_, quant, pipeline), 7);
          ++runs_;
        }
      }
    }
  }

  /// Whether the scheme makes tables, and 8 bits of them are too many for so small a model.
  static bool TablesOutgrow(const QuantOptions& quant) {
    const std::string problem = testing::ErrorOf([&] {
      CheckStages(Recipes({RoundText(GetParam(), "mse", "sign_sgd")}), Tiny(1).description(),
                  quant);
    });
    const bool outgrows = GetParam() == "aqlm" || GetParam() == "squeezellm";
    EXPECT_EQ(!problem.empty(), outgrows) << problem;
    return outgrows;
  }

  const PipelineInputs inputs_ = Inputs(1);
  int runs_ = 0;
};
INSTANTIATE_TEST_SUITE_P(All, CombinationsTest, ::testing::ValuesIn(RoundingSchemes().Names()),
                         [](const auto& of) { return of.param; });

TEST_P(CombinationsTest, GiveSoundWeights) {
  const std::vector<std::string> schemes = RoundingSchemes().Names();
  auto turn = static_cast<std::size_t>(std::find(schemes.begin(), schemes.end(), GetParam()) -
                                       schemes.begin());
  for (const std::string& range : RangeEstimators().Names()) {
    const QuantOptions quant = Quant(GetParam(), range);
    Check(quant, {}, Turn(NoneAndAllRepairs(), turn / 3), turn);
    ++turn;
    for (const std::string& transform : StagesOf(StageKind::kTransform)) {
      SCOPED_TRACE(transform);
      Check(quant, {transform}, Turn(NoneAndAllRepairs(), turn / 3), turn);
      ++turn;
    }
  }
  EXPECT_GE(runs_, 1);
}

TEST_P(CombinationsTest, GiveSoundWeightsOnEachGridInFewBitsAndManyBehindEachRepair) {
  const auto scheme = RoundingSchemes().FromText("type: " + GetParam()).make();
  std::size_t turn = 0;
  std::size_t asked = 0;
  for (const GridKind grid : testing::GridsOf(*scheme)) {
    for (const std::int64_t bits : {2, 3, 4, 8}) {
      QuantOptions quant = Quant(GetParam(), "minmax");
      quant.spec.grid = grid;
      quant.spec.bits = bits;
      SCOPED_TRACE(testing::ToString(quant.spec));
      if (bits == 8 && TablesOutgrow(quant)) continue;
      Check(quant, {}, EachRepair(), turn++);
      asked += EachRepair().size();
    }
  }
  EXPECT_GE(static_cast<std::size_t>(runs_), asked);
}

/// One transform, the scheme, a repair: killed after the first block, then continued.
class ContinuationTest : public ProductTest, public ::testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ContinuationTest, ::testing::ValuesIn(RoundingSchemes().Names()),
                         [](const auto& of) { return of.param; });

TEST_P(ContinuationTest, EndsWithTheSameBits) {
  const std::string folder =
      ::testing::TempDir() + "/product_" + GetParam() + std::to_string(::getpid());
  const QuantOptions quant = Quant(GetParam(), "minmax");
  for (std::string transform : StagesOf(StageKind::kTransform)) {
    SCOPED_TRACE(transform);
    std::vector<std::string> stages = {transform, RoundText(GetParam(), "mse", "sign_sgd"),
                                       "type: bias_correction"};
    if (!OrderProblems(Recipes(stages)).empty()) stages.erase(stages.begin());
    const std::vector<StageRecipe> pipeline = Recipes(stages);
    PipelineInputs inputs = Inputs(2);
    const std::string whole = Run(inputs, quant, pipeline).CodesSha256();
    inputs.progress_folder = folder;
    inputs.unit_kept = [] { throw Interrupted(); };
    EXPECT_THROW(Run(inputs, quant, pipeline), Interrupted);
    inputs.unit_kept = {};
    EXPECT_EQ(Run(inputs, quant, pipeline).CodesSha256(), whole);
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace roundlab
