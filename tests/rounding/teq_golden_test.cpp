#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rounding/stages/teq.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/golden_norm_block.h"
#include "tests/rounding/noisy_twins.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenNormBlock;
using testing::GoldenPath;
using testing::GoldenTensor;
using testing::NoisyTwins;
using testing::TensorNear;

constexpr double kTeqTolerance = 1e-5;    // golden README
constexpr double kAlphaTolerance = 1e-4;  // after 20 steps

/// Scales of one norm's readers, trained on a file's rows; with noise on inputs with other last
/// bits.
class TeqReplay {
 public:
  TeqReplay(const SafetensorsFile& file, const std::string& name, std::uint64_t noise = 0)
      : file_(file), block_(file, "W.", "norm") {
    QuantSpec spec = testing::SpecOf(name);
    if (spec.grid == GridKind::kSym) spec.grid = GridKind::kSymRestricted;
    inputs_ =
        testing::OtherLastBits(GoldenTensor(file, "x_normalised"), noise) * block_.Norm().weight;
    for (const at::Tensor& weight : block_.Weights())
      targets_.push_back(at::linear(inputs_, weight));
    TrainedScales::Specs specs(1);
    specs[0].assign(block_.Group().slots.size(), spec);
    scales_ = std::make_unique<TrainedScales>(std::vector<ScaleGroup>{block_.Group()},
                                              std::move(specs), TeqStart::kOnes);
    ParamGroups groups;
    groups.emplace_back(scales_->Parameters().at(0).tensors);
    const auto number = [&](const std::string& key) {
      return testing::Digits(testing::MetadataNumberOr(file, key, 0.9));
    };
    optimizer_ =
        Optimizers()
            .FromText("type: adam\nbeta1: " + number("beta1") + "\nbeta2: " + number("beta2"))
            .make(std::move(groups));
  }

  at::Tensor Alpha() { return scales_->Parameters().at(0).tensors.at(0); }
  /// Sum of the readers' mean squared errors over some rows.
  at::Tensor Loss(const at::Tensor& rows) {
    scales_->Install(Hardness::kSoft);
    at::Tensor sum = at::zeros({});
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const at::Tensor y = block_.Group().slots[i]->Forward(inputs_.index_select(0, rows));
      sum = sum + at::mse_loss(y, targets_[i].index_select(0, rows));
    }
    return sum;
  }
  double Step(std::int64_t step, double lr) {
    optimizer_->zero_grad();
    const at::Tensor loss = Loss(testing::RowsOfStep(file_, inputs_.size(0), step));
    loss.backward();
    for (auto& group : optimizer_->param_groups()) group.options().set_lr(lr);
    optimizer_->step();
    return loss.item<double>();
  }
  /// The reader that a file calls "k", ...
  LinearSlot& Slot(const std::string& own) {
    for (LinearSlot* slot : block_.Group().slots) {
      if (block_.NameOf(*slot) == own) return *slot;
    }
    ROUNDLAB_CHECK(false, "no reader " + own);
  }
  at::Tensor Inputs() const { return inputs_; }
  GoldenNormBlock& Block() { return block_; }
  TrainedScales& Scales() { return *scales_; }

 private:
  const SafetensorsFile& file_;
  GoldenNormBlock block_;
  at::Tensor inputs_;
  std::vector<at::Tensor> targets_;
  std::unique_ptr<TrainedScales> scales_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

class TeqGoldenTest : public testing::GoldenTest {};

/// Loss and gradient at the file's scales; these stay in `replay`. Other last bits of the scales
/// move weights that lie on a tie.
GoldenPath GradientAt(const SafetensorsFile& file, const std::string& name, std::uint64_t noise,
                      TeqReplay* replay) {
  {
    const at::NoGradGuard no_grad;
    replay->Alpha().copy_(testing::OtherLastBits(GoldenTensor(file, name + ".fg.alpha"), noise));
    replay->Alpha().mutable_grad() = at::Tensor();
  }
  const at::Tensor loss = replay->Loss(at::arange(replay->Inputs().size(0), at::kLong));
  loss.backward();
  return {{".fg.loss", loss.detach().flatten()}, {".fg.grad", replay->Alpha().grad().flatten()}};
}

TEST_F(TeqGoldenTest, OutputsAndGradientsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "teq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((.+)\.fg\.alpha)")) {
      SCOPED_TRACE(path + " " + name);
      TeqReplay replay(file, name);
      const auto walk = [&](std::uint64_t noise) { return GradientAt(file, name, noise, &replay); };
      const NoisyTwins twins(walk(0), walk);
      for (const char* key : {".fg.loss", ".fg.grad"}) {
        const at::Tensor golden = GoldenTensor(file, name + key).to(at::kFloat).flatten();
        const double bound = kTeqTolerance * golden.abs().max().item<double>();
        EXPECT_LE(testing::LargestOff(twins.Path().at(key), golden),
                  bound + twins.Slack(key, testing::LargestOff))
            << key;
      }
      walk(0);
      const std::regex form(name + R"(\.fg\.Y(\w+))");
      for (const TensorView& view : file.tensors()) {
        std::smatch m;
        const std::string tensor(view.name);
        if (!std::regex_match(tensor, m, form)) continue;
        const at::Tensor y = GoldenTensor(file, tensor);
        const at::Tensor own = replay.Slot(m[1]).Forward(replay.Inputs().narrow(0, 0, y.size(0)));
        EXPECT_TRUE(TensorNear(own, y, kTeqTolerance * y.abs().max().item<double>(), 0)) << tensor;
      }
    }
  }
}

/// All that the file tells of a case's steps, and what its scales are folded into.
GoldenPath WalkTeq(const SafetensorsFile& file, const std::string& name, std::uint64_t noise) {
  TeqReplay replay(file, name, noise);
  const at::Tensor lrs = GoldenDoubles(file, name + ".lr");
  GoldenPath path;
  std::vector<double> losses;
  for (std::int64_t step = 0; step < lrs.numel(); ++step) {
    losses.push_back(replay.Step(step, lrs[step].item<double>()));
    const std::string state = ".step" + std::to_string(step + 1) + ".alpha";
    if (testing::Has(file, name + state)) path[state] = replay.Alpha().detach().clone();
  }
  replay.Scales().FoldAll();
  path[".loss"] = at::tensor(losses, at::kDouble);
  path[".folded_norm"] = replay.Block().Norm().weight;
  const std::regex form(name + R"((\.folded_W(\w+)))");
  for (const TensorView& view : file.tensors()) {
    std::smatch m;
    const std::string tensor(view.name);
    if (std::regex_match(tensor, m, form)) path[m[1]] = replay.Slot(m[2]).weight;
  }
  return path;
}

/// Of what is folded: by parts of each element.
double LargestPartOff(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs() / b.abs().clamp_min(1e-30)).max().item<double>();
}

TEST_F(TeqGoldenTest, TwentyStepsAndTheFoldAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "teq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((.+)\.lr)")) {
      SCOPED_TRACE(path + " " + name);
      const auto walk = [&](std::uint64_t noise) { return WalkTeq(file, name, noise); };
      const NoisyTwins twins(walk(0), walk);
      for (const auto& [key, ours] : twins.Path()) {
        if (key == ".loss") continue;
        const auto distance = key.starts_with(".folded") ? LargestPartOff : testing::LargestOff;
        EXPECT_LE(distance(ours, GoldenTensor(file, name + key)),
                  kAlphaTolerance + twins.Slack(key, distance))
            << key;
      }
      testing::ExpectLosses(GoldenDoubles(file, name + ".loss"), twins.Path().at(".loss"), 1e-4,
                            twins, ".loss");
    }
  }
}

}  // namespace
}  // namespace roundlab
