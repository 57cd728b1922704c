#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/formats/json.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/noisy_twins.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::GoldenLayer;
using testing::GoldenPath;
using testing::GoldenTensor;
using testing::Has;
using testing::LinearReplay;
using testing::MetadataNumber;
using testing::NoisyTwins;
using testing::SpecOf;
using testing::TensorNear;

class TesseraQGoldenTest : public testing::GoldenTest {};

const char kTesseraQCases[] = "(w.*)\\.rounding0";
constexpr double kAFew = 2e-3;  // of the elements: a last bit decides what lies on the border

/// A case of a file, replayed.
class TesseraQCase {
 public:
  TesseraQCase(const SafetensorsFile& file, std::string name, std::uint64_t noise = 0)
      : file_(file),
        name_(std::move(name)),
        weight_(testing::OtherLastBits(GoldenTensor(file, "W"), noise)),
        stages_(ParseJson(file.metadata().at("thresholds"), "thresholds").size()),
        stage_steps_(static_cast<std::int64_t>(MetadataNumber(file, "iterations_per_stage"))),
        layer_(Layer()),
        replay_({.inputs = GoldenTensor(file, "X"),
                 .weight = weight_,
                 .optimizer = "type: adam\nlr: " + file.metadata().at("lr"),
                 .loss = "type: sum_squares",
                 .steps = stage_steps_ * static_cast<std::int64_t>(stages_)},
                Layer()) {}

  at::Tensor Golden(const std::string& key) const { return GoldenTensor(file_, name_ + key); }
  bool HasGolden(const std::string& key) const { return Has(file_, name_ + key); }
  bool TunesScale() const { return HasGolden(".step1.scale_factor"); }

  /// The layer as it is made, before the first freezing.
  LayerRounding& Fresh() { return *layer_; }
  LinearReplay& Replay() { return replay_; }
  at::Tensor Matrix(const at::Tensor& p) const { return p.detach().view(weight_.sizes()); }
  at::Tensor Logit() { return Matrix(replay_.Parameter("logit")); }

  double Backward(std::int64_t step) {
    return replay_.Backward(testing::RowsOfStep(file_, GoldenTensor(file_, "X").size(0), step));
  }
  std::int64_t StageSteps() const { return stage_steps_; }
  /// Loss of the codes over all samples.
  double HardLoss() {
    const at::Tensor x = GoldenTensor(file_, "X");
    return Losses()
        .FromText("type: sum_squares")
        .make()
        ->Of(at::linear(x, replay_.Layer().Finish().Dequantize()), at::linear(x, weight_))
        .item<double>();
  }

 private:
  std::unique_ptr<LayerRounding> Layer() const {
    const double factor = MetadataNumber(file_, "scale_lr") / MetadataNumber(file_, "lr");
    const std::string recipe = "type: tesseraq\nthresholds: " + file_.metadata().at("thresholds") +
                               "\nscale_lr_factor: " + testing::Digits(factor) +
                               "\nscale_decay: " + file_.metadata().at("scale_weight_decay") +
                               "\ntune_scale: " + (TunesScale() ? "true" : "false");
    return RoundingSchemes().FromText(recipe).make()->Begin(GoldenLayer(weight_, SpecOf(name_)));
  }

  const SafetensorsFile& file_;
  std::string name_;
  at::Tensor weight_;
  std::size_t stages_;
  std::int64_t stage_steps_;
  std::unique_ptr<LayerRounding> layer_;
  LinearReplay replay_;
};

/// +1 and -1 where a logit is frozen up and down, else 0.
at::Tensor FrozenMask(const at::Tensor& logit) {
  return at::where(logit.abs() > 1e5, logit.sign(), 0).to(at::kLong);
}

/// Part of the logits that are frozen otherwise or more than a tenth of a step apart.
double LogitsApart(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor soft = a.abs().maximum(b.abs()) < 1e5;
  const at::Tensor far = ((a - b).abs() > 5e-5).logical_and(soft);
  return far.logical_or(FrozenMask(a) != FrozenMask(b)).to(at::kDouble).mean().item<double>();
}

TEST_F(TesseraQGoldenTest, StartsAtTheFractionOnTheSameGrid) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "tesseraq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, kTesseraQCases)) {
      SCOPED_TRACE(path + " " + name);
      TesseraQCase golden(file, name);
      const QuantizedWeight start = golden.Fresh().Finish();
      EXPECT_TRUE(TensorNear(start.scale, golden.Golden(".scale"), 0, 1e-6));
      EXPECT_LE(Differing(start.zero.to(at::kLong), golden.Golden(".zero")), kAFew);
      // A fraction is known to an eps of w / s; the logit's slope is at most 14.4.
      const at::Tensor logit = golden.Matrix(golden.Fresh().Parameters()[0].tensors[0]);
      const at::Tensor off = (logit - golden.Golden(".rounding0")).abs() > 1e-4;
      EXPECT_LE(off.to(at::kDouble).mean().item<double>(), kAFew);
    }
  }
}

/// All that the file tells of a case.
GoldenPath WalkTesseraQ(const SafetensorsFile& file, const std::string& name, std::uint64_t noise) {
  TesseraQCase walk(file, name, noise);
  GoldenPath path;
  const auto keep = [&](const std::string& key, const auto& value) {
    if (walk.HasGolden(key)) path[key] = value().clone();
  };
  const auto factor = [&] { return walk.Replay().Parameter("scale_factor"); };
  std::vector<double> losses;
  for (std::int64_t step = 0; step < walk.Golden(".loss").size(0); ++step) {
    const std::string stage = ".stage" + std::to_string(step / walk.StageSteps() + 1);
    if (step % walk.StageSteps() == 0) {
      keep(stage + ".mask", [&] { return FrozenMask(walk.Logit()); });
    }
    losses.push_back(walk.Backward(step));
    const std::string after = ".step" + std::to_string(step + 1);
    keep(after + ".grad_rounding",
         [&] { return walk.Matrix(walk.Replay().Parameter("logit").grad()); });
    keep(after + ".grad_scale_factor", [&] { return factor().grad(); });
    walk.Replay().Step(step);
    keep(after + ".rounding", [&] { return walk.Logit(); });
    keep(after + ".scale_factor", [&] { return factor().detach(); });
    walk.Replay().Project(step);
  }
  const QuantizedWeight chosen = walk.Replay().Layer().Finish();
  path[".loss"] = at::tensor(losses, at::kDouble);
  path[".codes"] = chosen.codes.to(at::kLong);
  path[".final_scale"] = chosen.scale;
  keep(".hard_loss", [&] { return at::full({1}, walk.HardLoss(), at::kDouble); });
  return path;
}

/// A scale follows from all elements of its group: one of the few that a last bit decides moves it.
void ExpectScales(const at::Tensor& ours, const at::Tensor& golden, const std::string& key,
                  const NoisyTwins& twins) {
  const double noise = 1e-5 * golden.abs().max().item<double>();
  const auto apart = [noise](const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs() > noise).to(at::kDouble).mean().item<double>();
  };
  const double two_groups = 2.0 / static_cast<double>(golden.numel());
  EXPECT_LE(apart(ours, golden), std::max(kAFew, two_groups) + twins.Slack(key, apart));
}

/// Ours beside the file's, and how far they may be apart where nothing is decided by last bits.
void ExpectTesseraQ(const std::string& key, at::Tensor golden, const NoisyTwins& twins) {
  SCOPED_TRACE(key);
  const at::Tensor ours = twins.Path().at(key);
  golden = golden.view(ours.sizes());
  if (key.ends_with(".scale_factor") || key == ".final_scale") {
    return ExpectScales(ours, golden, key, twins);
  }
  NoisyTwins::Distance distance = testing::LargestOff;
  double bound = 1e-5;
  if (key.ends_with(".mask") || key == ".codes") {
    distance = Differing;
    bound = kAFew;
  } else if (key.ends_with(".rounding")) {
    distance = LogitsApart;
    bound = kAFew;
  } else if (key.find(".grad_") != std::string::npos) {
    bound = 1e-4 * golden.abs().max().item<double>();
  } else if (key == ".hard_loss") {
    bound = 1e-3 * golden.item<double>();
  }
  EXPECT_LE(distance(ours, golden), bound + twins.Slack(key, distance));
}

TEST_F(TesseraQGoldenTest, StagesLossesAndCodes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "tesseraq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, kTesseraQCases)) {
      SCOPED_TRACE(path + " " + name);
      const auto golden = [&](const std::string& key) {
        return key == ".final_scale" ? GoldenTensor(file, name + ".scale") *
                                           GoldenTensor(file, name + ".scale_factor")
                                     : GoldenTensor(file, name + key);
      };
      const auto walk = [&](std::uint64_t noise) { return WalkTesseraQ(file, name, noise); };
      const NoisyTwins twins(walk(0), walk);
      for (const auto& [key, ours] : twins.Path()) {
        if (key != ".loss") ExpectTesseraQ(key, golden(key), twins);
      }
      testing::ExpectLosses(golden(".loss"), twins.Path().at(".loss"), 1e-4, twins, ".loss");
    }
  }
}

}  // namespace
}  // namespace roundlab
