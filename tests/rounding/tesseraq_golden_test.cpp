#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/formats/json.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::Has;
using testing::LinearReplay;
using testing::MetadataNumber;
using testing::SpecOf;
using testing::TensorNear;

class TesseraQGoldenTest : public testing::GoldenTest {};

const char kTesseraQCases[] = "(w.*)\\.rounding0";
constexpr double kAFew = 2e-3;  // of the elements: a last bit decides what lies on the border

/// A case of a file, replayed.
class TesseraQCase {
 public:
  TesseraQCase(const SafetensorsFile& file, std::string name)
      : file_(file),
        name_(std::move(name)),
        stages_(ParseJson(file.metadata().at("thresholds"), "thresholds").size()),
        stage_steps_(static_cast<std::int64_t>(MetadataNumber(file, "iterations_per_stage"))),
        layer_(Layer()),
        replay_({.inputs = GoldenTensor(file, "X"),
                 .weight = GoldenTensor(file, "W"),
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
  at::Tensor Matrix(const at::Tensor& p) const { return p.detach().view(W().sizes()); }
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
        ->Of(at::linear(x, replay_.Layer().Finish().Dequantize()), at::linear(x, W()))
        .item<double>();
  }

 private:
  at::Tensor W() const { return GoldenTensor(file_, "W"); }
  std::unique_ptr<LayerRounding> Layer() const {
    const double factor = MetadataNumber(file_, "scale_lr") / MetadataNumber(file_, "lr");
    const std::string recipe = "type: tesseraq\nthresholds: " + file_.metadata().at("thresholds") +
                               "\nscale_lr_factor: " + testing::Digits(factor) +
                               "\nscale_decay: " + file_.metadata().at("scale_weight_decay") +
                               "\ntune_scale: " + (TunesScale() ? "true" : "false");
    return RoundingSchemes().FromText(recipe).make()->Begin(GoldenLayer(W(), SpecOf(name_)));
  }

  const SafetensorsFile& file_;
  std::string name_;
  std::size_t stages_;
  std::int64_t stage_steps_;
  std::unique_ptr<LayerRounding> layer_;
  LinearReplay replay_;
};

/// +1 and -1 where a logit is frozen up and down, else 0.
at::Tensor FrozenMask(const at::Tensor& logit) {
  return at::where(logit.isinf(), logit.sign(), 0).to(at::kLong);
}

/// Logits of ours within a tenth of a step, but for a few.
void ExpectLogits(const at::Tensor& ours, const at::Tensor& golden) {
  const at::Tensor same_freeze = FrozenMask(ours) == FrozenMask(golden);
  const at::Tensor soft = ours.isinf().logical_or(golden.isinf()).logical_not();
  const at::Tensor near = (ours - golden).abs() <= 5e-5;
  const at::Tensor good = same_freeze.logical_and(soft.logical_not().logical_or(near));
  EXPECT_GE(good.to(at::kDouble).mean().item<double>(), 1 - kAFew);
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

TEST_F(TesseraQGoldenTest, StagesLossesAndCodes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "tesseraq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, kTesseraQCases)) {
      SCOPED_TRACE(path + " " + name);
      TesseraQCase golden(file, name);
      const at::Tensor losses = golden.Golden(".loss");
      for (std::int64_t step = 0; step < losses.size(0); ++step) {
        SCOPED_TRACE("step " + std::to_string(step + 1));
        const std::string mask =
            ".stage" + std::to_string(step / golden.StageSteps() + 1) + ".mask";
        if (step % golden.StageSteps() == 0 && golden.HasGolden(mask)) {
          EXPECT_LE(Differing(FrozenMask(golden.Logit()), golden.Golden(mask)), kAFew);
        }
        const double expected = losses[step].item<double>();
        EXPECT_NEAR(golden.Backward(step), expected, 1e-4 * expected);
        const std::string after = ".step" + std::to_string(step + 1);
        if (golden.HasGolden(after + ".grad_rounding")) {
          const at::Tensor gradient = golden.Golden(after + ".grad_rounding");
          EXPECT_TRUE(TensorNear(golden.Matrix(golden.Replay().Parameter("logit").grad()), gradient,
                                 1e-4 * gradient.abs().max().item<double>(), 0));
        }
        if (golden.HasGolden(after + ".grad_scale_factor")) {
          const at::Tensor gradient = golden.Golden(after + ".grad_scale_factor");
          EXPECT_TRUE(
              TensorNear(golden.Replay().Parameter("scale_factor").grad().view(gradient.sizes()),
                         gradient, 1e-4 * gradient.abs().max().item<double>(), 0));
        }
        golden.Replay().Step(step);
        if (golden.HasGolden(after + ".rounding")) {
          ExpectLogits(golden.Logit(), golden.Golden(after + ".rounding"));
        }
        if (golden.HasGolden(after + ".scale_factor")) {
          const at::Tensor v = golden.Golden(after + ".scale_factor");
          EXPECT_TRUE(TensorNear(golden.Replay().Parameter("scale_factor").detach().view(v.sizes()),
                                 v, 1e-5, 0));
        }
        golden.Replay().Project(step);
      }
      const QuantizedWeight chosen = golden.Replay().Layer().Finish();
      EXPECT_LE(Differing(chosen.codes.to(at::kLong), golden.Golden(".codes")), kAFew);
      EXPECT_TRUE(TensorNear(chosen.scale, golden.Golden(".scale") * golden.Golden(".scale_factor"),
                             0, 1e-5));
      const double hard = golden.Golden(".hard_loss").item<double>();
      EXPECT_NEAR(golden.HardLoss(), hard, 1e-3 * hard);
    }
  }
}

}  // namespace
}  // namespace roundlab
