#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "core/kernels/soft_power.h"
#include "core/quant/power_grid.h"
#include "rounding/schemes/powerquant.h"
#include "rounding/solvers/power_exponent.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::SpecOf;
using testing::TensorNear;

class PowerQuantGoldenTest : public testing::GoldenTest {
 protected:
  /// "w4.row", "w3.tensor".
  static QuantSpec PowerSpec(const std::string& name) {
    QuantSpec spec = SpecOf(name);
    spec.grid = GridKind::kPower;
    if (name.find("tensor") != std::string::npos) spec.group_size = 0;
    return spec;
  }
  static QuantizedWeight Round(const at::Tensor& weight, const QuantSpec& spec, double exponent) {
    const std::string recipe = "type: powerquant\nexponent: " + testing::Digits(exponent);
    return RoundingSchemes()
        .FromText(recipe)
        .make()
        ->Begin(testing::GoldenLayer(weight, spec))
        ->Finish();
  }
  static at::Tensor SignedCodes(const QuantizedWeight& weight) {
    return (weight.codes.to(at::kFloat) - weight.zero).to(at::kLong);
  }
  /// Of weights among the codes.
  static at::Tensor Positions(const at::Tensor& weight, const QuantSpec& spec, double exponent) {
    const LayerContext layer = testing::GoldenLayer(weight, spec);
    const double top = PowerTop(spec.bits);
    const at::Tensor size = (MakeGrid(layer.range, spec).scale.to(at::kDouble) * top).unsqueeze(1);
    const at::Tensor part = layer.Layout().Split(weight).to(at::kDouble) / size;
    return layer.Layout().Join(SignedPower(part, at::full_like(part, exponent)) * top);
  }
  static nlohmann::json BestOf(const SafetensorsFile& file, const std::string& name) {
    return nlohmann::json::parse(file.metadata().at("best")).at(name);
  }
};

TEST_F(PowerQuantGoldenTest, CodesAndWeightsOfGivenExponents) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "powerquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(w\\d+\\..*\\.a[\\d.]+)\\.codes")) {
      SCOPED_TRACE(path + " " + name);
      const double exponent = std::stod(name.substr(name.rfind(".a") + 2));
      const QuantizedWeight rounded = Round(weight, PowerSpec(name), exponent);
      const at::Tensor codes = GoldenTensor(file, name + ".codes");
      EXPECT_TRUE(testing::SameCodes(SignedCodes(rounded), codes,
                                     Positions(weight, PowerSpec(name), exponent)));
      const at::Tensor same = SignedCodes(rounded) == codes;
      EXPECT_TRUE(TensorNear(rounded.Dequantize().masked_select(same),
                             GoldenTensor(file, name + ".What").masked_select(same), 0, 1e-5));
    }
  }
}

TEST_F(PowerQuantGoldenTest, ValuesOfAllCodes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "powerquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, "(w\\d+\\..*\\.lut_a[\\d.]+)")) {
      SCOPED_TRACE(path + " " + name);
      const std::int64_t bits = SpecOf(name).bits;
      const double exponent = std::stod(name.substr(name.rfind("_a") + 2));
      const at::Tensor values = PowerValues(bits, exponent).narrow(0, 1, (1 << bits) - 1);
      const at::Tensor golden = GoldenDoubles(file, name).to(at::kFloat);
      EXPECT_TRUE(TensorNear(values / PowerTop(bits), golden, 0, 1e-6));
    }
  }
}

TEST_F(PowerQuantGoldenTest, ErrorsOverExponents) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "powerquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(w\\d+\\..*)\\.a_grid")) {
      SCOPED_TRACE(path + " " + name);
      const QuantSpec spec = PowerSpec(name);
      const LayerContext layer = testing::GoldenLayer(weight, spec);
      const at::Tensor groups = layer.Layout().Split(weight);
      // In float64 as in the file: ties count.
      const at::Tensor scale = groups.to(at::kDouble).abs().amax(1) / PowerTop(spec.bits);
      const PowerErrors errors(groups, scale, spec.bits);
      const at::Tensor grid = GoldenDoubles(file, name + ".a_grid");
      const at::Tensor losses = GoldenDoubles(file, name + ".loss_grid");
      for (std::int64_t i = 0; i < grid.size(0); ++i) {
        const double loss = losses[i].item<double>();
        const double error = errors.Of(grid[i].item<double>());
        EXPECT_NEAR(error, loss, 1e-4 * loss) << "exponent " << grid[i].item<double>();
      }
      const nlohmann::json best = BestOf(file, name);
      const double one = best.at("loss_a1").get<double>();
      EXPECT_NEAR(errors.Of(1), one, 1e-4 * one);
    }
  }
}

TEST_F(PowerQuantGoldenTest, SearchIsAsGoodAndItsCodesAreThose) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "powerquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(w\\d+\\..*)\\.best\\.codes")) {
      SCOPED_TRACE(path + " " + name);
      const nlohmann::json best = BestOf(file, name);
      const double least = best.at("loss_best").get<double>();
      const QuantizedWeight found = Round(weight, PowerSpec(name), 0);
      const double error =
          (found.Dequantize() - weight).to(at::kDouble).square().sum().item<double>();
      EXPECT_LE(error, least * 1.01);  // another dip of the same depth
      const double exponent = best.at("a_best").get<double>();
      const at::Tensor codes = SignedCodes(Round(weight, PowerSpec(name), exponent));
      EXPECT_TRUE(testing::SameCodes(codes, GoldenTensor(file, name + ".best.codes"),
                                     Positions(weight, PowerSpec(name), exponent)));
    }
  }
}

/// d loss / d a with the codes held, through the decoder that nupes learns by.
TEST_F(PowerQuantGoldenTest, GradientOfTheExponentWithCodesHeld) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "powerquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, "(w\\d+\\..*\\.grad_a_at_[\\d.]+)")) {
      SCOPED_TRACE(path + " " + name);
      const double exponent = std::stod(name.substr(name.rfind("_at_") + 4));
      const QuantSpec spec = PowerSpec(name);
      const at::Tensor codes = SignedCodes(Round(weight, spec, exponent)).to(at::kDouble);
      const LayerContext layer = testing::GoldenLayer(weight, spec);
      const double top = PowerTop(spec.bits);
      const at::Tensor size =
          (MakeGrid(layer.range, spec).scale.to(at::kDouble) * top).unsqueeze(1);
      const at::Tensor part = layer.Layout().Split(codes / top);
      const at::Tensor a = at::full_like(part, exponent).requires_grad_(true);  // one a weight
      const at::Tensor decoded = layer.Layout().Join(SignedPower(part, a.reciprocal()) * size);
      (decoded - weight.to(at::kDouble)).square().sum().backward();
      const double golden = GoldenDoubles(file, name).item<double>();
      // Its terms, which may cancel, are known to the eps of a float32 scale.
      const double terms = a.grad().abs().sum().item<double>();
      EXPECT_NEAR(a.grad().sum().item<double>(), golden, 2e-3 * std::abs(golden) + 1e-6 * terms);
    }
  }
}

}  // namespace
}  // namespace roundlab
