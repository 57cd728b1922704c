#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optimizers/optimizers.h"
#include "rounding/schemes/adaround.h"
#include "rounding/tuner/tune_options.h"
#include "tests/rounding/tuning.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::Layers;
using testing::Recorder;
using testing::TensorNear;

constexpr std::int64_t kSteps = 50;

/// The 50 steps of adaround_golden.safetensors on our own layer, Adam and loss.
class AdaRoundReplay {
 public:
  AdaRoundReplay(const SafetensorsFile& file, const std::string& schedule)
      : inputs_(GoldenTensor(file, "X")),
        rows_(GoldenTensor(file, "idx")),
        weight_(GoldenTensor(file, "W")),
        targets_(at::mm(inputs_, weight_.t())) {
    LayerContext context{
        "k_proj", weight_, {4, 32, GridKind::kAsym, ScaleType::kFloat32, false}, {}, 0};
    context.range = MinMaxRange(context.Layout().Split(weight_));
    layer_ = RoundingSchemes()
                 .FromText("type: adaround\nbeta_schedule: " + schedule)
                 .make()
                 ->Begin(context);
    ParamGroups groups;
    groups.emplace_back(layer_->Parameters()[0].tensors);
    optimizer_ = Optimizers().FromText("type: adam\nlr: 0.001").make(std::move(groups));
  }

  struct Losses {
    double reconstruction;
    double penalty;
  };
  Losses Backward(std::int64_t step) {
    optimizer_->zero_grad();
    const at::Tensor x = inputs_.index_select(0, rows_[step]);
    const at::Tensor y = at::mm(x, layer_->SoftWeight().t());
    at::Tensor loss = loss_->Of(y.unsqueeze(0), targets_.index_select(0, rows_[step]).unsqueeze(0));
    const at::Tensor penalty =
        layer_->Penalty(static_cast<double>(step) / static_cast<double>(kSteps));
    const Losses losses{loss.item<double>(), penalty.defined() ? penalty.item<double>() : 0};
    if (penalty.defined()) loss = loss + penalty;
    loss.backward();
    return losses;
  }
  void Move() { optimizer_->step(); }

  /// The same path by the tuner itself, with the file's rows.
  void Tune(Recorder* recorder) {
    LinearSlot slot;
    slot.name = "golden";
    slot.weight = weight_;
    TuneOptions options;
    options.optimizer = Optimizers().FromText("type: adam\nlr: 0.001");
    options.schedule = Schedules().FromText("type: constant");
    options.loss = ::roundlab::Losses().FromText("type: sum_squares");
    options.loss_scale = 1;
    options.steps = kSteps;
    options.select = Select::kLast;
    TunerHooks hooks;
    hooks.sink = recorder;
    hooks.rows = [this](std::int64_t step) { return rows_[step]; };
    Layers layers;
    layers.push_back(std::move(layer_));
    TuneUnit({"golden", {&slot}, [&](const at::Tensor& x) { return slot.Forward(x); }},
             {inputs_.unsqueeze(1), targets_.unsqueeze(1)}, layers, options, 0, hooks);
    layer_ = std::move(layers.front());
  }

  LayerRounding& Layer() { return *layer_; }
  at::Tensor Logit() const { return layer_->Parameters()[0].tensors[0].detach().view({64, 128}); }
  at::Tensor Gradient() const { return layer_->Parameters()[0].tensors[0].grad().view({64, 128}); }

 private:
  at::Tensor inputs_;
  at::Tensor rows_;
  at::Tensor weight_;
  at::Tensor targets_;
  std::unique_ptr<LayerRounding> layer_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::unique_ptr<Loss> loss_ = ::roundlab::Losses().FromText("type: sum_squares").make();
};

#define ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file)                                 \
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/adaround_golden.safetensors"); \
  const SafetensorsFile file(path)

/// On one thread: the products are too small for more.
class AdaRoundGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  void TearDown() override { at::set_num_threads(threads_); }

 private:
  int threads_ = at::get_num_threads();
};

const std::vector<std::string> kSchedules = {"linear", "cosine"};

TEST_F(AdaRoundGoldenTest, StartsAtTheFractionOnTheSameGrid) {
  ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file);
  AdaRoundReplay replay(file, "linear");
  const QuantizedWeight start = replay.Layer().Finish();
  EXPECT_TRUE(TensorNear(start.scale, GoldenTensor(file, "scale"), 0, 0));
  EXPECT_TRUE(TensorNear(start.zero.to(at::kLong), GoldenTensor(file, "zp"), 0, 0));
  // The slope of the logit is 1 / (f (1 - f)) <= 14.4 in the fraction f + 0.1, known to an eps of
  // the position (at most 15).
  EXPECT_TRUE(TensorNear(replay.Logit(), GoldenTensor(file, "alpha0"), 3e-6, 0));
}

TEST_F(AdaRoundGoldenTest, FirstGradient) {
  ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file);
  AdaRoundReplay replay(file, "linear");
  replay.Backward(0);
  const at::Tensor expected = GoldenTensor(file, "grad_alpha_step1");
  EXPECT_TRUE(
      TensorNear(replay.Gradient(), expected, 1e-5 * expected.abs().max().item<double>(), 0));
}

TEST_F(AdaRoundGoldenTest, ExponentOfThePenalty) {
  ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file);
  for (const std::string& schedule : kSchedules) {
    AdaRound::Options options;
    options.beta_schedule =
        std::string(schedule) == "linear" ? BetaSchedule::kLinear : BetaSchedule::kCosine;
    const at::Tensor beta = GoldenTensor(file, schedule + ".beta");
    for (std::int64_t step = 10; step < kSteps; ++step) {  // the warm-up is 0.2 of the steps
      EXPECT_NEAR(options.Beta(static_cast<double>(step) / kSteps), beta[step].item<double>(), 1e-5)
          << schedule << " step " << step;
    }
  }
}

TEST_F(AdaRoundGoldenTest, LossesLogitsAndCodes) {
  ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file);
  for (const std::string& schedule : kSchedules) {
    SCOPED_TRACE(schedule);
    AdaRoundReplay replay(file, schedule);
    const at::Tensor reconstruction = GoldenTensor(file, schedule + ".rec_loss");
    const at::Tensor penalty = GoldenTensor(file, schedule + ".reg_loss");
    for (std::int64_t step = 0; step < kSteps; ++step) {
      SCOPED_TRACE("step " + std::to_string(step + 1));
      const auto [rec, reg] = replay.Backward(step);
      const double rec_golden = reconstruction[step].item<double>();
      const double reg_golden = penalty[step].item<double>();
      EXPECT_NEAR(rec, rec_golden, 1e-5 * rec_golden);
      EXPECT_NEAR(reg, reg_golden, 1e-5 * reg_golden);
      if (step == 10) {
        const at::Tensor gradient = GoldenTensor(file, schedule + ".grad_alpha_step11");
        EXPECT_TRUE(
            TensorNear(replay.Gradient(), gradient, 1e-5 * gradient.abs().max().item<double>(), 0));
      }
      replay.Move();
      if (step == 0 || step == 9 || step == 19 || step == 49) {
        const at::Tensor logit =
            GoldenTensor(file, schedule + ".alpha_step" + std::to_string(step + 1));
        EXPECT_TRUE(TensorNear(replay.Logit(), logit, 3e-6, 0));
        at::Tensor d = (replay.Logit() - logit).abs();
      }
    }
    const at::Tensor codes = GoldenTensor(file, schedule + ".codes").to(at::kByte);
    EXPECT_TRUE(TensorNear(replay.Layer().Finish().codes, codes, 0, 0));
  }
}

TEST_F(AdaRoundGoldenTest, TheTunerTakesTheSameSteps) {
  ROUNDLAB_ADAROUND_GOLDEN_OR_SKIP(file);
  for (const std::string& schedule : kSchedules) {
    SCOPED_TRACE(schedule);
    AdaRoundReplay replay(file, schedule);
    Recorder recorder;
    replay.Tune(&recorder);
    const auto& losses = recorder.values.at("tune/golden/loss");
    const auto& penalties = recorder.values.at("tune/golden/penalty");
    const auto& penalty_steps = recorder.steps.at("tune/golden/penalty");
    const at::Tensor reconstruction = GoldenTensor(file, schedule + ".rec_loss");
    const at::Tensor penalty = GoldenTensor(file, schedule + ".reg_loss");
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const double expected = reconstruction[step].item<double>();
      EXPECT_NEAR(losses.at(static_cast<std::size_t>(step)), expected, 1e-5 * expected) << step;
    }
    for (std::size_t i = 0; i < penalties.size(); ++i) {
      const double expected = penalty[penalty_steps[i]].item<double>();
      EXPECT_NEAR(penalties[i], expected, 1e-5 * expected) << penalty_steps[i];
    }
    EXPECT_EQ(penalties.size(), 40U);  // all but the warm-up
    const at::Tensor codes = GoldenTensor(file, schedule + ".codes").to(at::kByte);
    EXPECT_TRUE(TensorNear(replay.Layer().Finish().codes, codes, 0, 0));
  }
}

}  // namespace
}  // namespace roundlab
