#include "rounding/schemes/squeezellm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "rounding/solvers/weighted_kmeans.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::Has;
using testing::MetadataNumber;
using testing::SpecOf;
using testing::TensorNear;

class SqueezeLlmGoldenTest : public testing::GoldenTest {};

/// What a case takes out: "thr" by threshold, "both" by sensitivity first.
struct GoldenSplit {
  double range = 0;
  double share = 0;
};

GoldenSplit SplitOf(const SafetensorsFile& file, const std::string& name) {
  if (name == "dense") return {};
  const bool both = name == "both";
  const double percent = testing::MetadataNumberOr(file, "sensitivity", 0.5);
  return {MetadataNumber(file, "iqr_range"), both ? percent / 100 : 0};
}

at::Tensor TakenOut(const SafetensorsFile& file, const std::string& name) {
  const std::string key = name + ".outliers";
  return Has(file, key) ? GoldenTensor(file, key) : at::zeros_like(GoldenTensor(file, "W"));
}

TEST_F(SqueezeLlmGoldenTest, TheSameWeightsAreKeptApart) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "squeezellm_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    const at::Tensor fisher = GoldenTensor(file, "fisher");
    const double threshold = MetadataNumber(file, "outlier_threshold");
    EXPECT_NEAR(OutlierThreshold(weight, MetadataNumber(file, "iqr_range")), threshold,
                1e-6 * threshold);
    for (const std::string& name : CasesOf(file, "(.+)\\.outliers")) {
      SCOPED_TRACE(path + " " + name);
      const GoldenSplit split = SplitOf(file, name);
      const at::Tensor mask = SqueezeOutliers(weight, fisher, split.range, split.share);
      EXPECT_TRUE(at::equal(weight * mask, TakenOut(file, name)));
    }
  }
}

TEST_F(SqueezeLlmGoldenTest, LloydFromGivenCenters) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "squeezellm_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor fisher = GoldenTensor(file, "fisher");
    for (const std::string& name : CasesOf(file, "(.+\\.w\\d+)\\.given\\.init")) {
      SCOPED_TRACE(path + " " + name);
      const at::Tensor out = TakenOut(file, name.substr(0, name.find('.')));
      const at::Tensor dense = (GoldenTensor(file, "W") - out).contiguous();
      at::Tensor weights = fisher.masked_fill(dense == 0, 0);
      weights = at::where(weights.sum(1, true) == 0, at::ones_like(weights), weights).contiguous();
      const at::Tensor init = GoldenTensor(file, name + ".given.init");
      const at::Tensor lut = GoldenTensor(file, name + ".given.lut");
      const at::Tensor labels = GoldenTensor(file, name + ".given.labels");
      const auto width = static_cast<std::size_t>(dense.size(1));
      for (std::int64_t row = 0; row < dense.size(0); ++row) {
        SCOPED_TRACE(row);
        const auto floats = [&](const at::Tensor& t) { return t[row].const_data_ptr<float>(); };
        const float* start = floats(init);
        const Clusters found = LloydClusters({{floats(dense), width}, {floats(weights), width}},
                                             {start, start + init.size(1)}, 50);
        const double size = dense[row].abs().max().item<double>();
        EXPECT_TRUE(TensorNear(at::tensor(found.centers), lut[row], 1e-6 * size, 0));
        EXPECT_TRUE(at::equal(at::tensor(found.labels), labels[row]));
      }
    }
  }
}

TEST_F(SqueezeLlmGoldenTest, TablesLoseLittleMoreThanTheBestOnes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "squeezellm_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(.+\\.w\\d+)\\.sse")) {
      const GoldenSplit split = SplitOf(file, name.substr(0, name.find('.')));
      const double best = GoldenDoubles(file, name + ".sse_optimal").sum().item<double>();
      const double original = GoldenDoubles(file, name + ".sse").sum().item<double>();
      double drawn = 0;
      constexpr std::uint64_t kSeeds = 5;
      for (std::uint64_t seed = 0; seed <= kSeeds; ++seed) {
        const std::string solver = seed < kSeeds ? "kmeans" : "exact";
        SCOPED_TRACE(path + " " + name + " " + solver);
        LayerContext layer = testing::GoldenLayer(weight, SpecOf(name));
        layer.fisher = GoldenTensor(file, "fisher");
        layer.seed = seed;
        const auto scheme =
            RoundingSchemes()
                .FromText("type: squeezellm\noutlier_range: " + testing::Digits(split.range) +
                          "\nsensitive_share: " + testing::Digits(split.share) +
                          "\nsolver: " + solver)
                .make();
        const auto state = scheme->Begin(layer);
        const double error = state->Diagnose().at("weighted_error")[0];
        EXPECT_GE(error, best * (1 - 1e-5));
        if (solver == "exact") {
          EXPECT_LE(error, best * (1 + 1e-5));
        } else {
          drawn += error / kSeeds;
        }
        // What is stored is what was counted, but for float16, which moves a value by a part in
        // 2^11.
        const at::Tensor decoded = state->Finish().Dequantize();
        const at::Tensor kept = SqueezeOutliers(weight, layer.fisher, split.range, split.share);
        const auto weighted = [&](const at::Tensor& gap) {
          const at::Tensor squares =
              (gap.square() * layer.fisher).masked_fill(kept.logical_or(weight == 0), 0);
          return std::sqrt(squares.sum(at::kDouble).item<double>());
        };
        EXPECT_NEAR(weighted(decoded - weight), std::sqrt(error), weighted(decoded / 2048));
      }
      // Drawn starts end a fifth above the optimum at most, or about where the original's did.
      EXPECT_LE(drawn, std::max(1.2 * best, 1.1 * original)) << path << " " << name;
    }
  }
}

}  // namespace
}  // namespace roundlab
