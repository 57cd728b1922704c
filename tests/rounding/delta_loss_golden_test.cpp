#include "rounding/delta_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/formats/json.h"
#include "core/model/loader.h"
#include "rounding/bit_allocation.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::SpecOf;

class DeltaLossGoldenTest : public testing::GoldenTest {};

/// A case's scheme: full-range sym or asym round to nearest, with float16 scales (README).
QuantSpec RoundedSpec(const std::string& name) {
  QuantSpec spec = SpecOf(name);
  if (spec.grid == GridKind::kSym) spec.grid = GridKind::kSymFull;
  spec.scale_dtype = ScaleType::kFloat16;
  return spec;
}

/// The original counts zero points of symmetric grids, too.
std::int64_t BitsThere(const at::Tensor& weight, QuantSpec spec) {
  spec.grid = GridKind::kAsym;
  return GridBits(weight.size(0), weight.size(1), spec);
}

TEST_F(DeltaLossGoldenTest, ScoresBitsAndLosses) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  Log log("", true);
  const auto nearest = RoundingSchemes().FromText("type: rtn").make();
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const std::string folder = testing::SharedFolder() + "/models/" + file.metadata().at("model");
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs " << folder;
    const ModelFiles model(folder);
    GradientProblem problem;
    problem.source = &model;
    problem.tokens = GoldenTensor(file, "delta.tokens");
    const auto layers = ParseJson(file.metadata().at("delta.layers"), "delta.layers");
    for (const std::string& name : CasesOf(file, "(delta\\..*)\\.score")) {
      SCOPED_TRACE(path + " " + name);
      const QuantSpec spec = RoundedSpec(name);
      std::vector<double> squares;
      std::vector<std::int64_t> bits;
      problem.weight = [&](const LinearSlot& slot) {
        const QuantizedWeight rounded =
            nearest->Begin(testing::GoldenLayer(slot.weight, spec))->Finish();
        squares.push_back(rounded.Dequantize().square().sum(at::kDouble).item<double>());
        bits.push_back(BitsThere(slot.weight, spec));
        return rounded.Dequantize();
      };
      const Sensitivities found = DeltaLoss(problem, &log);
      EXPECT_NEAR(found.loss, GoldenDoubles(file, name + ".lm_loss").mean().item<double>(), 1e-4);
      ASSERT_EQ(found.layers.size(), layers.size());
      for (std::size_t i = 0; i < layers.size(); ++i) {
        const auto row = static_cast<std::int64_t>(i);
        SCOPED_TRACE(found.layers[i].name);
        EXPECT_EQ(found.layers[i].name, layers[i].get<std::string>());
        EXPECT_EQ(bits[i], GoldenTensor(file, name + ".bits")[row].item<std::int64_t>());
        const auto golden = [&](const std::string& key) {
          return GoldenDoubles(file, name + "." + key)[row].item<double>();
        };
        EXPECT_NEAR(squares[i], golden("qweight_sumsq"), 1e-5 * golden("qweight_sumsq"));
        EXPECT_NEAR(found.layers[i].score, golden("score"), 1e-4 * golden("score"));
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
