#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/json.h"
#include "rounding/bit_allocation.h"
#include "rounding/ranges/scale_search.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/weighted_layer.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::FullRange;
using testing::GoldenDoubles;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::Has;
using testing::SpecOf;
using testing::TensorNear;
using testing::WeightedLayer;

class SignRoundV2GoldenTest : public testing::GoldenTest {};

/// Sum of importance (w - scale code)^2 of each group; `scale` in the file's shape.
at::Tensor SearchError(const LayerContext& layer, const at::Tensor& columns,
                       const at::Tensor& scale) {
  const at::Tensor groups = layer.Layout().Split(layer.weight).to(at::kDouble);
  const at::Tensor s = scale.to(at::kDouble).reshape({-1, 1});
  const double n = static_cast<double>(std::int64_t{1} << (layer.spec.bits - 1));
  at::Tensor error = ((groups / s).round().clamp(-n, n - 1) * s - groups).square();
  if (columns.defined()) error = error * SpreadImportance(columns, layer.Layout());
  return error.sum(1);
}

/// 99 % of the scales equal, and where they differ the error within 1e-5 (README).
void ExpectScales(const LayerContext& layer, const at::Tensor& columns, const at::Tensor& ours,
                  const at::Tensor& golden) {
  const at::Tensor same = (ours.flatten() / golden.flatten() - 1).abs() <= 1e-6;
  EXPECT_GE(same.to(at::kDouble).mean().item<double>(), 0.99);
  const at::Tensor our_error = SearchError(layer, columns, ours);
  const at::Tensor golden_error = SearchError(layer, columns, golden);
  EXPECT_TRUE(TensorNear(our_error, golden_error, 1e-12, 1e-5));
}

TEST_F(SignRoundV2GoldenTest, ScaleSearchAndItsCodes) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "search.W");
    for (const std::string& name : CasesOf(file, "(search\\.w.*)\\.scale")) {
      SCOPED_TRACE(path + " " + name);
      const bool plain = name.find("plain") != std::string::npos;
      const at::Tensor columns = plain ? at::Tensor() : GoldenTensor(file, "search.imatrix");
      LayerContext layer = WeightedLayer(weight, SpecOf(name), columns);
      const QuantizedWeight start =
          RoundingSchemes().FromText("type: signround_v2").make()->Begin(layer)->Finish();
      const at::Tensor golden = GoldenTensor(file, name + ".scale");
      ExpectScales(layer, columns, start.scale, golden);
      for (const ScaleType dtype : {ScaleType::kFloat16, ScaleType::kFloat32}) {
        const std::string key =
            name + (dtype == ScaleType::kFloat16 ? ".fp16.codes" : ".fp32.codes");
        if (!Has(file, key)) continue;
        layer.spec.scale_dtype = dtype;
        layer.range = RangeOfScale(golden.flatten(), layer.spec.bits);
        const QuantizedWeight rounded = RoundingSchemes()
                                            .FromText("type: signround_v2\nown_range: false")
                                            .make()
                                            ->Begin(layer)
                                            ->Finish();
        const at::Tensor codes = (rounded.codes.to(at::kFloat) -
                                  static_cast<double>(std::int64_t{1} << (layer.spec.bits - 1)))
                                     .to(at::kLong);
        EXPECT_LE(Differing(codes, GoldenTensor(file, key)), 1e-3) << key;
      }
    }
  }
}

TEST_F(SignRoundV2GoldenTest, OneShotSearchFillsZerosOfTheImportance) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    if (!testing::HasPart(file, "optrtn_zero.")) continue;
    const at::Tensor weight = GoldenTensor(file, "search.W");
    const at::Tensor columns = GoldenTensor(file, "optrtn_zero.imatrix");
    for (const std::string& name : CasesOf(file, "(optrtn_zero\\.w.*)\\.scale")) {
      SCOPED_TRACE(path + " " + name);
      LayerContext layer = WeightedLayer(weight, SpecOf(name), columns);
      layer.range = RangeEstimators().FromText("type: scale_search").make()->Estimate(layer);
      const at::Tensor ours = MakeGrid(layer.range, layer.spec).scale;
      const at::Tensor golden = GoldenTensor(file, name + ".scale").flatten();
      EXPECT_LE(((ours / golden - 1).abs() > 1e-6).to(at::kDouble).mean().item<double>(), 0.01);
    }
  }
}

TEST_F(SignRoundV2GoldenTest, WeightAndGradientsAtRandomParameters) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, "(fg\\.w.*)\\.V")) {
      SCOPED_TRACE(path + " " + name);
      const auto golden = [&](const std::string& key) {
        return GoldenTensor(file, name + "." + key);
      };
      const at::Tensor offset = golden("V");
      const at::Tensor weight = GoldenTensor(file, "search.W").narrow(0, 0, offset.size(0));
      const LayerContext layer =
          WeightedLayer(weight, SpecOf(name), GoldenTensor(file, "search.imatrix"));
      const auto rounding = RoundingSchemes().FromText("type: signround_v2").make()->Begin(layer);
      const auto groups = rounding->Parameters();
      {
        const c10::NoGradGuard no_grad;
        groups[0].tensors[0].copy_(layer.Layout().Split(offset));
        groups[1].tensors[0].copy_(golden("coef").flatten());
      }
      const at::Tensor soft = rounding->SoftWeight();
      const at::Tensor what = golden("What");
      // A tie of w / s + V may fall either way.
      const at::Tensor off = (soft - what).abs() > 1e-6 * what.abs().max();
      EXPECT_LE(off.to(at::kDouble).mean().item<double>(), 1e-3);
      (soft * golden("R")).sum().backward();
      const at::Tensor v = layer.Layout().Join(groups[0].tensors[0].grad());
      EXPECT_LE(((v - golden("grad_V")).abs() > 1e-5 * golden("grad_V").abs().max())
                    .to(at::kDouble)
                    .mean()
                    .item<double>(),
                1e-3);
      const at::Tensor c = golden("grad_coef");
      const at::Tensor c_off = (groups[1].tensors[0].grad().view(c.sizes()) - c).abs() >
                               1e-5 * c.abs().max().item<double>();
      EXPECT_LE(c_off.to(at::kDouble).mean().item<double>(), 0.02);
    }
  }
}

TEST_F(SignRoundV2GoldenTest, TrimmedLossAndItsGradient) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    SCOPED_TRACE(path);
    const SafetensorsFile file(path);
    if (!testing::HasPart(file, "trim.")) continue;
    const at::Tensor prediction = GoldenTensor(file, "trim.pred").requires_grad_(true);
    const at::Tensor loss = Losses()
                                .FromText("type: trimmed_mse")
                                .make()
                                ->Of(prediction, GoldenTensor(file, "trim.ref"));
    const double expected = GoldenDoubles(file, "trim.loss").item<double>();
    EXPECT_NEAR(loss.item<double>(), expected, 1e-6 * expected);
    loss.backward();
    const at::Tensor gradient = GoldenTensor(file, "trim.grad");
    EXPECT_TRUE(
        TensorNear(prediction.grad(), gradient, 1e-6 * gradient.abs().max().item<double>(), 0));
  }
}

TEST_F(SignRoundV2GoldenTest, TrimmedLossOfSomeTokens) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    SCOPED_TRACE(path);
    const SafetensorsFile file(path);
    if (!testing::HasPart(file, "trim.mask")) continue;
    const at::Tensor loss =
        Losses()
            .FromText("type: trimmed_mse")
            .make()
            ->Of(GoldenTensor(file, "trim.pred"), GoldenTensor(file, "trim.ref"),
                 GoldenTensor(file, "trim.mask") != 0);
    const double expected = GoldenDoubles(file, "trim.masked_loss").item<double>();
    EXPECT_NEAR(loss.item<double>(), expected, 1e-6 * expected);
  }
}

/// Compares one allocation with {"loss": ..., "choice": [...]}, null where nothing fits.
void ExpectAllocation(const std::optional<BitAllocation>& ours, const nlohmann::json& golden) {
  ASSERT_EQ(ours.has_value(), !golden.at("choice").is_null());
  if (!ours.has_value()) return;
  EXPECT_EQ(ours->choice, golden.at("choice").get<std::vector<std::size_t>>());
  const double loss = golden.at("loss").get<double>();
  EXPECT_NEAR(ours->loss, loss, 1e-12 * loss);
}

/// Options of each layer of metadata "dp.model": bits and scores of the file's own tensors.
std::vector<std::vector<BitOption>> ModelOptions(const SafetensorsFile& file,
                                                 const nlohmann::json& model) {
  std::vector<std::vector<BitOption>> layers(model.at("layers").size());
  for (const auto& option : model.at("options")) {
    const auto name = option.get<std::string>();
    const at::Tensor bits = GoldenTensor(file, name + ".bits");
    const at::Tensor score = GoldenDoubles(file, name + ".score");
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      layers[i].push_back({bits[row].item<std::int64_t>(), score[row].item<double>()});
    }
  }
  return layers;
}

TEST_F(SignRoundV2GoldenTest, BitAllocation) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const auto metadata = [&](const std::string& key) {
      return ParseJson(file.metadata().at(key), key);
    };
    const nlohmann::json model = metadata("dp.model");
    auto layers = ModelOptions(file, model);
    for (const auto& result : model.at("results")) {
      SCOPED_TRACE(path + " dp.model " + result.dump());
      ExpectAllocation(AllocateBits(layers, result.at("budget").get<std::int64_t>()), result);
    }
    const std::string thinned = "dp.max_states";
    for (const auto& [key, text] : file.metadata()) {
      if (key.rfind(thinned, 0) != 0) continue;  // "dp.max_states5_avg3.3"
      SCOPED_TRACE(path + " " + key);
      const auto states = static_cast<std::size_t>(std::stoul(key.substr(thinned.size())));
      const double average = std::stod(key.substr(key.find("avg") + 3));
      const auto same = std::find_if(
          model.at("results").begin(), model.at("results").end(),
          [&](const nlohmann::json& r) { return r.at("avg").get<double>() == average; });
      ASSERT_NE(same, model.at("results").end());
      ExpectAllocation(AllocateBits(layers, same->at("budget").get<std::int64_t>(), states),
                       metadata(key));
    }
    layers.resize(std::min<std::size_t>(layers.size(), 7));
    for (const auto& result : metadata("dp.first7")) {
      SCOPED_TRACE(path + " dp.first7 " + result.dump());
      ExpectAllocation(AllocateBits(layers, result.at("budget").get<std::int64_t>()), result);
    }
  }
}

TEST_F(SignRoundV2GoldenTest, BitAllocationKeepsTheFirstOfTies) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "signround_v2_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const auto ties = ParseOrderedJson(file.metadata().at("dp.ties"), "dp.ties");
    std::vector<std::vector<BitOption>> layers;
    for (const auto& [layer, options] : ties.at("options").items()) {
      auto& own = layers.emplace_back();
      for (const auto& option : options) {
        own.push_back({option.at(1).get<std::int64_t>(), option.at(2).get<double>()});
      }
    }
    for (const auto& result : ties.at("results")) {
      SCOPED_TRACE(path + " " + result.dump());
      ExpectAllocation(AllocateBits(layers, result.at("budget").get<std::int64_t>()), result);
    }
  }
}

}  // namespace
}  // namespace roundlab
