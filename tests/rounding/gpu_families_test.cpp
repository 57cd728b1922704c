#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/formats/safetensors.h"
#include "core/metrics/run_record.h"
#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "tests/support/family_folders.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/gpu.h"
#include "tests/support/tensor_matchers.h"

// Every family on a GPU: what it computes, and that its blocks can be tuned there.

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

const at::Device kCard(at::kCUDA, 0);

class GpuFamilyTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ROUNDLAB_NEEDS_GPU();
    if (!testing::FamilyIsSupported(GetParam())) GTEST_SKIP() << "a family that is not supported";
  }
  static at::Tensor Ids() {
    return GoldenTensor(SafetensorsFile(GetParam() + "/golden.safetensors"), "input_ids")
        .to(at::kLong);
  }
  static PackedTokens Packed(const at::Tensor& ids) {
    PackedTokens packed;
    for (std::int64_t text = 0; text < ids.size(0); ++text) {
      const auto* row = ids[text].const_data_ptr<std::int64_t>();
      packed.Add(PackedTokens::Ids(row, row + ids.size(1) - text));
    }
    return packed;
  }
};

TEST_P(GpuFamilyTest, LikelihoodsAreThoseOfTheCpu) {
  const ModelFiles files(GetParam());
  const at::Tensor ids = Ids();
  const PackedTokens packed = Packed(ids.contiguous());
  const LanguageModel cpu(files, at::kFloat);
  const LanguageModel gpu(files, at::kFloat, {}, kCard);
  EXPECT_TRUE(TensorNear(gpu.Nll(ids).cpu(), cpu.Nll(ids), 2e-4, 1e-4));
  EXPECT_TRUE(TensorNear(gpu.Hidden(packed).cpu(), cpu.Hidden(packed), 2e-4, 1e-4));
  const LanguageModel narrow(files, at::kBFloat16, {}, kCard);
  const at::Tensor of_texts = narrow.Nll(ids);
  // A router between near equals sends a token elsewhere.
  EXPECT_NEAR(of_texts.mean().item<double>(), cpu.Nll(ids).mean().item<double>(), 0.15);
  EXPECT_TRUE(narrow.Hidden(packed).isfinite().all().item<bool>());
}

TEST_P(GpuFamilyTest, SignRoundTunesItsBlocks) {
  const ModelFiles files(GetParam());
  QuantOptions quant;
  quant.spec.bits = 3;
  quant.spec.group_size = -1;
  PipelineInputs inputs;
  inputs.source = &files;
  inputs.tokens = Ids();
  inputs.dtype = at::kBFloat16;
  inputs.device = kCard;
  std::vector<std::string> codes;
  for (int time = 0; time < 2; ++time) {
    RunRecord record;
    Log log("", true);
    const std::string stage = "type: round\nscheme: signround\nsteps: 4\nbatch: 2\n";
    const QuantizedModel made =
        QuantizeModel(inputs, quant, {Stages().FromText(stage)}, &record, &log);
    codes.push_back(made.CodesSha256());
  }
  EXPECT_EQ(codes[0], codes[1]);
}

INSTANTIATE_TEST_SUITE_P(Families, GpuFamilyTest, ::testing::ValuesIn(testing::FamilyFolders()),
                         [](const auto& test) { return testing::FamilyName(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GpuFamilyTest);

}  // namespace
}  // namespace roundlab
