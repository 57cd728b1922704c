#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

/// Stages `activations` and `kv_cache` on a tiny model: 14 layers, 8 tensors that feed them.
class ActivationsTest : public testing::PipelineFixture {
 protected:
  ActivationsTest() : PipelineFixture(12, 10) {
    inputs_.seed = 1;
    quant_.spec.bits = 8;
    quant_.spec.group_size = 16;
  }

  std::string ErrorOf(const std::vector<std::string>& stages) {
    try {
      Run(stages);
    } catch (const roundlab::Error& error) {
      return error.what();
    }
    return "";
  }
};

constexpr const char* kRtnStage = "type: round\nscheme: {type: rtn}";

TEST_F(ActivationsTest, FewerBitsLoseMoreWhateverSharesARange) {
  for (const std::string how :
       {"per: token", "per: tensor", "per: group\ngroup_size: 8", "per: tensor\nranges: static",
        "per: group\ngroup_size: 8\nranges: static", "per: channel\nranges: static\nrange: mse",
        "per: token\ngrid: asym", "per: token\ngrid: sym_restricted",
        "per: tensor\nranges: static\nrange: percentile\nbatches: average\ngrid: centered"}) {
    SCOPED_TRACE(how);
    const auto at_bits = [&](int bits) {
      return Error(Run({"type: activations\nbits: " + std::to_string(bits) + "\n" + how}));
    };
    const double coarse = at_bits(3);
    EXPECT_GT(coarse, 4 * at_bits(8));
    EXPECT_TRUE(std::isfinite(coarse));
  }
}

TEST_F(ActivationsTest, WhatComesAfterSeesInputsAsTheyAreQuantized) {
  const auto biases = [&](const std::vector<std::string>& before) {
    std::vector<std::string> stages = {"type: round\nscheme: {type: gptq}"};
    stages.insert(stages.end(), before.begin(), before.end());
    stages.emplace_back("type: bias_correction");
    return Run(stages).layers();
  };
  const auto plain = biases({});
  for (const std::string stage : {"type: activations\nbits: 3", "type: kv_cache\nbits: 2"}) {
    const auto quantized = biases({stage});
    const std::string o = "model.layers.0.self_attn.o_proj";
    EXPECT_FALSE(at::equal(quantized.at(o).bias, plain.at(o).bias)) << stage;
  }
  const std::string q = "model.layers.0.self_attn.q_proj";
  EXPECT_FALSE(at::equal(biases({"type: activations\nbits: 3"}).at(q).bias, plain.at(q).bias));
}

TEST_F(ActivationsTest, CachesAreQuantizedByWhateverSharesARange) {
  for (const std::string per : {"token", "channel", "head", "tensor", "group\ngroup_size: 4"}) {
    for (const std::string more : {"", "\nranges: static", "\nbefore_rotary: true"}) {
      if (per == "token" && more == "\nranges: static") continue;
      SCOPED_TRACE(per + more);
      const auto at_bits = [&](int bits) {
        const std::string group = per.substr(0, per.find('\n'));
        return Error(Run({"type: kv_cache\nbits: " + std::to_string(bits) + "\nvalues: " + group +
                          "\nkeys: " + per + more}));
      };
      EXPECT_GT(at_bits(2), 4 * at_bits(8));
    }
  }
}

TEST_F(ActivationsTest, RangesAreThoseOfTheCalibrationSequences) {
  const QuantizedModel model = Run({"type: activations\nper: channel\nranges: static"});
  EXPECT_EQ(model.quantizers().size(), 14U);
  const std::string name = "model.layers.1.mlp.down_proj";
  at::Tensor largest;
  LanguageModel(*files_, at::kFloat, [&](DecoderBlock* block) {
    for (LinearSlot* slot : block->Linears()) {
      if (slot->name != name) continue;
      slot->on_input = [&](const at::Tensor& x) { largest = x.abs().amax({0, 1}); };
    }
  }).Hidden(inputs_.tokens);
  // Block 0 is quantized to 8 bits already where those of block 1 are measured.
  const at::Tensor scale = model.quantizers().at(name).scale;
  EXPECT_EQ(scale.sizes(), at::IntArrayRef({1, 48}));
  EXPECT_TRUE(TensorNear(scale[0] * 127.5, largest, 0.05, 0.05));
}

TEST_F(ActivationsTest, MatchTakesLayersAndALaterStageReplaces) {
  const QuantizedModel model = Run({"type: activations",
                                    "type: activations\nbits: 4\nmatch: "
                                    "'.*down_proj'"});
  EXPECT_EQ(model.quantizers().at("model.layers.0.mlp.down_proj").spec.bits, 4);
  EXPECT_EQ(model.quantizers().at("model.layers.0.mlp.up_proj").spec.bits, 8);
  const QuantizedModel cache = Run({"type: kv_cache\nmatch: '.*\\.1\\..*v_proj'"});
  EXPECT_EQ(cache.quantizers().size(), 1U);
  EXPECT_EQ(cache.quantizers().count("blocks.1.values"), 1U);
}

TEST_F(ActivationsTest, RoundingIsTunedForQuantizedInputsWhereTheyComeFirst) {
  const std::string tuned = "type: round\nscheme: {type: signround}\nsteps: 4\nbatch: 4";
  const std::string coarse = "type: activations\nbits: 3";
  quant_.spec.bits = 4;
  RunRecord before;
  RunRecord after;
  const QuantizedModel first = Run({coarse, tuned}, &before);
  const QuantizedModel last = Run({tuned, coarse}, &after);
  EXPECT_EQ(first.quantizers().size(), last.quantizers().size());
  EXPECT_NE(first.CodesSha256(), last.CodesSha256());
  // Targets are the unquantized model's, so that the inputs' error is in the loss.
  const auto loss = [](const RunRecord& record) {
    return record.arrays().at("units/block_0/loss_before").values.at(0);
  };
  EXPECT_GT(loss(before), 2 * loss(after));
  EXPECT_EQ(Run({coarse, tuned}).CodesSha256(), first.CodesSha256());
}

TEST_F(ActivationsTest, SignRoundV2LeavesTheLargestErrorsOutForInputsOfFourBits) {
  quant_.spec.grid = GridKind::kSymFull;
  const auto loss = [&](const std::string& bits, const std::string& more) {
    RunRecord record;
    Run({"type: activations\nbits: " + bits,
         "type: round\nscheme: signround_v2\nsteps: 1\nbatch: 12" + more},
        &record);
    return record.arrays().at("units/block_0/loss_before").values.at(0);
  };
  EXPECT_EQ(loss("4", ""), loss("4", "\nloss: trimmed_mse"));
  EXPECT_EQ(loss("5", ""), loss("5", "\nloss: mse"));
  EXPECT_LT(loss("4", ""), loss("4", "\nloss: mse"));
}

TEST_F(ActivationsTest, LayersAreTunedOneByOneForQuantizedInputs) {
  for (const std::string scheme : {"gptq", "adaround\nunit: linear\nsteps: 3\nbatch: 4"}) {
    const QuantizedModel model =
        Run({"type: activations\nbits: 4", "type: kv_cache",
             "type: round\nscheme: {type: " + scheme.substr(0, scheme.find('\n')) + "}" +
                 (scheme.find('\n') == std::string::npos ? "" : scheme.substr(scheme.find('\n')))});
    EXPECT_EQ(model.layers().size(), 14U);
    EXPECT_EQ(model.quantizers().size(), 18U);
    EXPECT_TRUE(std::isfinite(Error(model)));
  }
}

TEST_F(ActivationsTest, PackedTextsGetTheNumbersOfEachAlone) {
  const QuantizedModel model = Run({kRtnStage, "type: activations\nbits: 6", "type: kv_cache"});
  const at::Tensor ids = inputs_.tokens.narrow(0, 0, 3).clone();
  ids[1].narrow(0, 0, 6).copy_(ids[0].narrow(0, 0, 6));
  PackedTokens packed;
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t text = 0; text < ids.size(0); ++text) {
    PackedTokens::Ids sequence;
    for (std::int64_t t = 0; t < ids.size(1); ++t) {
      sequence.push_back(ids[text][t].item<std::int32_t>());
    }
    rows.push_back(packed.Add(sequence));
  }
  const LanguageModel language = With(model);
  const at::Tensor together = language.Hidden(packed);
  const at::Tensor alone = language.Hidden(ids);
  for (std::int64_t text = 0; text < ids.size(0); ++text) {
    const at::Tensor places =
        at::tensor(at::ArrayRef<std::int64_t>(rows[static_cast<std::size_t>(text)]), at::kLong);
    EXPECT_TRUE(TensorNear(together.index_select(0, places), alone[text], 1e-4, 0));
  }
  const LanguageModel channels = With(Run({"type: kv_cache\nkeys: channel"}));
  try {
    channels.Hidden(packed);
    FAIL();
  } catch (const roundlab::Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "keys of block 0 are quantized per channel with ranges of each text: texts can't be "
              "scored packed then (use per token or group, or static ranges)");
  }
}

TEST_F(ActivationsTest, WhatDoesNotFitIsTold) {
  EXPECT_EQ(ErrorOf({"type: activations\nmatch: '.*gate'"}),
            "pipeline.0: match: '.*gate' matches no layer; the first is "
            "'model.layers.0.self_attn.q_proj', the last 'model.layers.1.mlp.down_proj'");
  EXPECT_EQ(ErrorOf({kRtnStage, "type: activations\nmatch: '.*q_proj'"}),
            "pipeline.1: match: '.*q_proj' takes 'model.layers.0.self_attn.q_proj' but not "
            "'model.layers.0.self_attn.v_proj', which the same tensor feeds: it is quantized for "
            "all of them or for none");
  EXPECT_EQ(ErrorOf({"type: activations\nper: group\ngroup_size: 48"}),
            "pipeline.0: group_size 48 does not divide the 32 inputs of "
            "'model.layers.0.self_attn.q_proj'");
  EXPECT_EQ(ErrorOf({"type: activations\nper: cluster\nranges: static\nclusters: 33"}),
            "pipeline.0: clusters 33 is more than the 32 channels of "
            "'model.layers.0.self_attn.q_proj'");
  EXPECT_EQ(ErrorOf({"type: activations\nper: cluster\nranges: static\nhead_clusters: 9"}),
            "pipeline.0: head_clusters 9 is more than the 8 channels of a head");
  EXPECT_EQ(ErrorOf({"type: kv_cache\nkeys: group\ngroup_size: 3"}),
            "pipeline.0: group_size 3 does not divide the 16 channels of keys and values in block "
            "0");
  EXPECT_EQ(ErrorOf({"type: kv_cache\nmatch: '.*q_proj'"}),
            "pipeline.0: match: '.*q_proj' matches no layer; the first is "
            "'model.layers.0.self_attn.k_proj', the last 'model.layers.1.self_attn.v_proj'");
  EXPECT_NE(ErrorOf({"type: activations\nper: channel"}).find("per: channel needs ranges: static"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"type: kv_cache\nranges: static"}).find("per: token needs ranges: dynamic"),
            std::string::npos);
  const std::vector<StageRecipe> late = {Stages().FromText("type: activations"),
                                         Stages().FromText("type: awq_scale")};
  EXPECT_EQ(OrderProblems(late).at(1),
            "'awq_scale' transforms what layers are fed and must come before pipeline.0, which "
            "quantizes that");
}

}  // namespace
}  // namespace roundlab
