#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/eval/judge.h"
#include "tests/support/csv_rows.h"

namespace roundlab::testing {

/// The perplexities of golden/ppl.csv and golden/rolling_docs.jsonl: of any models, texts, lengths
/// and numbers of documents.

/// Rows of ppl.csv of a protocol: "gptq", "sliding", "rolling".
std::vector<CsvRow> PplRows(const std::string& protocol);

/// Lines of rolling_docs.jsonl.
std::vector<nlohmann::json> RollingDocuments();

/// Models of the rows of a protocol, or "" alone where there are none: its tests say so.
std::vector<std::string> PplModels(const std::string& protocol);

/// Where a model of the golden tables is: under SHARED/models, or ROUNDLAB_MODELS, where
/// scripts/get_smollm2 leaves one. Empty where it is not.
std::string GoldenModelPath(const std::string& name);

/// A text of the tables, "ptb-valid", "c4-first200" or "c4", cut to windows of `seqlen`.
Perplexity::Options OptionsOfText(const std::string& corpus, std::int64_t seqlen);

/// Has the model whose rows are walked. Rows that can't be run here are told, and a test that has
/// run none is skipped.
class GoldenTableTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// The model's rows of a protocol whose data are here and that don't take minutes, which those of
  /// real models do: ROUNDLAB_GOLDEN_ALL runs them too.
  std::vector<CsvRow> Rows(const std::string& protocol) const;
  bool CanRun(const Perplexity::Options& options);

  std::unique_ptr<Judge> judge_;

 private:
  bool TakesMinutes(const Perplexity::Options& options) const;

  int ran_ = 0;
  std::string left_out_;
};

/// Checks a number that is printed with 10 digits, of float32's sums: 1e-5 of it (golden/README.md,
/// Tolerance). A cell may be empty.
void ExpectCell(double ours, const CsvRow& row, const std::string& column);

/// The name of a test of a model, "none" of "".
inline std::string GoldenModelName(const ::testing::TestParamInfo<std::string>& test) {
  return test.param.empty() ? "none" : NameOf(test.param);
}

}  // namespace roundlab::testing
