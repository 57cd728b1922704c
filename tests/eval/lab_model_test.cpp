// The committed model of the built-in laboratory (configs/lab/model).
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "core/base/files.h"
#include "core/metrics/run_record.h"
#include "core/model/catalogue.h"
#include "core/model/model.h"
#include "core/text/data/builtin_data.h"
#include "core/text/tokenizer/bpe_trainer.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/perplexity.h"
#include "eval/zero_shot.h"

namespace roundlab {
namespace {

class LabModelTest : public ::testing::Test {
 protected:
  std::vector<EvalResult> Measure(const Evaluator& evaluator) {
    const LanguageModel model(files_, at::kFloat);
    const MemoryScorer scorer(model);
    const StreamScorer original(files_, model.ends(), {});
    return evaluator.Evaluate({&scorer, &original, tokenizer_.get(), &record_, &log_});
  }
  const std::string folder_ = ResolveModel("builtin:lab");
  const ModelFiles files_{folder_};
  const std::unique_ptr<Tokenizer> tokenizer_ = LoadTokenizer(folder_);
  RunRecord record_;
  Log log_{"", true};
};

TEST_F(LabModelTest, IsSmallAndGroupsDivideIt) {
  EXPECT_LE(std::filesystem::file_size(folder_ + "/model.safetensors"), std::uintmax_t{4} << 20);
  const ModelDescription& d = files_.description();
  EXPECT_GT(d.layers, 2);
  EXPECT_NEAR(static_cast<double>(d.TotalWeights()), 1e6, 3e5);
  for (const std::int64_t width : {d.hidden, d.intermediate, d.heads * d.head_dim}) {
    EXPECT_EQ(width % 128, 0) << width;
  }
  EXPECT_EQ(d.vocab, tokenizer_->VocabSize());
}

TEST_F(LabModelTest, HasTheRecordedPerplexity) {
  Perplexity::Options options;
  options.data.name = "lab";
  options.name = "test";
  options.seqlen = 256;
  const double measured = Measure(Perplexity(options)).front().metrics.at("perplexity");
  const std::string record = ReadFile(folder_ + "/train/train.json");
  const std::string key = "\"test/perplexity\": ";
  const double recorded = std::stod(record.substr(record.find(key) + key.size()));
  EXPECT_NEAR(measured, recorded, 1e-4 * recorded);
}

TEST_F(LabModelTest, KnowsItsWorld) {
  // Less three standard errors of a share of 100. The model has hardly learned lab_yesno and
  // lab_pronoun (docs/laboratory.md), whose chance is 1/2: they are not asked of it.
  const std::map<std::string, double> least = {{"lab_fact", 0.84},
                                               {"lab_agreement", 0.97},
                                               {"lab_story", 0.97},
                                               {"lab_count", 0.87},
                                               {"lab_cloze", 0.47}};
  ZeroShot::Options options;
  for (const auto& [task, share] : least) options.tasks.push_back(task);
  options.documents = 100;
  for (const EvalResult& result : Measure(ZeroShot(options))) {
    EXPECT_GT(result.metrics.at("acc"), least.at(result.name)) << result.name;
  }
}

TEST_F(LabModelTest, HasTheTokenizerThatItsTextGives) {
  const TrainedBpe bpe = TrainBpe(BuiltinDocuments("builtin:lab/train", 8000), {1536});
  EXPECT_EQ(bpe.TokenizerJson(), ReadFile(folder_ + "/tokenizer.json"));
  EXPECT_EQ(TrainedBpe::TokenizerConfigJson(256), ReadFile(folder_ + "/tokenizer_config.json"));
}

}  // namespace
}  // namespace roundlab
