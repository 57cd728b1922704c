#include "rounding/schemes/llm_int8.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <regex>
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
    if (!testing::HasPart(file, "w_codes") || !testing::HasPart(file, "w_rowmax")) continue;
    const QuantizedWeight rounded = GoldenCodes(file);
    // The original divides by the 0 of a row of zeros; ours has the least scale.
    const at::Tensor largest = GoldenTensor(file, "w_rowmax");
    const auto some = [&](const at::Tensor& rows) { return rows.index({largest != 0}); };
    EXPECT_TRUE(
        at::equal(some(rounded.codes.to(at::kLong) - 128), some(GoldenTensor(file, "w_codes"))));
    EXPECT_TRUE(TensorNear(some(rounded.scale.flatten() * 127), some(largest), 0, 1e-6));
  }
}

/// A case's threshold as metadata or its name, "t6", say it; "none" is 0. Else, as for "row", the
/// paper's 6.
double ThresholdOf(const SafetensorsFile& file, const std::string& name) {
  std::smatch number;
  const bool named = std::regex_search(name, number, std::regex(R"((?:^|\.)t(\d+(?:\.\d+)?))"));
  const double otherwise = named ? std::stod(number[1]) : name.ends_with("none") ? 0 : 6;
  return testing::MetadataNumberOr(file, name + ".threshold", otherwise);
}

/// Of a threshold, 0 for no outliers.
ActivationQuantizer GoldenQuantizer(double threshold) {
  ActivationSpec spec;
  spec.grid = CodeKind::kSymRestricted;
  spec.threshold = threshold == 0 ? 1e30 : threshold;
  return {spec};
}

/// Of the codes and of the outliers' columns, whose sum is the layer's output. The original
/// multiplies what its codes give by 6.200124e-05, which is 1.8e-5 more than 1/127^2.
struct OutputParts {
  at::Tensor codes;
  at::Tensor outliers;
  at::Tensor largest_outliers;  ///< sums of their terms' sizes

  at::Tensor Sum() const { return codes + outliers; }
  /// In float16 the first part, the weights of the second and the sum are rounded, each to a part
  /// in 2^11.
  at::Tensor HalfNoise() const { return (codes.abs() + largest_outliers + Sum().abs()) / 2048; }
};

OutputParts OriginalsOutputs(const at::Tensor& x, const at::Tensor& outlier_columns,
                             const at::Tensor& weight) {
  constexpr double kFactor = 6.200124e-05 * 127 * 127;
  const at::Tensor outliers = x.masked_fill(outlier_columns.logical_not(), 0);
  return {at::linear(x.masked_fill(outlier_columns, 0) * kFactor, weight),
          at::linear(outliers, weight), at::linear(outliers.abs(), weight.abs())};
}

TEST_F(LlmInt8GoldenTest, InputsAndOutputsAreTheSame) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "llm_int8_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenCodes(file).Dequantize();
    for (const std::string& name : CasesOf(file, "(.+)\\.x_codes")) {
      SCOPED_TRACE(path + " " + name);
      const bool own = Has(file, name + ".X");
      const at::Tensor x = GoldenTensor(file, own ? name + ".X" : "X");
      const ActivationQuantizer quantizer = GoldenQuantizer(ThresholdOf(file, name));
      EXPECT_TRUE(
          at::equal(quantizer.Codes(x).to(at::kLong), GoldenTensor(file, name + ".x_codes")));
      const OutlierSplit split = SplitOutliers(ActivationView(x, quantizer.spec), quantizer.spec);
      EXPECT_TRUE(at::equal(split.largest.flatten(), GoldenTensor(file, name + ".x_rowmax")));
      EXPECT_TRUE(at::equal(split.columns.flatten().nonzero().flatten(),
                            GoldenTensor(file, name + ".outlier_cols")));
      const OutputParts y = OriginalsOutputs(quantizer.Apply(x), split.columns.flatten(), weight);
      for (const char* type : {"fp32", "fp16"}) {
        const std::string key = name + "." + type + ".Y";
        if (!Has(file, key)) continue;
        const at::Tensor golden = GoldenTensor(file, key);
        const at::Tensor sums = 2e-5 * golden.abs().max();
        const at::Tensor bound = key.ends_with("fp16.Y") ? sums + y.HalfNoise() : sums;
        EXPECT_TRUE(((y.Sum() - golden).abs() <= bound).all().item<bool>()) << key;
      }
    }
  }
}

}  // namespace
}  // namespace roundlab
