#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rounding/block_replay.h"

namespace roundlab {
namespace {

using testing::BlockReplay;
using testing::CasesOf;
using testing::Differing;
using testing::GoldenPath;
using testing::GoldenTensor;
using testing::Has;
using testing::MetadataNumber;
using testing::NoisyTwins;
using testing::TensorNear;

/// "[[0, 1, 2, 3], ...": int64 [steps, rows a step].
at::Tensor RowsOfSteps(std::string text, std::int64_t steps) {
  for (char& c : text) c = c >= '0' && c <= '9' ? c : ' ';
  std::istringstream words(text);
  const std::vector<std::int64_t> rows{std::istream_iterator<std::int64_t>(words), {}};
  return at::tensor(rows, at::kLong).view({steps, -1});
}

/// A block of the file, "babyllama-tok105.L2", with the tensors that belong to it.
struct SignRoundGolden {
  SignRoundGolden(const SafetensorsFile& golden, const std::string& model)
      : file(golden), name(model) {
    spec.bits = Integer("bits");
    spec.group_size = Integer("group");
    spec.grid = GridKind::kAsym;
    spec.scale_dtype = ScaleType::kFloat32;
  }
  std::int64_t Integer(const char* key) const {
    return static_cast<std::int64_t>(MetadataNumber(file, key));
  }
  std::int64_t Steps() const { return Integer("iters"); }
  std::string Prefix(const std::string& dtype = "fp32") const {
    return name + "." + dtype + "scale.";
  }
  at::Tensor Of(const std::string& key) const { return GoldenTensor(file, Prefix() + key); }
  bool Has(const std::string& key) const { return testing::Has(file, Prefix() + key); }
  /// Linear layers of which the file has KEY.<linear>.
  std::vector<std::string> Kept(const std::string& key) const {
    return CasesOf(file, Pattern(Prefix() + key + ".") + "(.+)");
  }
  /// The steps after which the file keeps V, but for the last one, where paths have parted.
  std::set<std::int64_t> Snapshots() const {
    std::set<std::int64_t> steps;
    for (const std::string& step : CasesOf(file, Pattern(Prefix() + "step") + R"((\d+)\.Vq\..+)")) {
      if (std::stoll(step) < Steps()) steps.insert(std::stoll(step));
    }
    return steps;
  }

  const SafetensorsFile& file;
  std::string name;
  QuantSpec spec;

 private:
  static std::string Pattern(const std::string& text) {
    return std::regex_replace(text, std::regex(R"([.+])"), R"(\$&)");
  }
};

/// The trajectory of the file, walked by our own block, SignRound layers and sign_sgd.
class SignRoundReplay : public BlockReplay {
 public:
  explicit SignRoundReplay(const SignRoundGolden& golden, ScaleType scale = ScaleType::kFloat32,
                           std::uint64_t noise = 0)
      : BlockReplay(golden.file, HowToStep(golden, scale, noise)) {}

  at::Tensor Offset(const std::string& linear) { return Parameter(linear, "offset", 0); }
  at::Tensor Low(const std::string& linear) { return Parameter(linear, "range", 0); }
  at::Tensor High(const std::string& linear) { return Parameter(linear, "range", 1); }

  /// Sets V and the factors to what the file has under "STATE.", in its unit.
  void Set(const SignRoundGolden& golden, const std::string& state, const std::string& linear) {
    const at::NoGradGuard no_grad;
    const double unit = static_cast<double>(golden.Steps() * golden.Steps());
    const auto golden_state = [&](const std::string& key) {
      return golden.Of(state + key + "." + linear).to(at::kFloat) / unit;
    };
    Offset(linear).copy_(golden_state("Vq"));
    Low(linear).copy_(golden_state("min_scale_q").clamp(0, 1));
    High(linear).copy_(golden_state("max_scale_q").clamp(0, 1));
  }

 private:
  static testing::BlockSteps HowToStep(const SignRoundGolden& golden, ScaleType scale,
                                       std::uint64_t noise) {
    const std::int64_t steps = golden.Steps();
    const at::Tensor rows = RowsOfSteps(golden.file.metadata().at("idx"), steps);
    QuantSpec spec = golden.spec;
    spec.scale_dtype = scale;
    return {.prefix = golden.Prefix(),
            .scheme = "type: signround",
            .spec = spec,
            .optimizer = "type: sign_sgd\nlr: " + testing::Digits(1 / static_cast<double>(steps)),
            .schedule = "type: linear",
            .loss_scale = 1000,
            .steps = steps,
            .rows = [rows](std::int64_t step) { return rows[step]; },
            .noise = noise};
  }
};

class SignRoundGoldenTest : public testing::GoldenTest {
 protected:
  static void ForAllBlocks(const std::function<void(const SignRoundGolden& golden)>& check) {
    ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_golden");
    for (const std::string& path : files) {
      const SafetensorsFile file(path);
      for (const std::string& model : CasesOf(file, R"((.+)\.fp32scale\.X)")) {
        SCOPED_TRACE(path + " " + model);
        check(SignRoundGolden(file, model));
      }
    }
  }
};

void ExpectSignedGradient(const at::Tensor& ours, const at::Tensor& golden) {
  const double noise = testing::kGradientNoise * golden.abs().max().item<double>();
  EXPECT_TRUE(TensorNear(ours, golden, noise, 0));
  const at::Tensor sure = golden.abs() > noise;
  EXPECT_TRUE(at::equal(ours.sign().masked_select(sure), golden.sign().masked_select(sure)));
}

TEST_F(SignRoundGoldenTest, TheBlockReproducesItsTargets) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    // signround_golden.md: another implementation gets within 5e-8 of 0.264 and 9e-5 of 613.
    const SignRoundReplay replay(golden);
    const double largest = replay.Targets().abs().max().item<double>();
    EXPECT_TRUE(TensorNear(replay.Outputs(), replay.Targets(), 1e-6 * largest, 0));
  });
}

TEST_F(SignRoundGoldenTest, FirstGradientsAreThoseOfAutoRound) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    SignRoundReplay replay(golden);
    replay.Backward(0);
    for (const std::string& linear : golden.Kept("grad1.min_scale")) {
      SCOPED_TRACE(linear);
      ExpectSignedGradient(replay.Low(linear).grad(), golden.Of("grad1.min_scale." + linear));
      ExpectSignedGradient(replay.High(linear).grad(), golden.Of("grad1.max_scale." + linear));
    }
    for (const std::string& linear : golden.Kept("grad1.V")) {
      SCOPED_TRACE(linear);
      ExpectSignedGradient(replay.Offset(linear).grad(), golden.Of("grad1.V." + linear));
    }
  });
}

/// V and range factors of all layers that the file keeps of a step, one after another, in its unit.
/// That, one over the steps squared, is the unit of all moves of this schedule.
using ValuesOf = std::function<at::Tensor(const std::string& key, const std::string& linear)>;

at::Tensor StateOf(const SignRoundGolden& golden, const std::string& step, const ValuesOf& values) {
  std::vector<at::Tensor> all;
  for (const std::string& linear : golden.Kept(step + "Vq")) {
    all.push_back(values("Vq", linear).flatten());
  }
  for (const std::string& linear : golden.Kept(step + "min_scale_q")) {
    all.push_back(values("min_scale_q", linear).flatten());
    all.push_back(values("max_scale_q", linear).flatten());
  }
  return at::cat(all);
}

at::Tensor OurState(const SignRoundGolden& golden, const std::string& step,
                    SignRoundReplay* replay) {
  const std::int64_t unit = golden.Steps() * golden.Steps();
  return StateOf(golden, step, [&](const std::string& key, const std::string& linear) {
    const at::Tensor p = key == "Vq"            ? replay->Offset(linear)
                         : key == "min_scale_q" ? replay->Low(linear)
                                                : replay->High(linear);
    return (p.detach() * unit).round().to(at::kLong);
  });
}

at::Tensor FilesState(const SignRoundGolden& golden, const std::string& step) {
  const std::int64_t unit = golden.Steps() * golden.Steps();
  return StateOf(golden, step, [&](const std::string& key, const std::string& linear) {
    const at::Tensor values = golden.Of(step + key + "." + linear);
    // auto-round clamps to [0, 1] when the next forward starts, after this snapshot.
    return key == "Vq" ? values : values.clamp(0, unit);
  });
}

std::string StatePrefix(std::int64_t step) { return "step" + std::to_string(step) + "."; }

/// The first `steps` steps by the tuner's parts: losses, rates, and the states that the file keeps.
GoldenPath WalkSteps(const SignRoundGolden& golden, ScaleType type, std::int64_t steps,
                     std::uint64_t noise) {
  SignRoundReplay replay(golden, type, noise);
  const std::set<std::int64_t> snapshots = golden.Snapshots();
  GoldenPath path;
  std::vector<double> losses;
  std::vector<double> rates;
  for (std::int64_t step = 1; step <= steps; ++step) {
    losses.push_back(replay.Backward(step - 1));
    replay.Move(step - 1);
    rates.push_back(replay.LearningRate());
    if (snapshots.count(step) == 0) continue;
    path[StatePrefix(step)] = OurState(golden, StatePrefix(step), &replay);
  }
  path["loss"] = at::tensor(losses, at::kDouble);
  path["lr"] = at::tensor(rates, at::kDouble);
  return path;
}

/// A few elements whose gradient is within noise of 0 may step the other way.
constexpr double kFewSigns = 1e-4;

/// What follows from these from the second step on is for twins to show.
void ExpectState(const at::Tensor& ours, const SignRoundGolden& golden, std::int64_t step,
                 const NoisyTwins& twins) {
  const std::string name = StatePrefix(step);
  const double noise = step == 1 ? 0 : twins.Slack(name, Differing);
  EXPECT_LE(Differing(ours, FilesState(golden, name)), kFewSigns + noise) << name;
}

TEST_F(SignRoundGoldenTest, StatesAfterTheFirstSteps) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    const std::set<std::int64_t> snapshots = golden.Snapshots();
    ASSERT_FALSE(snapshots.empty());
    const std::int64_t steps = *snapshots.rbegin();
    const auto walk = [&](std::uint64_t noise) {
      return WalkSteps(golden, ScaleType::kFloat32, steps, noise);
    };
    const NoisyTwins twins(walk(0), walk);
    const at::Tensor lr = golden.Of("lr").to(at::kDouble);
    EXPECT_TRUE(
        TensorNear(twins.Path().at("lr"), lr.slice(0, 0, steps), 1e-6 * lr[0].item<double>(), 0));
    for (const std::int64_t step : snapshots) {
      ExpectState(twins.Path().at(StatePrefix(step)), golden, step, twins);
    }
  });
}

/// One layer's weights, a group a row.
at::Tensor GroupsOf(const SignRoundGolden& golden, const std::string& linear,
                    SignRoundReplay* replay) {
  const at::Tensor weight = replay->Weight(linear);
  const std::int64_t size = golden.spec.group_size;
  return weight.reshape({-1, size < 0 ? weight.size(1) : size});
}

/// -lo / s of one layer's groups.
at::Tensor ZeroByFormula(const SignRoundGolden& golden, const std::string& linear,
                         SignRoundReplay* replay) {
  const at::Tensor groups = GroupsOf(golden, linear, replay);
  const at::Tensor bottom = groups.amin(1).clamp_max(0) * replay->Low(linear).detach();
  const at::Tensor top = groups.amax(1).clamp_min(0) * replay->High(linear).detach();
  return -bottom / ((top - bottom) / golden.spec.CodeMax()).clamp_min(1e-8);
}

/// w / s + V + z of equation 3, written out for one layer.
at::Tensor PositionByFormula(const SignRoundGolden& golden, const std::string& linear,
                             SignRoundReplay* replay) {
  const at::Tensor groups = GroupsOf(golden, linear, replay);
  const at::Tensor bottom = groups.amin(1).clamp_max(0) * replay->Low(linear).detach();
  const at::Tensor top = groups.amax(1).clamp_min(0) * replay->High(linear).detach();
  const at::Tensor scale = ((top - bottom) / golden.spec.CodeMax()).clamp_min(1e-8).unsqueeze(1);
  const at::Tensor zero = (-bottom.unsqueeze(1) / scale).round();
  const at::Tensor offset = replay->Offset(linear).detach();
  return (groups / scale + offset + zero).reshape(replay->Weight(linear).sizes());
}

TEST_F(SignRoundGoldenTest, CodesOfTheFilesStatesFollowTheFormula) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    SignRoundReplay replay(golden);
    for (const std::int64_t step : golden.Snapshots()) {
      const std::string state = "step" + std::to_string(step) + ".";
      for (const std::string& linear : golden.Kept(state + "Vq")) {
        SCOPED_TRACE(state + linear);
        replay.Set(golden, state, linear);
        const at::Tensor position = PositionByFormula(golden, linear, &replay);
        const at::Tensor codes = position.round().clamp(0, golden.spec.CodeMax()).to(at::kLong);
        EXPECT_TRUE(testing::SameCodes(replay.Layer(linear).Finish().codes, codes, position));
      }
    }
  });
}

/// Two codes a byte along the input, the even column in the low nibble.
at::Tensor Unpack(const at::Tensor& packed) {
  const at::Tensor low = packed.bitwise_and(15);
  const at::Tensor high = packed.bitwise_right_shift(at::scalar_tensor(4, at::kLong));
  return at::stack({low, high}, 2).reshape({packed.size(0), -1});
}

TEST_F(SignRoundGoldenTest, TheBestStateFinishesAsAutoRoundPacksIt) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    SignRoundReplay replay(golden);
    for (const std::string& linear : golden.Kept("best.Vq")) {
      SCOPED_TRACE(linear);
      replay.Set(golden, "best.", linear);
      const QuantizedWeight weight = replay.Layer(linear).Finish();
      // The file keeps V and the factors in its unit, off by a rounding from what was packed.
      EXPECT_TRUE(TensorNear(weight.scale, golden.Of("final.scale." + linear), 0, 1e-6));
      // On a tie that rounding decides the zero point, and with it the codes of its group.
      const at::Tensor zero = golden.Of("final.zp." + linear);
      const at::Tensor same = weight.zero.to(at::kLong) == zero;
      EXPECT_TRUE(testing::SameCodes(weight.zero, zero,
                                     ZeroByFormula(golden, linear, &replay).view(zero.sizes())));
      const auto of_same = [&](const at::Tensor& t) {
        return t.reshape({zero.numel(), -1}).index({same.flatten()});
      };
      EXPECT_TRUE(testing::SameCodes(of_same(weight.codes),
                                     of_same(Unpack(golden.Of("final.codes4." + linear))),
                                     of_same(PositionByFormula(golden, linear, &replay))));
    }
  });
}

/// While states are equal losses have 3 digits in common. A gradient near 0 whose sign differs
/// moves an element by two steps, and paths drift apart from there, ours from one another, too.
constexpr double kSameStates = 1e-3;

TEST_F(SignRoundGoldenTest, LossesByTheTunerAndByItsParts) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    for (const auto& [dtype, type] :
         {std::pair{"fp32", ScaleType::kFloat32}, std::pair{"fp16", ScaleType::kFloat16}}) {
      const std::string key = golden.Prefix(dtype) + "loss";
      if (!Has(golden.file, key)) continue;
      SCOPED_TRACE(key);
      const auto walk = [&golden, scale = type](std::uint64_t noise) {
        return WalkSteps(golden, scale, golden.Steps(), noise);
      };
      const NoisyTwins twins(walk(0), walk);
      testing::ExpectLosses(GoldenTensor(golden.file, key), twins.Path().at("loss"), kSameStates,
                            twins, "loss");
      if (type != ScaleType::kFloat32) continue;
      SignRoundReplay replay(golden);
      const std::set<std::int64_t> snapshots = golden.Snapshots();
      const std::vector<double> losses = replay.Tune([&](std::int64_t step) {
        if (snapshots.count(step + 1) == 0) return;
        ExpectState(OurState(golden, StatePrefix(step + 1), &replay), golden, step + 1, twins);
      });
      testing::ExpectLosses(golden.Of("loss"), at::tensor(losses, at::kDouble), kSameStates, twins,
                            "loss");
    }
  });
}

}  // namespace
}  // namespace roundlab
