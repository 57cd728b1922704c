#include "rounding/schemes/squeezellm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "rounding/solvers/weighted_kmeans.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::MakeLayer;
using testing::RandomTensor;
using testing::RandomWeight;
using testing::TensorNear;

std::vector<float> Floats(const at::Tensor& t) {
  const float* data = t.const_data_ptr<float>();
  return {data, data + t.numel()};
}

/// Least error over all ways to label the values.
double BruteForce(const WeightedPoints& points, std::int64_t count) {
  const std::size_t n = points.values.size();
  std::vector<std::int64_t> labels(n, 0);
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    double error = 0;
    for (std::int64_t c = 0; c < count; ++c) {
      double w = 0;
      double s = 0;
      double q = 0;
      for (std::size_t i = 0; i < n; ++i) {
        if (labels[i] != c) continue;
        const double weight = points.weights[i];
        const double value = points.values[i];
        w += weight;
        s += weight * value;
        q += weight * value * value;
      }
      if (w > 0) error += q - s * s / w;
    }
    least = std::min(least, error);
    std::size_t i = 0;
    while (i < n && ++labels[i] == count) labels[i++] = 0;
    if (i == n) return least;
  }
}

TEST(WeightedKMeansTest, TheBestClustersAreThoseOfAllLabelings) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto values = Floats(RandomTensor({8}, seed));
    auto weights = Floats(RandomTensor({8}, seed + 100).square());
    if (seed % 3 == 0) weights[2] = weights[5] = 0;
    const WeightedPoints points{values, weights};
    for (const std::int64_t count : {1, 2, 3}) {
      const double least = BruteForce(points, count);
      EXPECT_NEAR(BestClusters(points, count).error, least, 1e-6 * least + 1e-7);
      EXPECT_GE(DrawnClusters(points, count, 50, seed).error, least - 1e-6);
    }
    EXPECT_NEAR(BestClusters(points, 8).error, 0, 1e-12);
  }
}

TEST(WeightedKMeansTest, CentersMoveToTheirMeansAndEmptyOnesToTheFarthest) {
  const std::vector<float> values = {0, 1, 10, 12};
  const std::vector<float> weights = {1, 3, 1, 1};
  const Clusters two = LloydClusters({values, weights}, {0, 10}, 50);
  EXPECT_EQ(two.centers, (std::vector<float>{0.75, 11}));
  EXPECT_EQ(two.labels, (std::vector<std::int64_t>{0, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(two.error, 0.75 + 2);
  // The third center has no value: 12, farthest of all from its own center, is given to it.
  const Clusters three = LloydClusters({values, weights}, {0, 10, 100}, 1);
  EXPECT_EQ(three.centers, (std::vector<float>{0.75, 10, 12}));
}

TEST(WeightedKMeansTest, EqualValuesNeedNoSecondCenter) {
  const std::vector<float> values(5, 0.5F);
  const std::vector<float> weights(5, 1.0F);
  for (const Clusters& found :
       {DrawnClusters({values, weights}, 4, 50, 1), BestClusters({values, weights}, 4)}) {
    EXPECT_EQ(found.error, 0);
    EXPECT_EQ(found.centers, (std::vector<float>(4, 0.5F)));
  }
}

TEST(SqueezeLlmTest, ExactTablesLoseNoMoreThanDrawnOnesNorNearestCodes) {
  const LayerContext layer = MakeLayer(RandomWeight(16, 96, 5), {3, -1});
  const auto lost = [&](const std::string& recipe) {
    const at::Tensor gap =
        RoundingSchemes().FromText(recipe).make()->Begin(layer)->Finish().Dequantize() -
        layer.weight;
    return (gap.square() * layer.fisher).sum(at::kDouble).item<double>();
  };
  const double exact = lost("type: squeezellm\nsolver: exact");
  EXPECT_LE(exact, lost("type: squeezellm") * 1.0001);
  EXPECT_LT(exact, 0.8 * lost("type: rtn"));
}

TEST(SqueezeLlmTest, OutliersAreKeptInFloat16) {
  at::Tensor weight = RandomWeight(8, 64, 1);
  weight[2][7] = 3.0001;
  const LayerContext layer = MakeLayer(weight, {2, -1});
  const auto state = RoundingSchemes()
                         .FromText("type: squeezellm\noutlier_range: 3\nsensitive_share: 0.01")
                         .make()
                         ->Begin(layer);
  const at::Tensor kept = SqueezeOutliers(weight, layer.fisher, 3, 0.01);
  EXPECT_TRUE(kept[2][7].item<bool>());
  const QuantizedWeight rounded = state->Finish();
  EXPECT_TRUE(at::equal(rounded.Dequantize().masked_select(kept),
                        weight.to(at::kHalf).to(at::kFloat).masked_select(kept)));
  const auto count = kept.sum().item<double>();
  EXPECT_EQ(state->Diagnose().at("outliers")[0], count / 512);
  EXPECT_NEAR(rounded.BitsPerWeight(), 2 + (4.0 * 16 * 8 + 48 * count) / 512, 1e-12);
  // floor(0.01 * 512) = 5 are looked at, of which the fifth stays.
  EXPECT_EQ(SqueezeOutliers(weight, layer.fisher, 0, 0.01).sum().item<std::int64_t>(), 4);
}

TEST(SqueezeLlmTest, RowsWithoutSensitivityAreTold) {
  LayerContext layer = MakeLayer(RandomWeight(4, 32, 1), {2, -1});
  layer.fisher[1].zero_();
  layer.fisher[3].zero_();
  std::string told;
  layer.tell = [&](const std::string& text) { told = text; };
  const auto state = RoundingSchemes().FromText("type: squeezellm").make()->Begin(layer);
  EXPECT_EQ(told, "layer: 2 rows have no sensitivity: their weights count alike");
  EXPECT_EQ(state->Diagnose().at("unweighted_rows")[0], 2);
  // A channel that is never active says nothing of any row.
  layer.inputs = std::make_shared<InputStatistics>();
  RoundingSchemes().FromText("type: squeezellm\nsensitivity: inputs").make()->Begin(layer);
  EXPECT_EQ(told, "layer: 4 rows have no sensitivity: their weights count alike");
  told.clear();
  layer.fisher[2][3] = std::numeric_limits<float>::infinity();
  RoundingSchemes().FromText("type: squeezellm").make()->Begin(layer);
  EXPECT_EQ(told, "layer: 4 rows have no sensitivity: their weights count alike");
}

TEST(SqueezeLlmTest, ErrorsAreExact) {
  const auto begin = [](const std::string& recipe, const LayerContext& layer) {
    return ErrorOf([&] { RoundingSchemes().FromText(recipe).make()->Begin(layer); });
  };
  LayerContext layer = MakeLayer(RandomWeight(4, 8, 1), {4, -1});
  EXPECT_EQ(begin("type: squeezellm", layer),
            "layer: scheme 'squeezellm' with quant.bits 4: a table of 16 values is larger than its "
            "row of 8 weights");
  layer.spec.bits = 2;
  layer.fisher.reset();
  EXPECT_EQ(begin("type: squeezellm", layer),
            "layer: scheme 'squeezellm' needs gradients of the model's loss");
  layer.inputs.reset();
  EXPECT_EQ(begin("type: squeezellm\nsensitivity: inputs", layer),
            "layer: scheme 'squeezellm' needs calibration data");
  layer.weight[1][2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(begin("type: squeezellm", layer), "layer: a weight is not finite");
  EXPECT_EQ(ErrorOf([] { RoundingSchemes().FromText("type: squeezellm\nsensitive_share: 1"); }),
            "builtin:2:18: rounding scheme.sensitive_share: 1 is out of range [0, 0.5]");
}

}  // namespace
}  // namespace roundlab
