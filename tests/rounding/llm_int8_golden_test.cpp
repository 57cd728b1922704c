#include "rounding/schemes/llm_int8.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "core/quant/activation_quantizer.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenTensor;
using testing::Has;
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

/// "t6": threshold 6; "t0" and "none" have no outliers; "row" is one token at the paper's 6.
ActivationQuantizer GoldenQuantizer(const std::string& name) {
  ActivationSpec spec;
  spec.grid = CodeKind::kSymRestricted;
  spec.threshold = name == "row" ? 6 : name[0] == 't' ? std::stod(name.substr(1)) : 0;
  if (spec.threshold == 0) spec.threshold = 1e30;
  return {spec};
}

TEST_F(LlmInt8GoldenTest, InputsAndOutputsAreTheSame) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "llm_int8_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenCodes(file).Dequantize();
    for (const std::string& name : CasesOf(file, "([^.]+)\\.x_codes")) {
      SCOPED_TRACE(path + " " + name);
      const bool own = Has(file, name + ".X");
      const at::Tensor x = GoldenTensor(file, own ? name + ".X" : "X");
      const ActivationQuantizer quantizer = GoldenQuantizer(name);
      EXPECT_TRUE(
          at::equal(quantizer.Codes(x).to(at::kLong), GoldenTensor(file, name + ".x_codes")));
      const OutlierSplit split = SplitOutliers(ActivationView(x, quantizer.spec), quantizer.spec);
      EXPECT_TRUE(at::equal(split.largest.flatten(), GoldenTensor(file, name + ".x_rowmax")));
      EXPECT_TRUE(at::equal(split.columns.flatten().nonzero().flatten(),
                            GoldenTensor(file, name + ".outlier_cols")));
      const at::Tensor y = at::linear(quantizer.Apply(x), weight);
      for (const auto& [type, tolerance] : {std::pair{"fp32", 2e-5}, std::pair{"fp16", 5e-4}}) {
        const std::string key = name + "." + type + ".Y";
        if (!Has(file, key)) continue;
        const at::Tensor golden = GoldenTensor(file, key);
        EXPECT_TRUE(TensorNear(y, golden, tolerance * golden.abs().max().item<double>(), 0)) << key;
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
