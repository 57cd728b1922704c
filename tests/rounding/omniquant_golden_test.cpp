#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/rounding/block_replay.h"

namespace roundlab {
namespace {

using testing::BlockReplay;
using testing::CasesOf;
using testing::Differing;
using testing::GoldenLayer;
using testing::GoldenPath;
using testing::GoldenTensor;
using testing::Has;
using testing::NoisyTwins;
using testing::SpecOf;
using testing::TensorNear;

class OmniQuantGoldenTest : public testing::GoldenTest {};

const char kLowBound[] = "lowbound";
const char kHighBound[] = "upbound";

/// Position of a bound in the parameter group "clip".
std::size_t Index(const std::string& bound) { return bound == kLowBound ? 0 : 1; }

TEST_F(OmniQuantGoldenTest, GridsCodesAndGradients) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W." + file.metadata().at("layer"));
    const at::Tensor x = GoldenTensor(file, "fg.X");
    for (const std::string& name : CasesOf(file, "(fg\\.w.*\\.[^.]+)\\.scale")) {
      SCOPED_TRACE(path + " " + name);
      const auto golden = [&](const std::string& key) {
        return GoldenTensor(file, name + "." + key);
      };
      const auto layer = RoundingSchemes()
                             .FromText("type: omniquant")
                             .make()
                             ->Begin(GoldenLayer(weight, SpecOf(name)));
      const auto bounds = layer->Parameters()[0].tensors;
      for (const char* bound : {kLowBound, kHighBound}) {
        if (!Has(file, name + "." + bound)) continue;  // "init": where the scheme starts
        const c10::NoGradGuard no_grad;
        bounds[Index(bound)].copy_(golden(bound).flatten());
      }
      const QuantizedWeight rounded = layer->Finish();
      EXPECT_TRUE(TensorNear(rounded.scale, golden("scale"), 0, 1e-6));
      EXPECT_LE(Differing(rounded.zero.to(at::kLong), golden("zero")), 1e-3);
      if (Has(file, name + ".codes")) {
        EXPECT_LE(Differing(rounded.codes.to(at::kLong), golden("codes")), 1e-3);
      }
      const at::Tensor loss =
          at::mse_loss(at::mm(x, layer->SoftWeight().t()), at::mm(x, weight.t()));
      const double expected = golden("loss").item<double>();
      EXPECT_NEAR(loss.item<double>(), expected, 1e-4 * expected);
      loss.backward();
      for (const char* bound : {kLowBound, kHighBound}) {
        const at::Tensor gradient = golden(std::string("grad_") + bound);
        const at::Tensor ours = bounds[Index(bound)].grad().view(gradient.sizes());
        EXPECT_TRUE(TensorNear(ours, gradient, 1e-4 * gradient.abs().max().item<double>(), 0))
            << bound;
      }
    }
  }
}

TEST_F(OmniQuantGoldenTest, TheBlockReproducesItsTargets) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const BlockReplay replay(file, {.scheme = "type: omniquant", .optimizer = "type: adamw"});
    const double largest = replay.Targets().abs().max().item<double>();
    EXPECT_TRUE(TensorNear(replay.Outputs(), replay.Targets(), 2e-6 * largest, 0));
  }
}

double PartOff(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs() > 1e-3).to(at::kDouble).mean().item<double>();
}

/// Metadata's rate and batch, else the README's rate and the given batch.
testing::BlockSteps HowToStep(const SafetensorsFile& file, const std::string& name,
                              std::int64_t batch) {
  const std::int64_t rows = GoldenTensor(file, "X").size(0);
  const std::string lr = testing::Digits(testing::MetadataNumberOr(file, "lr", 1e-2));
  return {.scheme = "type: omniquant",
          .spec = SpecOf(name),
          .optimizer = "type: adamw\nlr: " + lr + "\nweight_decay: 0",
          .steps = GoldenTensor(file, name + ".loss").size(0),
          .rows = [&file, rows, batch](std::int64_t step) {
            return testing::RowsOfStep(file, rows, step, batch);
          }};
}

/// The batch whose first loss is nearest to the file's, for one that tells none.
std::int64_t BatchOf(const SafetensorsFile& file, const std::string& name) {
  const double expected = GoldenTensor(file, name + ".loss")[0].item<double>();
  const std::int64_t rows = GoldenTensor(file, "X").size(0);
  std::int64_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t batch = 1; batch <= rows; ++batch) {
    const double loss = BlockReplay(file, HowToStep(file, name, batch)).Backward(0);
    if (std::abs(loss - expected) >= least) continue;
    least = std::abs(loss - expected);
    best = batch;
  }
  return best;
}

/// All that the file tells of a trajectory.
GoldenPath WalkOmniQuant(const SafetensorsFile& file, const std::string& name, std::int64_t batch,
                         std::uint64_t noise) {
  testing::BlockSteps how = HowToStep(file, name, batch);
  how.noise = noise;
  BlockReplay replay(file, how);
  GoldenPath path;
  const auto keep = [&](const std::string& state, const auto& value) {
    for (const std::string& linear : BlockReplay::Names()) {
      for (const char* bound : {kLowBound, kHighBound}) {
        const std::string key = state + bound + "." + linear;
        if (!Has(file, name + key)) continue;
        path[key] = value(replay.Parameter(linear, "clip", Index(bound))).clone();
      }
    }
  };
  std::vector<double> losses;
  for (std::int64_t step = 0; step < how.steps; ++step) {
    const std::string state = ".step" + std::to_string(step + 1) + ".";
    losses.push_back(replay.Backward(step));
    keep(state + "grad_", [](const at::Tensor& p) { return p.grad(); });
    replay.Move(step);
    keep(state, [](const at::Tensor& p) { return p.detach(); });
  }
  path[".loss"] = at::tensor(losses, at::kDouble);
  return path;
}

/// Gradients near ours, and 90 % of the bounds within 1e-3 (README), or as many as twins show.
void ExpectBounds(const std::string& key, at::Tensor golden, const NoisyTwins& twins) {
  const at::Tensor ours = twins.Path().at(key);
  golden = golden.view(ours.sizes());
  if (key.find(".grad_") != std::string::npos) {
    EXPECT_TRUE(TensorNear(ours, golden, 1e-4 * golden.abs().max().item<double>(), 0)) << key;
    return;
  }
  EXPECT_LE(PartOff(ours, golden), std::max(0.1, twins.Slack(key, PartOff))) << key;
}

TEST_F(OmniQuantGoldenTest, TwentyStepsOfAdamWOnABlock) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "omniquant_lwc_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, "(traj\\.w[^.]+)\\.loss")) {
      SCOPED_TRACE(path + " " + name);
      const std::int64_t batch = BatchOf(file, name);
      const auto walk = [&](std::uint64_t noise) {
        return WalkOmniQuant(file, name, batch, noise);
      };
      const NoisyTwins twins(walk(0), walk);
      for (const auto& [key, ours] : twins.Path()) {
        if (key != ".loss") ExpectBounds(key, GoldenTensor(file, name + key), twins);
      }
      testing::ExpectLosses(GoldenTensor(file, name + ".loss"), twins.Path().at(".loss"), 1e-2,
                            twins, ".loss");
    }
  }
}

}  // namespace
}  // namespace roundlab
