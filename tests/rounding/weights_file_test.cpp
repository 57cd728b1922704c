#include "rounding/weights_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "rounding/quantized_model.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

using testing::RandomTensor;

QuantizedWeight Weight() {
  QuantizedWeight w;
  w.codes = at::arange(12, at::kByte).view({2, 6});
  w.scale = RandomTensor({2, 2}, 1);
  w.zero = at::full({2, 2}, 3.0F);
  w.spec = {4, 3, GridKind::kSym, ScaleType::kBFloat16, true};
  return w;
}

class WeightsFileTest : public ::testing::Test {
 protected:
  WeightsFileTest()
      : file_(::testing::TempDir() + "/weights_" + std::to_string(::getpid()) + ".safetensors") {}
  ~WeightsFileTest() override { std::filesystem::remove(file_); }
  std::string ErrorOf(const StoredWeights& weights) {
    SaveWeights(file_, weights);
    try {
      LoadWeights(file_);
    } catch (const Error& error) {
      const std::string text = error.what();
      return text.starts_with(file_) ? text.substr(file_.size() + 2) : text;
    }
    return "";
  }
  std::string file_;
};

TEST_F(WeightsFileTest, GivesBackAllParts) {
  QuantizedWeight all = Weight();
  all.g_idx = at::tensor({0, 1, 0, 1, 0, 1}, at::kInt);
  all.codebook = RandomTensor({2, 16}, 2);
  all.left = RandomTensor({2, 1}, 3);
  all.right = RandomTensor({1, 6}, 4);
  all.left_codes = at::full({2, 1}, 7, at::kByte);
  all.right_codes = at::full({1, 6}, 200, at::kByte);
  all.pair_scale = at::full({1}, 0.5F);
  all.outlier_index = at::tensor({5}, at::kInt);
  all.outlier_value = at::tensor({9.0F});
  all.kept_columns = at::tensor({1, 4}, at::kInt);
  all.kept_values = RandomTensor({2, 2}, 10);
  all.bias = RandomTensor({2}, 5);
  QuantizedWeight additive;
  additive.spec = Weight().spec;
  additive.codes = at::arange(12, at::kByte).view({2, 3, 2});
  additive.codebooks = RandomTensor({2, 12, 2}, 7);
  additive.scale = RandomTensor({2, 1}, 8);
  QuantizedWeight mixed = Weight();
  mixed.row_signs = at::ones({2}, at::kByte);
  mixed.column_signs = at::zeros({6}, at::kByte);
  mixed.column_scale = RandomTensor({6}, 9).exp();
  QuantizedWeight down = Weight();
  down.spec.axis = 0;
  down.spec.grid = GridKind::kPower;
  down.scale = RandomTensor({1, 4}, 7);
  down.zero = at::full({1, 4}, 8.0F);
  down.exponent = at::full({1}, 0.5F);
  const StoredWeights stored{
      {{"a.b", Weight()}, {"c", all}, {"d", additive}, {"e", mixed}, {"f", down}},
      {{"norm.weight", RandomTensor({3}, 6)}},
      {{"model", "m with spaces"}}};
  SaveWeights(file_, stored);
  const StoredWeights again = LoadWeights(file_);
  EXPECT_EQ(again.about, stored.about);
  EXPECT_TRUE(at::equal(again.tensors.at("norm.weight"), stored.tensors.at("norm.weight")));
  ASSERT_EQ(again.layers.size(), 5U);
  QuantizedModel before;
  QuantizedModel after;
  for (const char* name : {"a.b", "c", "d", "e", "f"}) {
    before.Add(name, stored.layers.at(name));
    after.Add(name, again.layers.at(name));
    EXPECT_TRUE(at::equal(stored.layers.at(name).Dequantize(), again.layers.at(name).Dequantize()));
  }
  EXPECT_EQ(before.CodesSha256(), after.CodesSha256());
  EXPECT_EQ(before.BitsPerWeight(), after.BitsPerWeight());
  EXPECT_EQ(again.layers.at("a.b").spec.scale_dtype, ScaleType::kBFloat16);
  EXPECT_TRUE(again.layers.at("a.b").spec.gptq_sym_quirk);
}

TEST_F(WeightsFileTest, ABiasThatATransformHasChangedIsTheModelsOwn) {
  StoredWeights weights;
  weights.layers.emplace("l", Weight());
  weights.tensors["l.bias"] = RandomTensor({2}, 5);
  SaveWeights(file_, weights);
  const StoredWeights back = LoadWeights(file_);
  EXPECT_FALSE(back.layers.at("l").bias.defined());
  EXPECT_TRUE(at::equal(back.tensors.at("l.bias"), weights.tensors.at("l.bias")));
}

TEST_F(WeightsFileTest, GivesBackQuantizers) {
  StoredWeights stored;
  stored.quantizers["a"] = {{4, CodeKind::kAsym, RangePer::kGroup, 32}};
  stored.quantizers["blocks.0.keys"] = {
      {8, CodeKind::kCentered, RangePer::kHead}, RandomTensor({4, 1}, 1), RandomTensor({4, 1}, 2)};
  stored.quantizers["b"] = {{4, CodeKind::kSym, RangePer::kTensor},
                            RandomTensor({1, 1}, 3),
                            at::zeros({1, 1}),
                            RandomTensor({3, 6}, 4)};
  SaveWeights(file_, stored);
  StoredWeights again = LoadWeights(file_);
  ASSERT_EQ(again.quantizers.size(), 3U);
  QuantizedModel before;
  QuantizedModel after;
  for (const auto& [name, quantizer] : stored.quantizers) {
    EXPECT_EQ(again.quantizers.at(name).spec, quantizer.spec) << name;
    before.AddQuantizer(name, quantizer);
    after.AddQuantizer(name, again.quantizers.at(name));
  }
  EXPECT_TRUE(again.quantizers.at("a").Dynamic());
  EXPECT_EQ(before.CodesSha256(), after.CodesSha256());
  EXPECT_NE(before.CodesSha256(), QuantizedModel().CodesSha256());
  EXPECT_TRUE(at::equal(again.quantizers.at("b").border, stored.quantizers.at("b").border));
  stored.quantizers["b"].border = RandomTensor({2, 6}, 4);
  EXPECT_EQ(ErrorOf(stored),
            "quantizer 'b': its border is not three numbers a channel of static ranges");
  stored.quantizers.erase("b");
  stored.quantizers["blocks.0.keys"].zero.reset();
  EXPECT_EQ(ErrorOf(stored),
            "quantizer 'blocks.0.keys': scale and zero point of its range do not fit together");
}

TEST_F(WeightsFileTest, PartsThatDoNotFitTogetherAreTold) {
  QuantizedWeight wide = Weight();
  wide.spec.group_size = 2;
  EXPECT_EQ(ErrorOf({{{"a", wide}}, {}, {}}), "layer 'a': scale has another shape than its groups");
  QuantizedWeight pair = Weight();
  pair.left = RandomTensor({2, 1}, 3);
  EXPECT_EQ(ErrorOf({{{"a", pair}}, {}, {}}),
            "layer 'a': the low-rank pair does not fit the weight");
  QuantizedWeight high = Weight();
  high.spec.bits = 3;
  EXPECT_EQ(ErrorOf({{{"a", high}}, {}, {}}), "layer 'a': a code is above 2^bits - 1");
  QuantizedWeight additive = Weight();
  additive.codebooks = RandomTensor({2, 16, 2}, 1);
  EXPECT_EQ(ErrorOf({{{"a", additive}}, {}, {}}),
            "layer 'a': codes have another shape than their codebooks");
  additive.codes = additive.codes.view({2, 3, 2});
  EXPECT_EQ(ErrorOf({{{"a", additive}}, {}, {}}),
            "layer 'a': scale has another shape than the rows");
  additive.codebooks = RandomTensor({2, 8, 2}, 1);
  EXPECT_EQ(ErrorOf({{{"a", additive}}, {}, {}}), "layer 'a': a code is beyond its codebook");
  QuantizedWeight mixed = Weight();
  mixed.row_signs = at::ones({3}, at::kByte);
  mixed.column_signs = at::ones({6}, at::kByte);
  EXPECT_EQ(ErrorOf({{{"a", mixed}}, {}, {}}),
            "layer 'a': signs or column scales have another shape than the weight");
}

TEST_F(WeightsFileTest, PlacesBeyondTheWeightAreTold) {
  const auto error = [&](const QuantizedWeight& weight) {
    return ErrorOf({{{"a", weight}}, {}, {}});
  };
  QuantizedWeight w = Weight();
  w.outlier_index = at::tensor({3, 12}, at::kInt);
  w.outlier_value = at::tensor({1.0F, 2.0F});
  EXPECT_EQ(error(w), "layer 'a': weights that are kept apart do not fit the weight");
  w.outlier_index = at::tensor({3, 11}, at::kInt);
  EXPECT_EQ(error(w), "");
  w.outlier_value.reset();
  EXPECT_EQ(error(w), "layer 'a': weights that are kept apart do not fit the weight");
  w = Weight();
  w.kept_columns = at::tensor({-1}, at::kInt);
  w.kept_values = at::ones({2, 1});
  EXPECT_EQ(error(w), "layer 'a': columns that are kept apart do not fit the weight");
  w.kept_columns = at::tensor({5}, at::kInt);
  EXPECT_EQ(error(w), "");
  w.kept_values = at::ones({3, 1});
  EXPECT_EQ(error(w), "layer 'a': columns that are kept apart do not fit the weight");
  w = Weight();
  w.g_idx = at::tensor({0, 1, 0, 1, 0, 2}, at::kInt);
  EXPECT_EQ(error(w), "layer 'a': g_idx is not a group for each column");
  w = Weight();
  w.bias = at::ones({3});
  EXPECT_EQ(error(w), "layer 'a': bias has another length than the rows");
  w = Weight();
  w.codebook = at::ones({2, 12});
  EXPECT_EQ(error(w), "layer 'a': codebook is not 2^bits values a row");
}

TEST_F(WeightsFileTest, ACutOffFileIsTold) {
  SaveWeights(file_, {{{"a", Weight()}}, {}, {}});
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 8);
  EXPECT_THROW(LoadWeights(file_), Error);
}

}  // namespace
}  // namespace roundlab
