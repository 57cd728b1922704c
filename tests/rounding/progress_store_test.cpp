#include "rounding/progress_store.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "tests/core/formats/format_files.h"
#include "tests/support/flip_last_byte.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::FlipLastByte;
using testing::RandomTensor;

class ProgressStoreTest : public ::testing::Test {
 protected:
  ProgressStoreTest() : folder_(::testing::TempDir() + "/progress_" + std::to_string(::getpid())) {}
  ~ProgressStoreTest() override { std::filesystem::remove_all(folder_); }

  static StoredWeights Weights(float scale) {
    QuantizedWeight w;
    w.codes = at::arange(8, at::kByte).view({2, 4});
    w.scale = at::full({2, 1}, scale);
    w.zero = at::full({2, 1}, 4.0F);
    w.spec = {4, -1, GridKind::kAsym, ScaleType::kFloat32, false};
    return {{{"layer", w}}, {{"norm.weight", at::ones({4})}}, {}};
  }

  std::string folder_;
};

TEST_F(ProgressStoreTest, GivesBackUnitsRecordsAndTheLatestChains) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    ProgressStore store(folder_);
    RunRecord record;
    record.Record("tune/u/loss", 3, 0.25);
    const at::Tensor fp = RandomTensor({2, 3, 4}, 1).to(type);
    const at::Tensor q = RandomTensor({2, 3, 4}, 2).to(type);
    store.Save(0, Weights(1), record, RandomTensor({2, 3, 4}, 3).to(type), q);
    store.Save(1, Weights(2), record, fp, {});
    const ProgressStore again(folder_);
    const ProgressStore::State state = again.Load();
    EXPECT_EQ(state.finished, 2);
    EXPECT_TRUE(at::equal(state.fp_chain, fp));
    EXPECT_FALSE(state.q_chain.defined());
    EXPECT_EQ(again.Weights(0).layers.at("layer").scale[0].item<float>(), 1);
    EXPECT_EQ(again.Weights(1).layers.at("layer").scale[0].item<float>(), 2);
    EXPECT_TRUE(at::equal(again.Weights(1).tensors.at("norm.weight"), at::ones({4})));
    EXPECT_EQ(again.Record(1).Serialize(), record.Serialize());
  }
}

TEST_F(ProgressStoreTest, AUnitCountsOnceItsRecordIsThere) {
  ProgressStore store(folder_);
  store.Save(0, Weights(1), {}, RandomTensor({1, 2, 4}, 1), {});
  store.Save(1, Weights(1), {}, RandomTensor({1, 2, 4}, 2), {});
  std::filesystem::remove(folder_ + "/record_1");
  // The chains of unit 0 are gone once unit 1 is kept: nothing is left to go on from but its own.
  EXPECT_EQ(ProgressStore(folder_).Weights(0).layers.size(), 1U);
  std::filesystem::remove(folder_ + "/record_0");
  EXPECT_EQ(ProgressStore(folder_).Load().finished, 0);
}

TEST_F(ProgressStoreTest, ChainsThatTakeLongAreWrittenNowAndThenAndUnitsWithThem) {
  constexpr double kNever = 1e9;
  const auto chain = [](std::uint64_t seed) { return RandomTensor({1, 2, 4}, seed); };
  constexpr double kAtOnce = std::numeric_limits<double>::infinity();
  ProgressStore store(folder_, {0, kNever, kAtOnce});
  for (const std::int64_t unit : {0, 1, 2}) {
    store.Save(unit, Weights(1), {}, chain(static_cast<std::uint64_t>(unit)), {});
    EXPECT_EQ(ProgressStore(folder_).Load().finished, 1);  // the first one takes no time so far
    EXPECT_TRUE(at::equal(ProgressStore(folder_).Load().fp_chain, chain(0)));
  }
  ProgressStore going_on(folder_, {0, 0, kAtOnce});
  going_on.Save(1, Weights(2), {}, chain(1), {});
  going_on.Save(2, Weights(3), {}, chain(2), {});
  EXPECT_EQ(ProgressStore(folder_).Load().finished, 3);
  EXPECT_TRUE(at::equal(ProgressStore(folder_).Load().fp_chain, chain(2)));
  EXPECT_EQ(ProgressStore(folder_).Weights(1).layers.at("layer").scale[0].item<float>(), 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/chains_0"));
  // Killed between the records of units that were written together: the chains before them serve.
  ProgressStore late(folder_, {0, kNever, kAtOnce});
  late.Save(3, Weights(4), {}, chain(3), {});
  std::filesystem::copy_file(folder_ + "/record_3", folder_ + "/record_4");
  EXPECT_EQ(ProgressStore(folder_).Load().finished, 4);
}

TEST_F(ProgressStoreTest, ChainsThatWillTakeLongAreNotWrittenAtTheStart) {
  const at::Tensor chain = RandomTensor({1, 2, 4}, 1);
  ProgressStore slow(folder_, {1, 20, 4});  // 8 s for 32 bytes
  slow.Save(0, Weights(1), {}, chain, {});
  EXPECT_EQ(ProgressStore(folder_).Load().finished, 0);
  ProgressStore fast(folder_, {1, 20, 40});  // 0.8 s
  fast.Save(0, Weights(1), {}, chain, {});
  EXPECT_EQ(ProgressStore(folder_).Load().finished, 1);
}

TEST_F(ProgressStoreTest, DamagedFilesAreTold) {
  const ProgressStore store(folder_);
  ProgressStore(folder_).Save(0, Weights(1), {}, RandomTensor({1, 2, 4}, 1), {});
  const auto load = [&] { store.Load(); };
  const auto weights = [&] { store.Weights(0); };
  EXPECT_EQ(ErrorOf(load) + ErrorOf(weights), "");
  const std::string anew = "; remove " + folder_ + " to begin anew";
  const std::string changed = ": damaged: its tensors are not what was written" + anew;
  FlipLastByte(folder_ + "/chains_0");
  EXPECT_EQ(ErrorOf(load), folder_ + "/chains_0" + changed);
  FlipLastByte(folder_ + "/weights_0");
  EXPECT_EQ(ErrorOf(weights), folder_ + "/weights_0" + changed);
  std::filesystem::resize_file(folder_ + "/chains_0", 9);
  EXPECT_TRUE(ErrorOf(load).ends_with(anew)) << ErrorOf(load);
}

TEST_F(ProgressStoreTest, WithoutAFolderNothingIsKept) {
  ProgressStore store("");
  store.Save(0, Weights(1), {}, RandomTensor({1, 2, 4}, 1), {});
  EXPECT_EQ(store.Load().finished, 0);
}

}  // namespace
}  // namespace roundlab
