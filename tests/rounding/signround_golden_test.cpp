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
using testing::GoldenTensor;
using testing::Has;
using testing::MetadataNumber;
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

/// Elements of V and of the range factors that differ from the file's after a step, and of all.
struct Drift {
  std::int64_t different = 0;
  std::int64_t elements = 0;

  void Add(const at::Tensor& ours, const at::Tensor& golden) {
    ASSERT_EQ(ours.sizes(), golden.sizes());
    different += (ours != golden).sum().item<std::int64_t>();
    elements += golden.numel();
  }
};

/// Of all that the file keeps of a step. Its unit, one over the steps squared, is that of all moves
/// of this schedule.
Drift DriftOf(const SignRoundGolden& golden, const std::string& step, SignRoundReplay* replay) {
  Drift drift;
  const std::int64_t unit = golden.Steps() * golden.Steps();
  const auto units = [&](const at::Tensor& p) { return (p.detach() * unit).round().to(at::kLong); };
  for (const std::string& linear : golden.Kept(step + "Vq")) {
    drift.Add(units(replay->Offset(linear)), golden.Of(step + "Vq." + linear));
  }
  for (const std::string& linear : golden.Kept(step + "min_scale_q")) {
    // auto-round clamps to [0, 1] when the next forward starts, after this snapshot.
    const auto clamped = [&](const std::string& key) {
      return golden.Of(step + key + "." + linear).clamp(0, unit);
    };
    drift.Add(units(replay->Low(linear)), clamped("min_scale_q"));
    drift.Add(units(replay->High(linear)), clamped("max_scale_q"));
  }
  return drift;
}

/// A few elements whose gradient is within noise of 0 may step the other way.
constexpr double kFewSigns = 1e-4;

void ExpectState(const SignRoundGolden& golden, std::int64_t step, SignRoundReplay* replay) {
  SCOPED_TRACE("step " + std::to_string(step));
  const Drift drift = DriftOf(golden, "step" + std::to_string(step) + ".", replay);
  EXPECT_LE(drift.different, kFewSigns * static_cast<double>(drift.elements));
}

TEST_F(SignRoundGoldenTest, StatesAfterTheFirstSteps) {
  ForAllBlocks([](const SignRoundGolden& golden) {
    SignRoundReplay replay(golden);
    const at::Tensor lr = golden.Of("lr");
    const std::set<std::int64_t> snapshots = golden.Snapshots();
    ASSERT_FALSE(snapshots.empty());
    for (std::int64_t step = 1; step <= *snapshots.rbegin(); ++step) {
      replay.Backward(step - 1);
      replay.Move(step - 1);
      EXPECT_NEAR(replay.LearningRate(), lr[step - 1].item<double>(), 1e-6 * lr[0].item<double>());
      if (snapshots.count(step) > 0) ExpectState(golden, step, &replay);
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

/// All losses of a walk by the tuner's parts.
testing::GoldenPath WalkLosses(const SignRoundGolden& golden, ScaleType type, std::uint64_t noise) {
  SignRoundReplay replay(golden, type, noise);
  std::vector<double> losses;
  for (std::int64_t step = 0; step < golden.Steps(); ++step) {
    losses.push_back(replay.Backward(step));
    replay.Move(step);
  }
  return {{"loss", at::tensor(losses, at::kDouble)}};
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
        return WalkLosses(golden, scale, noise);
      };
      const testing::NoisyTwins twins(walk(0), walk);
      testing::ExpectLosses(GoldenTensor(golden.file, key), twins.Path().at("loss"), kSameStates,
                            twins, "loss");
      if (type != ScaleType::kFloat32) continue;
      SignRoundReplay replay(golden);
      const std::set<std::int64_t> snapshots = golden.Snapshots();
      const std::vector<double> losses = replay.Tune([&](std::int64_t step) {
        if (snapshots.count(step + 1) > 0) ExpectState(golden, step + 1, &replay);
      });
      testing::ExpectLosses(golden.Of("loss"), at::tensor(losses, at::kDouble), kSameStates, twins,
                            "loss");
    }
  });
}

}  // namespace
}  // namespace roundlab
