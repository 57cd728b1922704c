#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/quant/activation_quantizer.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/stages/smoothquant.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/golden_norm_block.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenNormBlock;
using testing::GoldenTensor;
using testing::Has;
using testing::TensorNear;

constexpr double kSmoothTolerance = 1e-5;  // golden README

class SmoothQuantGoldenTest : public testing::GoldenTest {};

/// "qkv.a0.5" of a file.
struct SmoothCase {
  SmoothCase(const SafetensorsFile& file, const std::string& name)
      : part(name.substr(0, name.find(".a"))),
        alpha(std::stod(name.substr(part.size() + 2))),
        block(file, part + ".W.", part + ".norm") {}

  std::string part;
  double alpha;
  GoldenNormBlock block;
};

TEST_F(SmoothQuantGoldenTest, ScalesAndFoldedWeightsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "smoothquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((\w+\.a[\d.]+)\.scales)")) {
      SCOPED_TRACE(name);
      SmoothCase golden(file, name);
      EXPECT_TRUE(TensorNear(GoldenTensor(file, golden.part + ".X").abs().amax(0),
                             GoldenTensor(file, golden.part + ".act_max"), 0, 0));
      const at::Tensor scale = SmoothScale(GoldenTensor(file, golden.part + ".act_max"),
                                           golden.block.Weights(), golden.alpha);
      EXPECT_TRUE(TensorNear(scale, GoldenTensor(file, name + ".scales"), 0, kSmoothTolerance));
      Fold(golden.block.Group(), scale);
      EXPECT_TRUE(TensorNear(golden.block.Norm().weight, GoldenTensor(file, name + ".norm"), 0,
                             kSmoothTolerance));
      for (const LinearSlot* slot : golden.block.Group().slots) {
        const std::string weight = name + ".W." + golden.block.NameOf(*slot);
        if (!Has(file, weight)) continue;
        EXPECT_TRUE(TensorNear(slot->weight, GoldenTensor(file, weight), 0, kSmoothTolerance));
      }
    }
  }
}

/// "per_token" and "per_tensor": the first rows of the first reader's output in 8 and 8 bits, both
/// on absmax / 127.
TEST_F(SmoothQuantGoldenTest, OutputsInEightBitsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "smoothquant_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& output : CasesOf(file, R"((\w+\.a[\d.]+\.per_\w+)\.Y)")) {
      SCOPED_TRACE(output);
      const std::string name = output.substr(0, output.rfind('.'));
      SmoothCase golden(file, name);
      const at::Tensor scale = GoldenTensor(file, name + ".scales");
      Fold(golden.block.Group(), scale);
      LinearSlot& slot = *golden.block.Group().slots.front();
      const QuantSpec spec{8, -1, GridKind::kSymRestricted, ScaleType::kFloat32};
      const QuantizedWeight weight = RoundingSchemes()
                                         .FromText("type: rtn")
                                         .make()
                                         ->Begin(testing::GoldenLayer(slot.weight, spec))
                                         ->Finish();
      slot.effective = weight.Dequantize();
      ActivationSpec act;
      act.grid = CodeKind::kSymRestricted;
      act.per = output.ends_with("tensor") ? RangePer::kTensor : RangePer::kToken;
      slot.quantizer = std::make_shared<const ActivationQuantizer>(ActivationQuantizer{act});
      const at::Tensor x = GoldenTensor(file, golden.part + ".X") / scale;
      if (act.per == RangePer::kToken && Has(file, name + ".a8.scale")) {
        const at::Tensor view = ActivationView(x, act);
        const at::Tensor some = view.abs().amax(-1).flatten() > 0;  // of zeros any scale is right
        EXPECT_TRUE(TensorNear(slot.quantizer->GridOf(view).scale.flatten().index({some}),
                               GoldenTensor(file, name + ".a8.scale").index({some}), 0,
                               kSmoothTolerance));
      }
      if (act.per == RangePer::kToken && Has(file, name + ".a8.codes")) {
        const at::Tensor step = slot.quantizer->GridOf(ActivationView(x, act)).scale.view({-1, 1});
        EXPECT_TRUE(testing::SameCodes(slot.quantizer->Codes(x),
                                       GoldenTensor(file, name + ".a8.codes"), x / step));
      }
      if (Has(file, name + ".w8.scale")) {
        const at::Tensor some = slot.weight.abs().amax(1) > 0;
        EXPECT_TRUE(TensorNear(weight.scale.flatten().index({some}),
                               GoldenTensor(file, name + ".w8.scale").flatten().index({some}), 0,
                               kSmoothTolerance));
      }
      if (Has(file, name + ".w8.codes")) {
        EXPECT_TRUE(testing::SameCodes(weight.codes.to(at::kLong) - 128,
                                       GoldenTensor(file, name + ".w8.codes"),
                                       slot.weight / weight.scale));
      }
      const at::Tensor y = GoldenTensor(file, output + ".Y");
      const double size = y.abs().max().item<double>();
      EXPECT_TRUE(
          TensorNear(slot.Multiply(x).narrow(0, 0, y.size(0)), y, kSmoothTolerance * size, 0));
    }
  }
}

}  // namespace
}  // namespace roundlab
