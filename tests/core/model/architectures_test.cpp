#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/formats/safetensors.h"
#include "core/model/families.h"
#include "core/model/model.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

// golden/archs/README.md: "Expect max |logit difference| <= 2e-4 in float32".
constexpr double kTolerance = 2e-4;

/// Folders with a golden.safetensors, whatever they are called: those of this repository, and where
/// the material is there those of golden/archs.
std::vector<std::string> Folders() {
  namespace fs = std::filesystem;
  std::vector<std::string> folders;
  for (const std::string& root : {testing::SourceFolder() + "/tests/golden/families",
                                  testing::SharedFolder() + "/golden/archs"}) {
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "golden.safetensors")) folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

bool Supported(const std::string& folder) {
  const auto config = nlohmann::json::parse(ReadFile(folder + "/config.json"));
  const auto known = SupportedFamilies();
  return std::count(known.begin(), known.end(), config.value("model_type", "")) > 0;
}

class ArchitectureGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ArchitectureGoldenTest, HiddenStatesLogitsAndNllEqualTransformers) {
  const std::string& folder = GetParam();
  if (!Supported(folder)) GTEST_SKIP() << "a family that is not supported";
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
  if (!Supported(folder)) GTEST_SKIP() << "a family that is not supported";
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

INSTANTIATE_TEST_SUITE_P(Families, ArchitectureGoldenTest, ::testing::ValuesIn(Folders()),
                         [](const auto& test) {
                           const std::filesystem::path path = test.param;
                           std::string name = path.parent_path().filename().string() + "_" +
                                              path.filename().string();
                           for (char& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ArchitectureGoldenTest);

}  // namespace
}  // namespace roundlab
