#include <fstream>
#include <sstream>

#include "core/text/data/calibration.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

/// Lines of tests/golden/calibration.txt: what Python's libraries take (make_calibration.py).
std::vector<std::string> Lines() {
  std::ifstream file(testing::SourceFolder() + "/tests/golden/calibration.txt");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

class CalibrationGoldenTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(CalibrationGoldenTest, TokensAreThoseOfPythonsLibraries) {
  ROUNDLAB_SHARED_OR_SKIP(shared, "data/c4");
  const std::string line = Lines().at(GetParam());
  SCOPED_TRACE(line);
  CalibrationOptions options;
  std::string tokenizer;
  std::string sha256;
  std::string protocol;
  std::istringstream(line) >> protocol >> options.seed >> options.samples >> options.seqlen >>
      tokenizer >> options.data.path >> sha256;
  for (const auto& [value, name] : CalibrationProtocolNames()) {
    if (protocol == name) options.protocol = value;
  }
  options.data.path = testing::SharedFolder() + "/" + options.data.path;
  const auto loaded = LoadTokenizer(testing::SharedFolder() + "/" + tokenizer);
  EXPECT_EQ(MakeCalibration(options, *loaded).fingerprint, sha256);
}

INSTANTIATE_TEST_SUITE_P(Lines, CalibrationGoldenTest,
                         ::testing::Range(std::size_t{0}, Lines().size()));

}  // namespace
}  // namespace roundlab
