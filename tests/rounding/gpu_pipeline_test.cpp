#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "core/base/log.h"
#include "core/metrics/run_record.h"
#include "core/model/loader.h"
#include "core/model/model.h"
#include "core/model/random_source.h"
#include "core/model/shapes.h"
#include "rounding/pipeline.h"
#include "tests/rounding/chain_walk.h"
#include "tests/support/gpu.h"
#include "tests/support/tensor_matchers.h"
#include "tests/support/tiny_model.h"

// A whole model through a pipeline and judged, on a GPU against the same on the CPU.

namespace roundlab {
namespace {

using testing::TensorNear;
using testing::TinyModel;

class GpuPipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ROUNDLAB_NEEDS_GPU();
    folder_ = std::filesystem::temp_directory_path() /
              ("roundlab_gpu_pipeline_" + std::to_string(getpid()));
    TinyModel().Write(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  static at::Tensor Tokens() {
    at::Generator generator = at::detail::createCPUGenerator(5);
    return at::randint(0, 256, {8, 24}, generator, at::TensorOptions(at::kLong));
  }

  struct Rounded {
    QuantizedModel model;
    RunRecord record;
  };
  Rounded Round(const std::string& stages, const at::Device& device, at::ScalarType dtype,
                ChainPlace place = ChainPlace::kDevice) const {
    const ModelFiles files(folder_);
    QuantOptions quant;
    quant.spec.bits = 3;
    quant.spec.group_size = 16;
    PipelineInputs inputs;
    inputs.source = &files;
    inputs.tokens = Tokens();
    inputs.dtype = dtype;
    inputs.device = device;
    inputs.chain_place = place;
    inputs.spare_chain = place == ChainPlace::kHost;
    inputs.chain_folder = folder_;
    inputs.seed = 11;
    Log log("", true);
    Rounded made;
    made.model = QuantizeModel(inputs, quant, {Stages().FromText(stages)}, &made.record, &log);
    return made;
  }

  std::string folder_;
};

const at::Device kGpu(at::kCUDA, 0);

TEST_F(GpuPipelineTest, OneShotSchemesGiveTheCodesOfTheCpu) {
  for (const char* scheme : {"rtn", "stochastic"}) {
    const std::string stage = std::string("type: round\nscheme: {type: ") + scheme + "}\n";
    EXPECT_EQ(Round(stage, kGpu, at::kFloat).model.CodesSha256(),
              Round(stage, at::kCPU, at::kFloat).model.CodesSha256())
        << scheme;
  }
}

TEST_F(GpuPipelineTest, SolversGiveTheSameCodesEachTimeAndNearlyThoseOfTheCpu) {
  for (const char* options : {"{type: gptq}", "{type: gptq, asymmetric: true}",
                              "{type: gptq, order: activation, true_sequential: true}"}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(std::string(options) + " " + c10::toString(dtype));
      const std::string stage = std::string("type: round\nscheme: ") + options + "\n";
      const QuantizedModel first = Round(stage, kGpu, dtype).model;
      EXPECT_EQ(first.CodesSha256(), Round(stage, kGpu, dtype).model.CodesSha256());
      const QuantizedModel cpu = Round(stage, at::kCPU, dtype).model;
      double same = 0;
      double all = 0;
      for (const auto& [name, weight] : cpu.layers()) {
        same += (first.layers().at(name).codes == weight.codes).sum().item<double>();
        all += static_cast<double>(weight.codes.numel());
      }
      EXPECT_GE(same / all, dtype == at::kFloat ? 0.95 : 0.7);
    }
  }
}

TEST_F(GpuPipelineTest, TuningGivesTheSameCodesEachTimeAndLeavesThemOnTheCpu) {
  for (const char* scheme : {"signround", "adaround"}) {
    for (const char* unit : {"block", "linear"}) {
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
        SCOPED_TRACE(std::string(scheme) + " " + unit + " " + c10::toString(dtype));
        const std::string stage = std::string("type: round\nscheme: {type: ") + scheme +
                                  "}\nunit: " + unit + "\nsteps: 20\nbatch: 2\nlr_times_steps: 1\n";
        const Rounded first = Round(stage, kGpu, dtype);
        const Rounded again = Round(stage, kGpu, dtype);
        EXPECT_EQ(first.model.CodesSha256(), again.model.CodesSha256());
        for (const auto& [name, weight] : first.model.layers()) {
          EXPECT_TRUE(weight.codes.is_cpu()) << name;
        }
      }
    }
  }
}

TEST_F(GpuPipelineTest, CodesAreTheSameWhereverTheChainsLie) {
  for (const char* unit : {"block", "linear"}) {
    const std::string stage = std::string("type: round\nscheme: signround\nsteps: 20\nbatch: 4\n") +
                              "accumulate: 2\nunit: " + unit + "\n";
    const std::string codes = Round(stage, kGpu, at::kBFloat16).model.CodesSha256();
    for (const ChainPlace place : {ChainPlace::kHost, ChainPlace::kFile}) {
      EXPECT_EQ(Round(stage, kGpu, at::kBFloat16, place).model.CodesSha256(), codes) << unit;
    }
  }
}

TEST_F(GpuPipelineTest, RowsComeAndGoInOrder) {
  const at::Tensor here = testing::WalkChain({kGpu, ChainPlace::kDevice, ""});
  for (const ChainPlace place : {ChainPlace::kHost, ChainPlace::kFile}) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(testing::WalkChain({kGpu, place, folder_}), here));
    }
  }
}

TEST_F(GpuPipelineTest, RandomWeightsAreDrawnThere) {
  ModelDescription small = DescribeShape("llama2-7b");
  small.layers = 1;
  small.vocab = 64;
  const RandomSource source(small, "random", 3, kGpu);
  const auto block = source.LoadBlock(0);
  const at::Tensor weight = block->Slot(0).weight;
  EXPECT_EQ(weight.device(), kGpu);
  EXPECT_EQ(source.LoadEnds().embedding.device(), kGpu);
  EXPECT_TRUE(at::equal(source.LoadBlock(0)->Slot(0).weight, weight));
  EXPECT_NEAR(weight.std().item<double>(), 1 / 64.0, 1e-4);
  EXPECT_NE(source.Fingerprint(), RandomSource(small, "random", 3).Fingerprint());
}

TEST_F(GpuPipelineTest, LikelihoodsAreThoseOfTheCpu) {
  const ModelFiles files(folder_);
  const LanguageModel cpu(files, at::kFloat);
  const LanguageModel gpu(files, at::kFloat, {}, kGpu);
  EXPECT_TRUE(TensorNear(gpu.Nll(Tokens()).cpu(), cpu.Nll(Tokens()), 1e-4, 1e-4));
  PackedTokens packed;
  packed.Add({1, 2, 3, 4, 5});
  packed.Add({1, 2, 3, 9, 8, 7});
  packed.Add({7});
  EXPECT_TRUE(TensorNear(gpu.Hidden(packed).cpu(), cpu.Hidden(packed), 1e-4, 1e-4));
  const LanguageModel narrow(files, at::kBFloat16, {}, kGpu);
  const LanguageModel narrow_cpu(files, at::kBFloat16);
  EXPECT_NEAR(narrow.Nll(Tokens()).mean().item<double>(),
              narrow_cpu.Nll(Tokens()).mean().item<double>(), 0.01);
  EXPECT_TRUE(TensorNear(narrow.Hidden(packed).cpu(), narrow_cpu.Hidden(packed), 0.1, 0.1));
}

}  // namespace
}  // namespace roundlab
