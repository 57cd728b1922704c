#include "tests/eval/golden_table.h"

#include <filesystem>
#include <set>

#include "core/base/folders.h"
#include "tests/support/golden_corpus.h"

namespace roundlab::testing {
namespace {

using nlohmann::json;

std::string Table(const std::string& file) { return SharedFolder() + "/golden/" + file; }

}  // namespace

std::vector<CsvRow> PplRows(const std::string& protocol) {
  std::vector<CsvRow> rows = CsvRows(Table("ppl.csv"));
  std::erase_if(rows, [&](const CsvRow& row) { return row.at("protocol") != protocol; });
  return rows;
}

std::vector<json> RollingDocuments() {
  std::vector<json> lines;
  std::ifstream in(Table("rolling_docs.jsonl"));
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

std::vector<std::string> PplModels(const std::string& protocol) {
  std::set<std::string> models;
  for (const CsvRow& row : PplRows(protocol)) models.insert(row.at("model"));
  if (protocol == "rolling") {
    for (const json& line : RollingDocuments()) models.insert(line.at("model").get<std::string>());
  }
  if (models.empty()) return {""};
  return {models.begin(), models.end()};
}

std::string GoldenModelPath(const std::string& name) {
  std::vector<std::string> places = {SharedFolder() + "/models/" + name,
                                     ModelFolder() + "/" + name};
  if (name == "smollm2-135m-q4_1") {
    places.push_back(ModelFolder() + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  }
  for (const std::string& place : places) {
    if (std::filesystem::exists(place)) return place;
  }
  return "";
}

Perplexity::Options OptionsOfText(const std::string& corpus, std::int64_t seqlen) {
  const GoldenCorpus text = GoldenCorpusOf(corpus);
  Perplexity::Options options;
  options.data = text.data;
  options.documents = text.documents;
  options.seqlen = seqlen;
  return options;
}

void GoldenTableTest::SetUp() {
  if (GetParam().empty()) {
    GTEST_SKIP() << "no such row in golden/ppl.csv or golden/rolling_docs.jsonl under "
                    "ROUNDLAB_SHARED or beside the source";
  }
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  const std::string path = GoldenModelPath(GetParam());
  if (path.empty()) {
    GTEST_SKIP() << "needs the model " << GetParam() << " under ROUNDLAB_SHARED or ROUNDLAB_MODELS";
  }
  judge_ = std::make_unique<Judge>(path);
}

void GoldenTableTest::TearDown() {
  if (judge_ == nullptr) return;
  if (ran_ == 0) GTEST_SKIP() << "no row of " << GetParam() << " can be run:" << left_out_;
  if (!left_out_.empty()) std::cout << "not run:" << left_out_ << "\n";
}

std::vector<CsvRow> GoldenTableTest::Rows(const std::string& protocol) const {
  std::vector<CsvRow> rows = PplRows(protocol);
  std::erase_if(rows, [](const CsvRow& row) { return row.at("model") != GetParam(); });
  return rows;
}

bool GoldenTableTest::CanRun(const Perplexity::Options& options) {
  std::string why;
  try {
    ResolveData(options.data);
    if (TakesMinutes(options)) why = "takes minutes (ROUNDLAB_GOLDEN_ALL=1 runs it)";
  } catch (const Error& error) {
    why = error.what();
  }
  if (why.empty()) {
    ++ran_;
    return true;
  }
  left_out_ += "\n  " + options.Name() + " of " + std::to_string(*options.seqlen) + ": " + why;
  return false;
}

bool GoldenTableTest::TakesMinutes(const Perplexity::Options& options) const {
  constexpr double kMinute = 1e12;  // multiplications, on a core
  constexpr double kMost = 1e6;     // tokens
  const ModelDescription& model = judge_->files.description();
  const double a_token = 12.0 * static_cast<double>(model.layers * model.hidden * model.hidden);
  if (a_token * kMost < kMinute || !Environment("ROUNDLAB_GOLDEN_ALL", "").empty()) return false;
  const auto tokens = Perplexity(options).Tokens(model, *judge_->tokenizer);
  return a_token * static_cast<double>(tokens) > kMinute;
}

void ExpectCell(double ours, const CsvRow& row, const std::string& column) {
  if (row.at(column).empty()) return;
  const double golden = std::stod(row.at(column));
  EXPECT_NEAR(ours, golden, 1e-5 * golden) << column;
}

}  // namespace roundlab::testing
