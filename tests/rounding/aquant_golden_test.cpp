#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/quant/activation_quantizer.h"
#include "core/quant/border.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::TensorNear;

/// "a4": bits and a scale of all inputs.
struct AQuantCase {
  AQuantCase(const SafetensorsFile& golden, const testing::GoldenMatch& m)
      : file(golden),
        name(m.str(1)),
        bits(std::stoll(name.substr(1))),
        x(GoldenTensor(golden, "X").to(at::kDouble)),
        scale(GoldenDoubles(golden, name + ".scale").item<double>()) {}
  at::Tensor Doubles(const std::string& key) const { return GoldenDoubles(file, name + "." + key); }
  at::Tensor Codes(const std::string& kind) const {
    return GoldenTensor(file, name + "." + kind + ".codes");
  }
  double LeastCode() const { return -std::exp2(static_cast<double>(bits) - 1); }

  const SafetensorsFile& file;
  std::string name;
  std::int64_t bits;
  at::Tensor x;  // [tokens, channels]
  double scale;
};

class AQuantGoldenTest : public testing::GoldenTest {
 protected:
  static void ForAllCases(const std::function<void(const AQuantCase& c)>& check) {
    ForAllMatches<AQuantCase>("aquant_golden", R"((a\d+)\.scale)", check);
  }
};

/// Codes clamp(ceil(x / s - border), -2^(b-1), 2^(b-1) - 1), all float64 as the file's.
at::Tensor SignedCodesAt(const AQuantCase& c, const at::Tensor& border) {
  return RoundAtBorder(c.x / c.scale, border)
      .round()
      .clamp(c.LeastCode(), -c.LeastCode() - 1)
      .to(at::kLong);
}

TEST_F(AQuantGoldenTest, CodesUnderEachBorder) {
  ForAllCases([](const AQuantCase& c) {
    const auto expect = [&](const std::string& kind, const at::Tensor& border) {
      EXPECT_TRUE(TensorNear(SignedCodesAt(c, border), c.Codes(kind), 0, 0)) << kind;
    };
    expect("const", at::full({1}, 0.5, at::kDouble));
    expect("channel", c.Doubles("channel.border"));
    const at::Tensor border =
        QuadraticBorder(c.x, c.Doubles("quad.b0"), c.Doubles("quad.b1"), c.Doubles("quad.b2"));
    EXPECT_TRUE(TensorNear(border, c.Doubles("quad.border"), 1e-14, 0));
    expect("quad", border);
  });
}

/// A border of a file: its values, and the three numbers of a channel that make it where x is in
/// `unit`s.
struct GoldenBorder {
  std::string kind;
  at::Tensor values;  // broadcasts to x
  at::Tensor b;       // [3, channels] float32
};

std::vector<GoldenBorder> BordersOf(const AQuantCase& c, double unit) {
  const at::Tensor none = at::zeros({1, c.x.size(1)}, at::kDouble);
  const auto three = [](const at::Tensor& b0, const at::Tensor& b1, const at::Tensor& b2) {
    return at::cat({b0, b1, b2}).to(at::kFloat);
  };
  const at::Tensor channel = c.Doubles("channel.border");
  return {{"const", none + 0.5, three(none, none, none)},
          {"channel", channel, three(at::logit(channel), none, none)},
          {"quad", c.Doubles("quad.border"),
           three(c.Doubles("quad.b0"), c.Doubles("quad.b1") * unit,
                 c.Doubles("quad.b2") * (unit * unit))}};
}

/// Codes change where x / s - border is whole.
::testing::AssertionResult SameBorderCodes(const AQuantCase& c, const GoldenBorder& border,
                                           const at::Tensor& codes) {
  return testing::SameCodes(codes, c.Codes(border.kind), c.x / c.scale - border.values + 0.5);
}

TEST_F(AQuantGoldenTest, TheQuantizerOfInputsHasTheSameCodes) {
  ForAllCases([](const AQuantCase& c) {
    ActivationQuantizer quantizer;
    quantizer.spec.bits = c.bits;
    quantizer.spec.per = RangePer::kTensor;
    quantizer.scale = at::full({1, 1}, c.scale, at::kFloat);
    quantizer.zero = at::zeros({1, 1});
    for (const GoldenBorder& border : BordersOf(c, c.scale * quantizer.spec.HighestCode())) {
      quantizer.border = border.b;
      EXPECT_TRUE(SameBorderCodes(c, border, quantizer.Codes(c.x.to(at::kFloat)))) << border.kind;
    }
  });
}

/// The scheme's borders are those of rows, so the inputs' channels are a weight's rows.
TEST_F(AQuantGoldenTest, TheSchemeOnTheirTransposeHasTheSameCodes) {
  ForAllCases([](const AQuantCase& c) {
    QuantSpec spec{c.bits, -1, GridKind::kAsym, ScaleType::kFloat32};
    LayerContext layer = testing::GoldenLayer(c.x.t().to(at::kFloat).contiguous(), spec);
    const at::Tensor one = at::ones({c.x.size(1)});
    layer.range = {one * (c.LeastCode() * c.scale), one * ((-c.LeastCode() - 1) * c.scale)};
    for (const GoldenBorder& border : BordersOf(c, c.scale)) {
      const bool quadratic = border.kind == "quad";
      const auto state =
          RoundingSchemes()
              .FromText(std::string("type: aquant\nquadratic: ") + (quadratic ? "true" : "false"))
              .make()
              ->Begin(layer);
      const auto tuned = state->Parameters().at(0).tensors;
      for (std::size_t i = 0; i < tuned.size(); ++i) {
        const at::NoGradGuard no_grad;
        tuned[i].copy_(border.b[static_cast<std::int64_t>(i)].unsqueeze(1));
      }
      const QuantizedWeight weight = state->Finish();
      const at::Tensor codes = (weight.codes.to(at::kFloat) - weight.zero).t();
      EXPECT_TRUE(SameBorderCodes(c, border, codes)) << border.kind;
      EXPECT_TRUE(TensorNear(state->SoftWeight().detach(), weight.Dequantize(), 0, 0));
    }
  });
}

}  // namespace
}  // namespace roundlab
