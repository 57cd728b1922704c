#include "rounding/schemes/llm_int8.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

class LlmInt8GoldenTest : public testing::GoldenTest {};

QuantizedWeight GoldenCodes(const SafetensorsFile& file) {
  return RoundingSchemes()
      .FromText("type: llm_int8\ncolumns: codes")
      .make()
      ->Begin(testing::GoldenLayer(GoldenTensor(file, "W"), testing::SpecOf("w8")))
      ->Finish();
}

TEST_F(LlmInt8GoldenTest, WeightsHaveTheSameCodes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "llm_int8_golden");
  for (const std::string& path : files) {
    SCOPED_TRACE(path);
    const SafetensorsFile file(path);
    const QuantizedWeight rounded = GoldenCodes(file);
    EXPECT_TRUE(at::equal(rounded.codes.to(at::kLong) - 128, GoldenTensor(file, "w_codes")));
    EXPECT_TRUE(TensorNear(rounded.scale.flatten() * 127, GoldenTensor(file, "w_rowmax"), 0, 1e-6));
  }
}

}  // namespace
}  // namespace roundlab
