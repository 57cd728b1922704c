#include "rounding/schemes/adaround.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rounding/tuner/tune_options.h"
#include "tests/rounding/adaround_fit.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/noisy_twins.h"
#include "tests/rounding/tuning.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::Has;
using testing::Layers;
using testing::OptionsOf;
using testing::Recorder;
using testing::Rounded;
using testing::SpecOfScale;
using testing::StepsWithout;
using testing::TensorNear;

/// What a schedule of a file is walked with.
struct AdaRoundHow {
  AdaRound::Options options;
  double rate = 1e-3;  ///< of Adam

  std::string Recipe() const {
    const bool cosine = options.beta_schedule == BetaSchedule::kCosine;
    return "type: adaround\nreg_weight: " + testing::Digits(options.reg_weight) +
           "\nbeta_start: " + testing::Digits(options.beta_start) +
           "\nbeta_end: " + testing::Digits(options.beta_end) +
           "\nwarmup: " + testing::Digits(options.warmup) +
           "\nbeta_schedule: " + (cosine ? "cosine" : "linear");
  }
};

constexpr double kEps = std::numeric_limits<float>::epsilon();

/// One schedule of a file, walked by our own layer, Adam and loss.
class AdaRoundReplay {
 public:
  AdaRoundReplay(const SafetensorsFile& file, const AdaRoundHow& how, std::uint64_t noise = 0)
      : inputs_(testing::OtherLastBits(GoldenTensor(file, "X"), noise, kEps)),
        rows_(GoldenTensor(file, "idx")),
        weight_(GoldenTensor(file, "W")),
        targets_(at::mm(inputs_, weight_.t())),
        rate_(how.rate),
        optimizer_recipe_("type: adam\nlr: " + testing::Digits(rate_)) {
    const QuantSpec spec = SpecOfScale(weight_, GoldenTensor(file, "scale"));
    layer_ = RoundingSchemes().FromText(how.Recipe()).make()->Begin(GoldenLayer(weight_, spec));
    layout_ = GoldenLayer(weight_, spec).Layout();
    ParamGroups groups;
    groups.emplace_back(layer_->Parameters()[0].tensors);
    optimizer_ = Optimizers().FromText(optimizer_recipe_).make(std::move(groups));
  }

  std::int64_t Steps() const { return rows_.size(0); }
  double Progress(std::int64_t step) const {
    return static_cast<double>(step) / static_cast<double>(Steps());
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
    const at::Tensor penalty = layer_->Penalty(Progress(step));
    const Losses losses{loss.item<double>(), penalty.defined() ? penalty.item<double>() : 0};
    if (penalty.defined()) loss = loss + penalty;
    loss.backward();
    return losses;
  }
  void Move() { optimizer_->step(); }
  double Rate() const { return rate_; }

  /// The same path by the tuner itself, with the file's rows.
  void Tune(Recorder* recorder) {
    LinearSlot slot;
    slot.name = "golden";
    slot.weight = weight_;
    TuneOptions options;
    options.optimizer = Optimizers().FromText(optimizer_recipe_);
    options.schedule = Schedules().FromText("type: constant");
    options.loss = ::roundlab::Losses().FromText("type: sum_squares");
    options.loss_scale = 1;
    options.steps = Steps();
    options.select = Select::kLast;
    options.never_worse = false;  // as the original
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
  at::Tensor Logit() const { return layout_.Join(Parameter().detach()); }
  at::Tensor Gradient() const { return layout_.Join(Parameter().grad()); }

 private:
  at::Tensor Parameter() const { return layer_->Parameters()[0].tensors[0]; }

  at::Tensor inputs_;
  at::Tensor rows_;
  at::Tensor weight_;
  at::Tensor targets_;
  double rate_;
  std::string optimizer_recipe_;
  GroupLayout layout_;
  std::unique_ptr<LayerRounding> layer_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::unique_ptr<Loss> loss_ = ::roundlab::Losses().FromText("type: sum_squares").make();
};

/// A golden penalty and a golden way of logits, as a multiple of ours.
struct Ratios {
  double penalty = 1;
  double way = 1;
};

/// Of the first penalty and of the first logits that the file keeps: those of the largest
/// gradients, as a logit is known to its eps.
Ratios RatiosToOurs(const SafetensorsFile& file, const std::string& schedule,
                    const AdaRoundHow& how) {
  constexpr std::int64_t kLargest = 100;
  const at::Tensor gradient = GoldenTensor(file, "grad_alpha_step1").abs().flatten();
  const at::Tensor place = std::get<1>(gradient.topk(std::min(kLargest, gradient.numel())));
  const at::Tensor start = GoldenTensor(file, "alpha0");
  const auto way = [&](const at::Tensor& t) { return (t - start).flatten().index({place}); };
  const std::int64_t first_penalty = StepsWithout(file, schedule);
  AdaRoundReplay replay(file, how);
  Ratios ratios;
  bool found = false;
  for (std::int64_t step = 0; step < replay.Steps() && (!found || step <= first_penalty); ++step) {
    const auto [rec, reg] = replay.Backward(step);
    if (step == first_penalty) {
      ratios.penalty = GoldenTensor(file, schedule + ".reg_loss")[step].item<double>() / reg;
    }
    replay.Move();
    const std::string logit = schedule + ".alpha_step" + std::to_string(step + 1);
    if (found || !Has(file, logit)) continue;
    found = true;
    ratios.way = (way(GoldenTensor(file, logit)) / way(replay.Logit())).median().item<double>();
  }
  return ratios;
}

/// The rate and the penalty's weight that the file's logits and losses tell, to so many digits that
/// another formula's would not be taken for another weight.
AdaRoundHow HowOf(const SafetensorsFile& file, const std::string& schedule) {
  AdaRoundHow how{OptionsOf(file, schedule)};
  // A way is about in proportion to the rate: each pass leaves a tenth of what is off.
  for (int pass = 0; pass < 6; ++pass) {
    const Ratios ratios = RatiosToOurs(file, schedule, how);
    how.rate *= ratios.way;
    how.options.reg_weight *= ratios.penalty;
  }
  how.rate = Rounded(how.rate, 4);
  how.options.reg_weight = Rounded(how.options.reg_weight, 2);
  return how;
}

/// The part of each step's loss by which it may be off: kPart, or what twins show where an eps of
/// the inputs parts them by more. Outputs of many bits are so near to the originals that the gap
/// has few bits of its own.
std::vector<double> LossParts(const SafetensorsFile& file, const AdaRoundHow& how) {
  constexpr double kPart = 1e-5;
  const std::string name = "rec_loss";
  const auto walk = [&](std::uint64_t noise) {
    AdaRoundReplay replay(file, how, noise);
    std::vector<double> losses;
    for (std::int64_t step = 0; step < replay.Steps(); ++step) {
      losses.push_back(replay.Backward(step).reconstruction);
      replay.Move();
    }
    return testing::GoldenPath{{name, at::tensor(losses, at::kDouble)}};
  };
  const at::Tensor slack = testing::NoisyTwins(walk(0), walk).SeriesSlack(name);
  const at::Tensor part = at::where(slack > testing::NoisyTwins::kTimes * kPart, slack, kPart);
  const double* parts = part.const_data_ptr<double>();
  return {parts, parts + part.numel()};
}

class AdaRoundGoldenTest : public testing::GoldenTest {
 protected:
  using Check = std::function<void(const SafetensorsFile& file, const std::string& schedule)>;
  static void ForAllSchedules(const Check& check) {
    ROUNDLAB_GOLDENS_OR_SKIP(files, "adaround_golden");
    for (const std::string& path : files) {
      const SafetensorsFile file(path);
      for (const std::string& schedule : CasesOf(file, R"((.+)\.rec_loss)")) {
        SCOPED_TRACE(path + " " + schedule);
        check(file, schedule);
      }
    }
  }
};

/// A gradient that is large at first may pass by 0 later, where noise is as large as it is: the
/// original with inputs' other last bits is as far from itself there.
constexpr double kFewLogits = 1e-3;

/// Logits of an element whose first gradient stands out of the noise that gradients are compared
/// with; Adam moves the others by its whole rate whichever sign the noise gives them. `moved`, the
/// rates of all steps, is off by the part that a gradient is off by: an eps of the largest.
void ExpectLogits(const at::Tensor& ours, const at::Tensor& golden, const SafetensorsFile& file,
                  double moved) {
  const at::Tensor gradient = GoldenTensor(file, "grad_alpha_step1").abs();
  const at::Tensor sure = (gradient > 1e-4 * gradient.max()).logical_or(gradient == 0);
  const at::Tensor bound = 3e-6 + moved * 1e-6 * gradient.max() / gradient.clamp_min(1e-30);
  const at::Tensor off = ((ours - golden).abs() > bound).masked_select(sure);
  EXPECT_LE(off.to(at::kDouble).mean().item<double>(), kFewLogits);
}

void ExpectLogitGradient(const at::Tensor& ours, const at::Tensor& golden) {
  EXPECT_TRUE(
      TensorNear(ours, golden, testing::kGradientNoise * golden.abs().max().item<double>(), 0));
}

TEST_F(AdaRoundGoldenTest, StartsAtTheFractionOnTheSameGrid) {
  ForAllSchedules([](const SafetensorsFile& file, const std::string& schedule) {
    AdaRoundReplay replay(file, HowOf(file, schedule));
    const QuantizedWeight start = replay.Layer().Finish();
    EXPECT_TRUE(TensorNear(start.scale, GoldenTensor(file, "scale"), 0, 0));
    EXPECT_TRUE(TensorNear(start.zero.to(at::kLong), GoldenTensor(file, "zp"), 0, 0));
    // The slope of the logit is 1 / (f (1 - f)) <= 14.4 in the fraction f + 0.1, known to an eps of
    // the position (at most 15).
    EXPECT_TRUE(TensorNear(replay.Logit(), GoldenTensor(file, "alpha0"), 3e-6, 0));
  });
}

TEST_F(AdaRoundGoldenTest, FirstGradient) {
  ForAllSchedules([](const SafetensorsFile& file, const std::string& schedule) {
    AdaRoundReplay replay(file, HowOf(file, schedule));
    replay.Backward(0);
    ExpectLogitGradient(replay.Gradient(), GoldenTensor(file, "grad_alpha_step1"));
  });
}

TEST_F(AdaRoundGoldenTest, ExponentOfThePenalty) {
  ForAllSchedules([](const SafetensorsFile& file, const std::string& schedule) {
    const AdaRound::Options options = OptionsOf(file, schedule);
    const at::Tensor beta = GoldenTensor(file, schedule + ".beta");
    for (std::int64_t step = 0; step < beta.size(0); ++step) {
      const double progress = static_cast<double>(step) / static_cast<double>(beta.size(0));
      if (progress < options.warmup) continue;
      EXPECT_NEAR(options.Beta(progress), beta[step].item<double>(), 1e-5) << "step " << step;
    }
  });
}

TEST_F(AdaRoundGoldenTest, LossesLogitsAndCodes) {
  ForAllSchedules([](const SafetensorsFile& file, const std::string& schedule) {
    const AdaRoundHow how = HowOf(file, schedule);
    const std::vector<double> parts = LossParts(file, how);
    AdaRoundReplay replay(file, how);
    const at::Tensor reconstruction = GoldenTensor(file, schedule + ".rec_loss");
    const at::Tensor penalty = GoldenTensor(file, schedule + ".reg_loss");
    for (std::int64_t step = 0; step < replay.Steps(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step + 1));
      const auto [rec, reg] = replay.Backward(step);
      const double rec_golden = reconstruction[step].item<double>();
      const double reg_golden = penalty[step].item<double>();
      EXPECT_NEAR(rec, rec_golden, parts.at(static_cast<std::size_t>(step)) * rec_golden);
      EXPECT_NEAR(reg, reg_golden, 1e-5 * reg_golden);
      const std::string after = "alpha_step" + std::to_string(step + 1);
      const std::string gradient = schedule + ".grad_" + after;
      if (Has(file, gradient)) ExpectLogitGradient(replay.Gradient(), GoldenTensor(file, gradient));
      replay.Move();
      const std::string logit = schedule + "." + after;
      if (!Has(file, logit)) continue;
      ExpectLogits(replay.Logit(), GoldenTensor(file, logit), file,
                   replay.Rate() * static_cast<double>(step + 1));
    }
    const at::Tensor codes = GoldenTensor(file, schedule + ".codes").to(at::kByte);
    EXPECT_TRUE(TensorNear(replay.Layer().Finish().codes, codes, 0, 0));
  });
}

TEST_F(AdaRoundGoldenTest, TheTunerTakesTheSameSteps) {
  ForAllSchedules([](const SafetensorsFile& file, const std::string& schedule) {
    const AdaRoundHow how = HowOf(file, schedule);
    const std::vector<double> parts = LossParts(file, how);
    AdaRoundReplay replay(file, how);
    Recorder recorder;
    replay.Tune(&recorder);
    const auto& losses = recorder.values.at("tune/golden/loss");
    const auto& penalties = recorder.values.at("tune/golden/penalty");
    const auto& penalty_steps = recorder.steps.at("tune/golden/penalty");
    const at::Tensor reconstruction = GoldenTensor(file, schedule + ".rec_loss");
    const at::Tensor penalty = GoldenTensor(file, schedule + ".reg_loss");
    for (std::int64_t step = 0; step < replay.Steps(); ++step) {
      const double expected = reconstruction[step].item<double>();
      const auto at = static_cast<std::size_t>(step);
      EXPECT_NEAR(losses.at(at), expected, parts.at(at) * expected) << step;
    }
    for (std::size_t i = 0; i < penalties.size(); ++i) {
      const double expected = penalty[penalty_steps[i]].item<double>();
      EXPECT_NEAR(penalties[i], expected, 1e-5 * expected) << penalty_steps[i];
    }
    // All but the warm-up.
    EXPECT_EQ(static_cast<std::int64_t>(penalties.size()),
              (penalty > 0).sum().item<std::int64_t>());
    const at::Tensor codes = GoldenTensor(file, schedule + ".codes").to(at::kByte);
    EXPECT_TRUE(TensorNear(replay.Layer().Finish().codes, codes, 0, 0));
  });
}

}  // namespace
}  // namespace roundlab
