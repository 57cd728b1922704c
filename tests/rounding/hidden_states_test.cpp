#include "rounding/hidden_states.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/base/error.h"
#include "tests/rounding/chain_walk.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/random_tensor.h"
#include "tests/support/source_over.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::RandomTensor;
using testing::TempFolder;

TEST(HiddenStatesTest, EveryPlaceGivesAndTakesTheSameRows) {
  const TempFolder folder;
  const at::Tensor values = RandomTensor({19, 3, 4}, 1);
  const at::Tensor rows = at::tensor({17, 0, 5}, at::kLong);
  for (const ChainPlace place : {ChainPlace::kDevice, ChainPlace::kHost, ChainPlace::kFile}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor wanted = values.to(dtype);
      const HiddenStates chain({at::kCPU, place, folder.path()}, wanted);
      EXPECT_EQ(chain.dtype(), dtype);
      EXPECT_TRUE(at::equal(chain.Narrow(8, 8), wanted.narrow(0, 8, 8)));
      EXPECT_TRUE(at::equal(chain.Select(rows), wanted.index_select(0, rows)));
      EXPECT_TRUE(at::equal(chain.First(20).values(), wanted));
      const HiddenStates copy = chain.Clone();
      const HiddenStates doubled = chain.Map([](const at::Tensor& x) { return 2 * x; });
      chain.First(2).Write(1, at::ones({1, 3, 4}));
      EXPECT_TRUE(at::equal(chain.values()[1], at::ones({3, 4}, dtype)));
      EXPECT_TRUE(at::equal(chain.values()[2], wanted[2]));
      EXPECT_TRUE(at::equal(copy.values(), wanted));
      EXPECT_TRUE(at::equal(doubled.values(), 2 * wanted));
      EXPECT_TRUE(std::filesystem::is_empty(folder.path()));  // files have no names
    }
  }
}

TEST(HiddenStatesTest, RowsComeAndGoInOrder) {
  const TempFolder folder;
  const at::Tensor here = testing::WalkChain({at::kCPU, ChainPlace::kDevice, ""});
  for (const ChainPlace place : {ChainPlace::kHost, ChainPlace::kFile}) {
    EXPECT_TRUE(at::equal(testing::WalkChain({at::kCPU, place, folder.path()}), here));
  }
}

TEST(HiddenStatesTest, RowsAheadAreThoseOfTheTimeTheyWereAskedFor) {
  const TempFolder folder;
  const HiddenStates chain({at::kCPU, ChainPlace::kFile, folder.path()}, at::ones({4, 2}));
  chain.Write(0, at::full({2, 2}, 2.0F));
  ComingRows coming = chain.NarrowAhead(0, 4);
  const at::Tensor rows = coming.Get();
  chain.Write(0, at::full({4, 2}, 3.0F));
  EXPECT_TRUE(at::equal(rows, at::tensor({2.0F, 2.0F, 1.0F, 1.0F}).unsqueeze(1).expand({4, 2})));
  { const ComingRows unwanted = chain.SelectAhead(at::tensor({1}, at::kLong)); }
  EXPECT_TRUE(at::equal(chain.values(), at::full({4, 2}, 3.0F)));
}

TEST(HiddenStatesTest, WithoutRoomTheFolderIsNamed) {
  const ChainStore store{at::kCPU, ChainPlace::kFile, "/nowhere"};
  EXPECT_EQ(ErrorOf([&] {
              store.Allocate({1 << 10, 1 << 10, 1 << 8}, at::kFloat);
            }),
            "/nowhere: no room for a file of 1 GiB: No such file or directory");
}

/// Throws where it is asked for a block.
class BrokenSource : public testing::SourceOver {
 public:
  using SourceOver::SourceOver;
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override {
    if (index == 0) return SourceOver::LoadBlock(index);
    TORCH_CHECK_WITH(
        OutOfMemoryError, false,
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "80 GiB of which 1 GiB is free.");
  }
};

class ChainPlaceTest : public testing::PipelineFixture {
 protected:
  ChainPlaceTest() : PipelineFixture(11, 10) {
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
    inputs_.chain_folder = files_folder_.path();
  }

  TempFolder files_folder_;
};

const std::vector<std::vector<std::string>> kPipelines = {
    {"type: round\nscheme: signround\nsteps: 4\nbatch: 4\naccumulate: 2"},
    {"type: round\nscheme: signround\nsteps: 4\nbatch: 4\nselect: best_full\ncheck_every: 2"},
    {"type: round\nscheme: adaround\nunit: linear\nsteps: 4\nbatch: 4\ninputs: fp"},
    {"type: awq_scale\nsequences: 9", "type: round\nscheme: {type: gptq, asymmetric: true}",
     "type: bias_correction"},
    {"type: awq_scale", "type: round\nscheme: signround\nsteps: 4\nbatch: 4"},
    {"type: teq\nsteps: 3\nbatch: 4", "type: round\nscheme: rtn"}};

TEST_F(ChainPlaceTest, CodesAreTheSameWhereverTheChainsLie) {
  for (const std::vector<std::string>& pipeline : kPipelines) {
    SCOPED_TRACE(pipeline.front());
    inputs_.chain_place = ChainPlace::kDevice;
    const std::string codes = Run(pipeline).CodesSha256();
    for (const ChainPlace place : {ChainPlace::kDevice, ChainPlace::kHost, ChainPlace::kFile}) {
      inputs_.chain_place = place;
      for (const bool spare : {false, true}) {
        inputs_.spare_chain = spare;
        EXPECT_EQ(Run(pipeline).CodesSha256(), codes);
      }
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(files_folder_.path()));
}

TEST_F(ChainPlaceTest, AStoppedRunGoesOnFromAnotherPlace) {
  const std::string codes = Run(kPipelines[0]).CodesSha256();
  for (const ChainPlace first : {ChainPlace::kHost, ChainPlace::kFile}) {
    const TempFolder progress;
    inputs_.progress_folder = progress.path();
    inputs_.chain_place = first;
    inputs_.unit_kept = [] { throw std::runtime_error("stopped"); };
    EXPECT_THROW(Run(kPipelines[0]), std::runtime_error);
    inputs_.unit_kept = {};
    inputs_.chain_place = first == ChainPlace::kFile ? ChainPlace::kHost : ChainPlace::kFile;
    EXPECT_EQ(Run(kPipelines[0]).CodesSha256(), codes);
  }
}

TEST_F(ChainPlaceTest, OutOfMemorySaysWhereAndWhatToSet) {
  const BrokenSource broken(files_.get());
  inputs_.source = &broken;
  EXPECT_EQ(ErrorOf([&] { Run(kPipelines[0]); }),
            "block_1: out of memory (CUDA out of memory. Tried to allocate 2.00 GiB.): set a "
            "smaller batch or, with the same steps, a larger accumulate (pipeline), or a smaller "
            "compute.memory_limit, which keeps the hidden states of all samples off the device");
}

}  // namespace
}  // namespace roundlab
