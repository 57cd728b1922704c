#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <string>
#include <utility>

#include "core/quant/activation_quantizer.h"
#include "rounding/observer.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::GoldenLayer;
using testing::GoldenTensor;
using testing::SameCodes;
using testing::TensorNear;

constexpr double kScaleTolerance = 1e-6;  // float32, relative

/// "b8sym", "a4asym": bits and grid of a case.
ActivationSpec ActSpec(const std::string& name, RangePer per) {
  std::smatch m;
  ROUNDLAB_CHECK(std::regex_search(name, m, std::regex("[ab](\\d+)(a?sym)")), name);
  ActivationSpec spec;
  spec.bits = std::stoll(m[1]);
  spec.grid = m[2] == "sym" ? CodeKind::kSym : CodeKind::kAsym;
  spec.per = per;
  return spec;
}

class KvActGoldenTest : public testing::GoldenTest {
 protected:
  /// x is laid out as our own tensors are; `as_golden` brings back the file's order.
  template <class Order>
  void Compare(const SafetensorsFile& file, const std::string& name,
               const ActivationQuantizer& quantizer, const at::Tensor& x, const Order& as_golden) {
    SCOPED_TRACE(name);
    const at::Tensor view = ActivationView(x, quantizer.spec);
    const AffineGrid grid = quantizer.GridOf(view);
    const at::Tensor scale = GoldenTensor(file, name + ".scale");
    EXPECT_TRUE(
        TensorNear(as_golden(grid.scale).reshape(scale.sizes()), scale, 0, kScaleTolerance));
    const at::Tensor zero = GoldenTensor(file, name + ".zero");
    EXPECT_TRUE(at::equal(as_golden(grid.zero).reshape(zero.sizes()).to(at::kLong), zero));
    const at::Tensor codes = GoldenTensor(file, name + ".codes");
    const at::Tensor position = (view / grid.scale + grid.zero).reshape(x.sizes());
    EXPECT_TRUE(SameCodes(as_golden(quantizer.Codes(x)).reshape(codes.sizes()), codes,
                          as_golden(position).reshape(codes.sizes())));
    const at::Tensor decoded = grid.scale * (quantizer.Codes(x).reshape(view.sizes()) - grid.zero);
    EXPECT_TRUE(at::equal(quantizer.Apply(x), decoded.reshape(x.sizes())));
  }
};

TEST_F(KvActGoldenTest, DynamicActivationsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "kv_act_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor x = GoldenTensor(file, "X");
    for (const std::string& name : CasesOf(file, R"((act\..+)\.scale)")) {
      const std::string per = name.substr(name.rfind('.') + 1);
      ActivationSpec spec = ActSpec(name, per == "tensor"  ? RangePer::kTensor
                                          : per == "token" ? RangePer::kToken
                                                           : RangePer::kGroup);
      const at::Tensor scale = GoldenTensor(file, name + ".scale");
      if (per == "group") spec.group_size = x.size(-1) / scale.size(-1);
      // A dynamic range per tensor is one of a text: the file's is of all texts together.
      const at::Tensor given = per == "tensor" ? x.reshape({1, -1, x.size(-1)}) : x;
      Compare(file, name, {spec}, given, [](const at::Tensor& t) { return t; });
    }
  }
}

TEST_F(KvActGoldenTest, DynamicCachesAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "kv_act_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    for (const std::string& name : CasesOf(file, R"((kv\..+)\.scale)")) {
      const at::Tensor x = GoldenTensor(file, name[3] == 'k' ? "K" : "V").transpose(1, 2);
      const bool channel = name.find(".channel.") != std::string::npos;
      Compare(file, name, {ActSpec(name, channel ? RangePer::kChannel : RangePer::kToken)}, x,
              [](const at::Tensor& t) { return t.transpose(1, 2); });
    }
  }
}

const std::map<std::string, std::pair<BatchRange, BatchMerge>> kObservers = {
    {"minmax", {BatchRange::kMinMax, BatchMerge::kAverage}},
    {"static_minmax", {BatchRange::kMinMax, BatchMerge::kExtremes}},
    {"memoryless_minmax", {BatchRange::kMinMax, BatchMerge::kLast}},
    {"mse", {BatchRange::kMse, BatchMerge::kAverage}},
    {"memoryless_mse", {BatchRange::kMse, BatchMerge::kLast}}};

TEST_F(KvActGoldenTest, StaticRangesAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "kv_act_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const std::string& batches = file.metadata().at("batches");
    for (const std::string& name : CasesOf(file, R"((static\..+)\.scale)")) {
      SCOPED_TRACE(name);
      std::smatch m;
      const std::regex form(R"(static\.(input|k|v)\.(tensor|attn_head)\.(\w+)\.(b\d+a?sym))");
      ASSERT_TRUE(std::regex_match(name, m, form));
      const ActivationSpec spec =
          ActSpec(m[4], m[2] == "tensor" ? RangePer::kTensor : RangePer::kHead);
      at::Tensor x = GoldenTensor(file, m[1] == "input" ? "X" : m[1] == "k" ? "K" : "V");
      if (m[1] != "input") x = x.transpose(1, 2);
      ObserverOptions options;
      std::tie(options.range, options.batches) = kObservers.at(m[3]);
      RangeObserver observer(options, spec);
      const std::regex pair(R"((\d+)-(\d+))");
      for (auto b = std::sregex_iterator(batches.begin(), batches.end(), pair);
           b != std::sregex_iterator(); ++b) {
        const std::int64_t first = std::stoll((*b)[1]);
        observer.Add(x.narrow(0, first, std::stoll((*b)[2]) - first + 1));
      }
      const GroupRange range = observer.Range();
      const ActivationQuantizer made = observer.Finish();
      for (const auto& [part, own] : {std::pair{"min", range.low}, std::pair{"max", range.high},
                                      std::pair{"scale", made.scale}}) {
        const at::Tensor golden = GoldenTensor(file, name + "." + part);
        EXPECT_TRUE(TensorNear(own.reshape(golden.sizes()), golden, 0, kScaleTolerance)) << part;
      }
      const at::Tensor zero = GoldenTensor(file, name + ".zero");
      EXPECT_TRUE(at::equal(made.zero.reshape(zero.sizes()).to(at::kLong), zero));
    }
  }
}

TEST_F(KvActGoldenTest, WeightsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "kv_act_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor w = GoldenTensor(file, "W");
    for (const std::string& name : CasesOf(file, R"((weight\..+)\.scale)")) {
      SCOPED_TRACE(name);
      const at::Tensor scale = GoldenTensor(file, name + ".scale");
      const ActivationSpec signed_codes = ActSpec(name, RangePer::kGroup);
      QuantSpec spec;
      spec.bits = signed_codes.bits;
      spec.grid = signed_codes.grid == CodeKind::kSym ? GridKind::kSym : GridKind::kAsym;
      spec.group_size = w.size(1) / scale.size(1);
      spec.scale_dtype = ScaleType::kFloat32;
      const bool mse = name.find("_mse.") != std::string::npos;
      const LayerContext layer =
          GoldenLayer(w, spec, mse ? "mse\nshrink: 0.2\npatience: 5" : "minmax");
      const QuantizedWeight own =
          RoundingSchemes().FromText("type: rtn").make()->Begin(layer)->Finish();
      const at::Tensor groups = own.Layout().Split(w);
      // Of a group of zeros any scale is right: upstream has an eps there.
      const at::Tensor some = groups.abs().amax(1) > 0;
      const auto of_some = [&](const at::Tensor& t) {
        return t.reshape({groups.size(0), -1}).index({some});
      };
      EXPECT_TRUE(TensorNear(of_some(own.scale), of_some(scale), 0, kScaleTolerance));
      const at::Tensor zero = GoldenTensor(file, name + ".zero");
      const auto lowest = static_cast<std::int64_t>(signed_codes.LowestCode());
      EXPECT_TRUE(at::equal(of_some(own.zero.to(at::kLong) + lowest), of_some(zero)));
      const at::Tensor position = of_some(groups) / of_some(own.scale);
      EXPECT_TRUE(SameCodes(of_some(own.codes.to(at::kLong) + lowest),
                            of_some(GoldenTensor(file, name + ".codes")), position));
      const at::Tensor decoded = own.Layout().Split(own.Dequantize());
      EXPECT_EQ(decoded.index({some.logical_not()}).abs().sum().item<double>(), 0);
    }
  }
}

}  // namespace
}  // namespace roundlab
