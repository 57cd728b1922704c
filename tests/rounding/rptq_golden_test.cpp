#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "rounding/channel_clusters.h"
#include "rounding/solvers/kmeans.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

constexpr double kRptqTolerance = 1e-6;

class RptqGoldenTest : public testing::GoldenTest {};

/// (max, min) of each channel, a matrix a head: [heads, channels, 2].
at::Tensor Points(const SafetensorsFile& file, const std::string& site, std::int64_t heads) {
  const at::Tensor high = GoldenTensor(file, site + ".xmax");
  return at::stack({high, GoldenTensor(file, site + ".xmin")}, 1)
      .to(at::kDouble)
      .view({heads, -1, 2});
}

TEST_F(RptqGoldenTest, KMeansFromGivenCentersIsTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "rptq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& site : CasesOf(file, R"((\w+)\.given\.init)")) {
      const at::Tensor start = GoldenDoubles(file, site + ".given.init");
      const at::Tensor points = Points(file, site, start.size(0));
      for (std::int64_t head = 0; head < start.size(0); ++head) {
        SCOPED_TRACE(site + " head " + std::to_string(head));
        const Clustering found = KMeans(points[head], start[head]);
        EXPECT_TRUE(at::equal(found.labels, GoldenTensor(file, site + ".given.labels")[head]));
        EXPECT_TRUE(TensorNear(found.centers, GoldenDoubles(file, site + ".given.centers")[head],
                               kRptqTolerance, 0));
      }
    }
  }
}

/// The file's best of ten drawn starts; ours are drawn otherwise.
TEST_F(RptqGoldenTest, DrawnClustersAreAboutAsTightAsTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "rptq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& site : CasesOf(file, R"((\w+)\.inertia)")) {
      const at::Tensor inertia = GoldenDoubles(file, site + ".inertia");
      const std::int64_t heads = inertia.numel();
      const at::Tensor points = Points(file, site, heads);
      const std::int64_t clusters = GoldenTensor(file, site + ".counts").numel() / heads;
      SCOPED_TRACE(site);
      double sum = 0;  // a head has few channels, of which one may go to either of two clusters
      for (std::int64_t head = 0; head < heads; ++head) {
        sum += KMeansFromDraws(points[head], clusters, 10, 0).inertia;
      }
      EXPECT_LE(sum, 1.1 * inertia.sum().item<double>());
    }
  }
}

/// The file's clusters: channels of `index`, `counts` of them each.
TEST_F(RptqGoldenTest, QuantizersOfItsClustersAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "rptq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((\w+\.a\d+)\.scale)")) {
      SCOPED_TRACE(name);
      const std::string site = name.substr(0, name.find('.'));
      const at::Tensor index = GoldenTensor(file, site + ".index");
      const at::Tensor counts = GoldenTensor(file, site + ".counts");
      const at::Tensor in_order = at::repeat_interleave(counts);
      const at::Tensor labels = at::empty_like(in_order).index_copy(0, index, in_order);
      const at::Tensor x = GoldenTensor(file, site + ".X");
      ActivationSpec spec;
      spec.bits = std::stoll(name.substr(name.find(".a") + 2));
      spec.grid = CodeKind::kCentered;
      spec.per = RangePer::kCluster;
      const ActivationQuantizer quantizer =
          ClusterQuantizer({x.amin({0, 1}), x.amax({0, 1})}, labels, spec);
      const auto reordered = [&](const at::Tensor& t) {
        return t.index_select(t.dim() - 1, index);
      };
      EXPECT_TRUE(TensorNear(reordered(quantizer.scale)[0], GoldenTensor(file, name + ".scale"), 0,
                             kRptqTolerance));
      EXPECT_TRUE(at::equal(reordered(quantizer.zero)[0].to(at::kLong),
                            GoldenTensor(file, name + ".zero")));
      EXPECT_TRUE(testing::SameCodes(reordered(quantizer.Codes(x)),
                                     GoldenTensor(file, name + ".codes"),
                                     reordered(x / quantizer.scale)));
    }
  }
}

}  // namespace
}  // namespace roundlab
