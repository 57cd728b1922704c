#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/model/model.h"
#include "core/model/sample.h"
#include "tests/support/family_folders.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::FamilyIsSupported;
using testing::GoldenTensor;
using testing::TensorNear;

// golden/archs/README.md: "Expect max |logit difference| <= 2e-4 in float32".
constexpr double kTolerance = 2e-4;

class ArchitectureGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ArchitectureGoldenTest, HiddenStatesLogitsAndNllEqualTransformers) {
  const std::string& folder = GetParam();
  if (!FamilyIsSupported(folder)) GTEST_SKIP() << "a family that is not supported";
  const SafetensorsFile golden(folder + "/golden.safetensors");
  const LanguageModel model(ModelFiles(folder), at::kFloat);
  const at::Tensor ids = GoldenTensor(golden, "input_ids");

  at::Tensor hidden = model.ends().Embed(ids);
  EXPECT_TRUE(TensorNear(hidden, GoldenTensor(golden, "embed"), kTolerance, 0));
  const RopeTable rope = model.ends().Rope(ids.size(1));
  for (std::size_t i = 0; i < model.blocks().size(); ++i) {
    hidden = model.blocks()[i]->Forward(hidden, rope);
    EXPECT_TRUE(
        TensorNear(hidden, GoldenTensor(golden, "hidden." + std::to_string(i)), kTolerance, 0))
        << "layer " << i;
  }
  EXPECT_TRUE(TensorNear(model.Hidden(ids), GoldenTensor(golden, "final"), kTolerance, 0));
  EXPECT_TRUE(TensorNear(model.Logits(ids), GoldenTensor(golden, "logits"), kTolerance, 0));
  EXPECT_TRUE(TensorNear(model.Nll(ids), GoldenTensor(golden, "nll"), kTolerance, 0));
}

/// Both texts packed, the second beginning as the first does for some tokens.
TEST_P(ArchitectureGoldenTest, PackedTextsHaveTheHiddenStatesOfEachAlone) {
  const std::string& folder = GetParam();
  if (!FamilyIsSupported(folder)) GTEST_SKIP() << "a family that is not supported";
  const SafetensorsFile golden(folder + "/golden.safetensors");
  const LanguageModel model(ModelFiles(folder), at::kFloat);
  const at::Tensor ids = GoldenTensor(golden, "input_ids").clone();
  ids[1].narrow(0, 0, 5).copy_(ids[0].narrow(0, 0, 5));
  PackedTokens packed;
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t text = 0; text < ids.size(0); ++text) {
    PackedTokens::Ids sequence;
    for (std::int64_t t = 0; t < ids.size(1); ++t) {
      sequence.push_back(ids[text][t].item<std::int32_t>());
    }
    rows.push_back(packed.Add(sequence));
  }
  EXPECT_LT(packed.rows(), ids.numel());
  const at::Tensor together = model.Hidden(packed);
  const at::Tensor alone = model.Hidden(ids);
  for (std::int64_t text = 0; text < ids.size(0); ++text) {
    const at::Tensor places =
        at::tensor(at::ArrayRef<std::int64_t>(rows[static_cast<std::size_t>(text)]), at::kLong);
    // Sums of float32 in another order, states up to about 10.
    EXPECT_TRUE(TensorNear(together.index_select(0, places), alone[text], 2e-5, 0));
  }
}

/// Tokens added one at a time, with what is kept of those before, against what is there of the text
/// read as a whole each time: LongRoPE's angles depend on how much that is.
TEST_P(ArchitectureGoldenTest, TextsThatGrowAreTheLikeliestOnes) {
  const std::string& folder = GetParam();
  if (!FamilyIsSupported(folder)) GTEST_SKIP() << "a family that is not supported";
  const LanguageModel model(ModelFiles(folder), at::kFloat);
  const std::int64_t count = std::min<std::int64_t>(14, model.description().max_positions);
  const at::Tensor tokens = SampleTokens(model, {3, 0, count, count, 1});
  for (std::int64_t n = 1; n < count; ++n) {
    const at::Tensor logits = model.Logits(tokens.narrow(1, 0, n)).select(1, n - 1);
    const at::Tensor chosen = logits.gather(1, tokens.narrow(1, n, 1));
    EXPECT_TRUE(TensorNear(chosen.squeeze(1), logits.amax(1), kTolerance, 0)) << n;
  }
  EXPECT_EQ(model.blocks().front()->cache.past, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Families, ArchitectureGoldenTest,
                         ::testing::ValuesIn(testing::FamilyFolders()),
                         [](const auto& test) { return testing::FamilyName(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ArchitectureGoldenTest);

}  // namespace
}  // namespace roundlab
