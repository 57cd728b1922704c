#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rounding/block_replay.h"

namespace roundlab {
namespace {

using testing::BlockReplay;
using testing::BlockShape;
using testing::GoldenTensor;
using testing::MetadataNumber;
using testing::TensorNear;

/// A model's entries in the file, and what the file does not say of it.
struct SignRoundGolden {
  std::string model;
  BlockShape shape;
};

const SignRoundGolden kBabyLlama = {"babyllama-tok105.L2", {8, 4, 1e-5}};
const SignRoundGolden kTinyStories = {"TinyStories-656K.L1", {8, 4, 1e-6}};  // losses of about 8

std::string SignRoundLinear(std::size_t i) { return BlockReplay::Names().at(i); }

/// "[[0, 1, 2, 3], ...": int64 [steps, rows a step].
at::Tensor RowsOfSteps(std::string text, std::int64_t steps) {
  for (char& c : text) c = c >= '0' && c <= '9' ? c : ' ';
  std::istringstream words(text);
  const std::vector<std::int64_t> rows{std::istream_iterator<std::int64_t>(words), {}};
  return at::tensor(rows, at::kLong).view({steps, -1});
}

/// The trajectory of the file, walked by our own block, SignRound layers and sign_sgd.
class SignRoundReplay : public BlockReplay {
 public:
  SignRoundReplay(const SafetensorsFile& file, const SignRoundGolden& golden, ScaleType scale)
      : BlockReplay(file, Steps(file, golden, scale)) {}

  at::Tensor Weight(std::size_t i) { return BlockReplay::Weight(SignRoundLinear(i)); }
  LayerRounding& Layer(std::size_t i) { return BlockReplay::Layer(SignRoundLinear(i)); }
  at::Tensor Offset(std::size_t i) { return Parameter(SignRoundLinear(i), "offset", 0); }
  at::Tensor Low(std::size_t i) { return Parameter(SignRoundLinear(i), "range", 0); }
  at::Tensor High(std::size_t i) { return Parameter(SignRoundLinear(i), "range", 1); }

 private:
  static testing::BlockSteps Steps(const SafetensorsFile& file, const SignRoundGolden& golden,
                                   ScaleType scale) {
    const auto number = [&](const char* key) {
      return static_cast<std::int64_t>(MetadataNumber(file, key));
    };
    const std::int64_t steps = number("iters");
    const at::Tensor rows = RowsOfSteps(file.metadata().at("idx"), steps);
    return {.prefix = golden.model + ".fp32scale.",
            .scheme = "type: signround",
            .spec = {number("bits"), number("group"), GridKind::kAsym, scale, false},
            .optimizer = "type: sign_sgd\nlr: " + std::to_string(1 / static_cast<double>(steps)),
            .schedule = "type: linear",
            .loss_scale = 1000,
            .steps = steps,
            .rows = [rows](std::int64_t step) { return rows[step]; },
            .shape = golden.shape};
  }
};

/// The linear layers whose V the file keeps, by their place in the block.
constexpr std::size_t kKept[] = {1, 2, 6};

class SignRoundGoldenTest : public testing::GoldenTest {
 protected:
  static at::Tensor Golden(const SafetensorsFile& file, const SignRoundGolden& golden,
                           const std::string& key, const std::string& dtype = "fp32") {
    return GoldenTensor(file, golden.model + "." + dtype + "scale." + key);
  }
  static std::string Name(std::size_t i) { return SignRoundLinear(i); }
};

#define ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file)                                 \
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/signround_golden.safetensors"); \
  const SafetensorsFile file(path)

/// V, or a range factor, in the file's unit: a 400th, which all steps of this schedule are
/// multiples of.
at::Tensor InUnits(const at::Tensor& p) { return (p.detach() * 400).round().to(at::kLong); }

std::int64_t Different(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a != b).sum().item<std::int64_t>();
}

TEST_F(SignRoundGoldenTest, TheBlockReproducesItsTargets) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  // signround_golden.md: another implementation gets within 5e-8 of 0.264 and 9e-5 of 613.
  for (const SignRoundGolden& golden : {kBabyLlama, kTinyStories}) {
    SCOPED_TRACE(golden.model);
    const SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    const double largest = replay.Targets().abs().max().item<double>();
    EXPECT_TRUE(TensorNear(replay.Outputs(), replay.Targets(), 1e-6 * largest, 0));
  }
}

TEST_F(SignRoundGoldenTest, FirstGradientsAreThoseOfAutoRound) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  // Sums over 64 positions in another order: 1e-5 of the largest gradient is about 100 eps.
  for (const SignRoundGolden& golden : {kBabyLlama, kTinyStories}) {
    SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    replay.Backward(0);
    for (std::size_t i = 0; i < 7; ++i) {
      SCOPED_TRACE(golden.model + " " + Name(i));
      const at::Tensor low = Golden(file, golden, "grad1.min_scale." + Name(i));
      const at::Tensor high = Golden(file, golden, "grad1.max_scale." + Name(i));
      const double low_max = low.abs().max().item<double>();
      const double high_max = high.abs().max().item<double>();
      EXPECT_TRUE(TensorNear(replay.Low(i).grad(), low, 1e-5 * low_max, 0));
      EXPECT_TRUE(TensorNear(replay.High(i).grad(), high, 1e-5 * high_max, 0));
    }
    const at::Tensor offset = Golden(file, golden, "grad1.V." + Name(1));
    EXPECT_TRUE(
        TensorNear(replay.Offset(1).grad(), offset, 1e-5 * offset.abs().max().item<double>(), 0));
    EXPECT_EQ(Different(replay.Offset(1).grad().sign(), offset.sign()), 0);
  }
}

/// Elements of V and of the range factors that differ from the golden after `step` steps.
struct Drift {
  std::int64_t offset = 0;
  std::int64_t range = 0;
};

TEST_F(SignRoundGoldenTest, StatesAfterStepsOneTwoAndFive) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  for (const SignRoundGolden& golden : {kBabyLlama, kTinyStories}) {
    SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    const at::Tensor lr = Golden(file, golden, "lr");
    for (std::int64_t step = 0; step < 5; ++step) {
      replay.Backward(step);
      replay.Move(step);
      EXPECT_NEAR(replay.LearningRate(), lr[step].item<double>(), 1e-8);
      if (step != 0 && step != 1 && step != 4) continue;
      const std::string snapshot = "step" + std::to_string(step + 1) + ".";
      SCOPED_TRACE(golden.model + " " + snapshot);
      Drift drift;
      for (const std::size_t i : kKept) {
        drift.offset +=
            Different(InUnits(replay.Offset(i)), Golden(file, golden, snapshot + "Vq." + Name(i)));
      }
      for (std::size_t i = 0; i < 7; ++i) {
        // auto-round clamps to [0, 1] when the next forward starts, after this snapshot.
        const auto clamped = [&](const std::string& key) {
          return Golden(file, golden, snapshot + key + "." + Name(i)).clamp(0, 400);
        };
        drift.range += Different(InUnits(replay.Low(i)), clamped("min_scale_q"));
        drift.range += Different(InUnits(replay.High(i)), clamped("max_scale_q"));
      }
      EXPECT_EQ(drift.offset, 0);
      EXPECT_EQ(drift.range, 0);
    }
  }
}

/// clamp(round(w / s + V) + z, 0, 15) of equation 3, written out for one layer.
at::Tensor CodesByFormula(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& low,
                          const at::Tensor& high) {
  const at::Tensor groups = weight.reshape({-1, 32});
  const at::Tensor bottom = groups.amin(1).clamp_max(0) * low;
  const at::Tensor top = groups.amax(1).clamp_min(0) * high;
  const at::Tensor scale = ((top - bottom) / 15).clamp_min(1e-8).unsqueeze(1);
  const at::Tensor zero = (-bottom.unsqueeze(1) / scale).round();
  return ((groups / scale + offset).round() + zero).clamp(0, 15).reshape(weight.sizes());
}

TEST_F(SignRoundGoldenTest, CodesAfterStepFiveFollowFromTheGoldenState) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  for (const SignRoundGolden& golden : {kBabyLlama, kTinyStories}) {
    SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    for (std::int64_t step = 0; step < 5; ++step) {
      replay.Backward(step);
      replay.Move(step);
    }
    for (const std::size_t i : kKept) {
      SCOPED_TRACE(golden.model + " " + Name(i));
      const auto state = [&](const std::string& key) {
        return Golden(file, golden, "step5." + key + "." + Name(i)).to(at::kFloat) / 400;
      };
      const at::Tensor expected =
          CodesByFormula(replay.Weight(i), state("Vq"), state("min_scale_q").clamp(0, 1),
                         state("max_scale_q").clamp(0, 1));
      EXPECT_EQ(Different(replay.Layer(i).Finish().codes, expected.to(at::kByte)), 0);
    }
  }
}

/// Two codes a byte along the input, the even column in the low nibble.
at::Tensor Unpack(const at::Tensor& packed) {
  const at::Tensor low = packed.bitwise_and(15);
  const at::Tensor high = packed.bitwise_right_shift(at::scalar_tensor(4, at::kLong));
  return at::stack({low, high}, 2).reshape({packed.size(0), -1}).to(at::kByte);
}

TEST_F(SignRoundGoldenTest, TheBestStateFinishesAsAutoRoundPacksIt) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  for (const SignRoundGolden& golden : {kBabyLlama, kTinyStories}) {
    SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    for (const std::size_t i : kKept) {
      SCOPED_TRACE(golden.model + " " + Name(i));
      {
        const at::NoGradGuard no_grad;
        const auto best = [&](const std::string& key) {
          return Golden(file, golden, "best." + key + "." + Name(i)).to(at::kFloat) / 400;
        };
        replay.Offset(i).copy_(best("Vq"));
        replay.Low(i).copy_(best("min_scale_q"));
        replay.High(i).copy_(best("max_scale_q"));
      }
      const QuantizedWeight weight = replay.Layer(i).Finish();
      // The file keeps V and the factors to a 400th, off by a rounding from what was packed.
      EXPECT_TRUE(
          TensorNear(weight.scale, Golden(file, golden, "final.scale." + Name(i)), 0, 1e-6));
      const at::Tensor zp = Golden(file, golden, "final.zp." + Name(i)).to(at::kFloat);
      EXPECT_EQ(Different(weight.zero, zp), 0);
      EXPECT_EQ(Different(weight.codes, Unpack(Golden(file, golden, "final.codes4." + Name(i)))),
                0);
    }
  }
}

/// Walks all steps: the first `equal` losses to 4 digits, the last within 15 %
/// (signround_golden.md: one gradient near 0 whose sign differs moves an element by two steps, and
/// paths drift apart).
void ExpectLosses(const SafetensorsFile& file, const SignRoundGolden& golden,
                  const std::string& dtype, std::int64_t equal) {
  SCOPED_TRACE(golden.model + " " + dtype);
  SignRoundReplay replay(file, golden, dtype == "fp32" ? ScaleType::kFloat32 : ScaleType::kFloat16);
  const at::Tensor losses = GoldenTensor(file, golden.model + "." + dtype + "scale.loss");
  for (std::int64_t step = 0; step < losses.size(0); ++step) {
    const double loss = replay.Backward(step);
    replay.Move(step);
    const double expected = losses[step].item<double>();
    const bool last = step + 1 == losses.size(0);
    if (step < equal || last) {
      EXPECT_NEAR(loss, expected, (last ? 0.15 : 5e-5) * expected) << "step " << step + 1;
    }
  }
}

TEST_F(SignRoundGoldenTest, TheTunerTakesTheSameSteps) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  for (const auto& [golden, equal] : {std::pair{kBabyLlama, 17}, std::pair{kTinyStories, 8}}) {
    SCOPED_TRACE(golden.model);
    SignRoundReplay replay(file, golden, ScaleType::kFloat32);
    std::int64_t different = 0;
    const std::vector<double> losses = replay.Tune([&](std::int64_t step) {
      if (step != 0 && step != 1 && step != 4) return;
      const std::string snapshot = "step" + std::to_string(step + 1) + ".";
      for (const std::size_t i : kKept) {
        different +=
            Different(InUnits(replay.Offset(i)), Golden(file, golden, snapshot + "Vq." + Name(i)));
      }
    });
    EXPECT_EQ(different, 0);
    const at::Tensor expected = Golden(file, golden, "loss");
    ASSERT_EQ(static_cast<std::int64_t>(losses.size()), expected.numel());
    for (std::int64_t step = 0; step < equal; ++step) {
      const double loss = expected[step].item<double>();
      EXPECT_NEAR(losses[static_cast<std::size_t>(step)], loss, 5e-5 * loss) << step + 1;
    }
    EXPECT_NEAR(losses.back(), expected[-1].item<double>(), 0.15 * losses.back());
  }
}

TEST_F(SignRoundGoldenTest, LossesWithFloat32Scales) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  ExpectLosses(file, kBabyLlama, "fp32", 17);
  ExpectLosses(file, kTinyStories, "fp32", 8);
}

TEST_F(SignRoundGoldenTest, LossesWithFloat16Scales) {
  ROUNDLAB_SIGNROUND_GOLDEN_OR_SKIP(file);
  ExpectLosses(file, kBabyLlama, "fp16", 2);
  ExpectLosses(file, kTinyStories, "fp16", 12);
}

}  // namespace
}  // namespace roundlab
