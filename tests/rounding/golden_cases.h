#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <limits>
#include <regex>
#include <sstream>
#include <string>

#include "core/base/error.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "tests/rounding/golden_fixture.h"
#include "tests/rounding/linear_replay.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab::testing {

/// A case of a golden file by its name, "w4g32", "w2grow", "w3.sym": bits, group size, grid.
inline QuantSpec SpecOf(const std::string& name) {
  QuantSpec spec;
  spec.scale_dtype = ScaleType::kFloat32;
  spec.group_size = -1;
  std::smatch match;
  ROUNDLAB_CHECK(std::regex_search(name, match, std::regex("w(\\d+)")), name + " has no bits");
  spec.bits = std::stoll(match[1]);
  if (std::regex_search(name, match, std::regex("w\\d+g(\\d+)"))) {
    spec.group_size = std::stoll(match[1]);
  }
  spec.grid = name.find("sym") != std::string::npos && name.find("asym") == std::string::npos
                  ? GridKind::kSym
                  : GridKind::kAsym;
  return spec;
}

inline bool Has(const SafetensorsFile& file, const std::string& name) {
  return file.Find(name) != nullptr;
}

/// A number for a recipe, with all its digits.
inline std::string Digits(double value) {
  std::ostringstream text;
  text << std::setprecision(std::numeric_limits<double>::max_digits10) << value;
  return text.str();
}

inline double MetadataNumber(const SafetensorsFile& file, const std::string& key) {
  const auto text = file.metadata().find(key);
  ROUNDLAB_CHECK(text != file.metadata().end(), "golden file lacks metadata " + key);
  return std::stod(text->second);
}

/// The same where a file may leave it out.
inline double MetadataNumberOr(const SafetensorsFile& file, const std::string& key,
                               double otherwise) {
  return file.metadata().count(key) > 0 ? MetadataNumber(file, key) : otherwise;
}

/// Rows of step i of "step i uses samples (2i mod 8) and the next": batch 2 of 8 rows; "i mod 8" is
/// one of them. Where the file tells a number or nothing, so many or `otherwise` of `rows`.
inline at::Tensor RowsOfStep(const SafetensorsFile& file, std::int64_t rows, std::int64_t step,
                             std::int64_t otherwise = 2) {
  const std::regex form(R"(\b(\d*)[a-z] mod (\d+))");
  auto batch = static_cast<std::int64_t>(
      MetadataNumberOr(file, "batch_size", static_cast<double>(otherwise)));
  std::int64_t period = rows;
  const auto text = file.metadata().find("batch");
  std::smatch match;
  if (text != file.metadata().end()) {
    if (std::regex_search(text->second, match, form)) {
      batch = match.length(1) == 0 ? 1 : std::stoll(match[1]);
      period = std::stoll(match[2]);
    } else if (std::regex_match(text->second, std::regex("\\d+"))) {
      batch = std::stoll(text->second);
    }
  }
  return (at::arange(batch, at::kLong) + (batch * step) % period) % rows;
}

/// Part of the elements that differ.
inline double Differing(const at::Tensor& a, const at::Tensor& b) {
  ROUNDLAB_CHECK(a.sizes() == b.sizes(), "tensors of one shape");
  return (a != b).to(at::kDouble).mean().item<double>();
}

/// Codes are equal but where `position`, the value in steps, lies on a tie: there float32's last
/// bit decides.
inline ::testing::AssertionResult SameCodes(const at::Tensor& codes, const at::Tensor& golden,
                                            const at::Tensor& position) {
  const at::Tensor off = (codes.to(at::kLong) - golden).abs();
  const at::Tensor place = position.to(at::kDouble);
  const at::Tensor tie = (place - place.floor() - 0.5).abs() < 1e-4;
  const at::Tensor bad = (off > tie.to(at::kLong));
  if (!bad.any().item<bool>()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << bad.sum().item<std::int64_t>() << " of " << golden.numel() << " codes differ";
}

inline LayerContext GoldenLayer(const at::Tensor& weight, const QuantSpec& spec,
                                const std::string& range = "minmax") {
  LayerContext context{"layer", weight, spec, {}, 0};
  context.range = RangeEstimators().FromText("type: " + range).make()->Estimate(context);
  return context;
}

}  // namespace roundlab::testing
