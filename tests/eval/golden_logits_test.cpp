#include <filesystem>
#include <regex>

#include "core/formats/safetensors.h"
#include "tests/eval/golden_table.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

/// Models of golden/logits, or "" alone.
std::vector<std::string> LogitModels() {
  std::vector<std::string> models;
  std::error_code none;
  const std::string folder = testing::SharedFolder() + "/golden/logits";
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (entry.path().extension() == ".safetensors") models.push_back(entry.path().stem());
  }
  std::sort(models.begin(), models.end());
  if (models.empty()) return {""};
  return models;
}

class GoldenLogitsTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenLogitsTest, EachSequenceHasThem) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/logits/" + GetParam() + ".safetensors");
  const SafetensorsFile file(path);
  const std::string model = testing::GoldenModelPath(file.metadata().at("model"));
  if (model.empty()) GTEST_SKIP() << "needs the model " << GetParam();
  testing::Judge judge(model);
  // golden/README.md, Tolerance: of tiny models less.
  const double near = judge.model.description().hidden <= 256 ? 5e-5 : 2e-4;
  int sequences = 0;
  for (const TensorView& view : file.tensors()) {
    std::smatch match;
    const std::string name(view.name);
    if (!std::regex_match(name, match, std::regex(R"((seq(\d+))\.ids)"))) continue;
    const std::string sequence = match[1];
    SCOPED_TRACE(sequence);
    ++sequences;
    const at::Tensor ids = GoldenTensor(file, name);
    const auto text = file.metadata().find("text" + match[2].str());
    if (text != file.metadata().end()) {
      auto encoded = judge.tokenizer->Encode(text->second, SpecialTokens::kDefault);
      const auto length = static_cast<std::size_t>(ids.numel());
      ASSERT_GE(encoded.size(), length);
      encoded.resize(length);  // a long text is cut
      EXPECT_TRUE(at::equal(at::tensor(encoded).to(at::kLong), ids));
    }
    const at::Tensor logits = judge.model.Logits(ids.unsqueeze(0))[0];
    EXPECT_TRUE(TensorNear(logits[-1], GoldenTensor(file, sequence + ".last_logits"), near, 0));
    EXPECT_TRUE(at::equal(logits.argmax(1), GoldenTensor(file, sequence + ".argmax")));
    const at::Tensor nll = judge.model.Nll(ids.unsqueeze(0)).flatten();
    EXPECT_TRUE(TensorNear(nll, GoldenTensor(file, sequence + ".nll"), near, 0));
  }
  EXPECT_GT(sequences, 0) << path << " has no sequence";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLogitsTest, ::testing::ValuesIn(LogitModels()),
                         testing::GoldenModelName);

}  // namespace
}  // namespace roundlab
