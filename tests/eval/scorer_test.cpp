#include "eval/scorer.h"

#include <string>
#include <vector>

#include "tests/eval/judge.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

class ScorerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModel{.layers = 3}.Write(temp_ / "m");
    judge_ = std::make_unique<testing::Judge>(temp_ / "m");
    for (const std::int64_t seq : {5, 64, 1}) {
      inputs_.emplace_back(testing::RandomIds({2, seq}, 1, 256));
    }
    PackedTokens packed;
    packed.Add({1, 2, 3, 4});
    packed.Add({1, 2, 9});
    packed.Add({7});
    inputs_.insert(inputs_.begin() + 1, packed);
  }
  std::vector<ScorerStates> StatesOf(const Scorer& scorer) const {
    std::vector<ScorerStates> all;
    scorer.Run(inputs_, [&](std::size_t i, const ScorerStates& states) {
      EXPECT_EQ(i, all.size());
      all.push_back(states);
    });
    EXPECT_EQ(all.size(), inputs_.size());
    return all;
  }

  const testing::TempFolder temp_;
  std::unique_ptr<testing::Judge> judge_;
  std::vector<ScorerInput> inputs_;
};

TEST_F(ScorerTest, InMemoryItIsTheModelsOwnForwardPass) {
  const auto states = StatesOf(judge_->scorer);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const auto* tokens = std::get_if<at::Tensor>(&inputs_[i]);
    const at::Tensor hidden = tokens == nullptr
                                  ? judge_->model.Hidden(std::get<PackedTokens>(inputs_[i]))
                                  : judge_->model.Hidden(*tokens);
    EXPECT_TRUE(states[i].hidden.equal(hidden)) << i;
    EXPECT_EQ(states[i].not_finite, "");
  }
}

TEST_F(ScorerTest, StreamedItGivesTheSameBitsHoweverLittleIsKept) {
  const auto change = [](DecoderBlock* block) {
    for (LinearSlot* slot : block->Linears()) slot->effective = slot->weight * 1.5;
  };
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const LanguageModel model(judge_->files, dtype, [&](DecoderBlock* block) {
      change(block);
      for (LinearSlot* slot : block->Linears()) slot->effective = slot->effective.to(dtype);
    });
    const auto expected = StatesOf(MemoryScorer(model));
    for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{5000}, std::int64_t{1} << 30}) {
      StreamScorer::Options options;
      options.bytes = bytes;
      options.dtype = dtype;
      options.hook = [&](DecoderBlock* block) {
        change(block);
        for (LinearSlot* slot : block->Linears()) slot->effective = slot->effective.to(dtype);
      };
      const auto states = StatesOf(StreamScorer(judge_->files, model.ends(), options));
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        EXPECT_TRUE(states[i].hidden.equal(expected[i].hidden)) << i << ", " << bytes << " bytes";
      }
    }
  }
}

TEST_F(ScorerTest, TheFirstOutputThatIsNotFiniteIsNamed) {
  testing::TinyModel{.layers = 3, .loud = 3e4F}.Write(temp_ / "loud");
  const ModelFiles files(temp_ / "loud");
  for (const auto& [dtype, place] : {std::pair{at::kFloat, ""}, std::pair{at::kHalf, "block 2"}}) {
    const LanguageModel model(files, dtype);
    EXPECT_EQ(StatesOf(MemoryScorer(model))[0].not_finite, place);
    StreamScorer::Options options;
    options.dtype = dtype;
    EXPECT_EQ(StatesOf(StreamScorer(files, model.ends(), options))[0].not_finite, place);
  }
}

}  // namespace
}  // namespace roundlab
