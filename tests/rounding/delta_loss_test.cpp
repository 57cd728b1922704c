#include "rounding/delta_loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/quant/activation_quantizer.h"
#include "rounding/scheme.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/rounding/scheme_cases.h"

namespace roundlab {
namespace {

/// Layers of a tiny model rounded to 4 bits, some fed on few bits.
class DeltaLossTest : public testing::PipelineFixture {
 protected:
  DeltaLossTest() : PipelineFixture(2, 3) {
    problem_.source = files_.get();
    problem_.tokens = inputs_.tokens;
    problem_.weight = [](const LinearSlot& slot) {
      const QuantSpec spec{4, 16, GridKind::kAsym, ScaleType::kFloat32};
      return testing::BeginLayer("type: rtn", testing::MakeLayer(slot.weight, spec))
          ->Finish()
          .Dequantize();
    };
  }
  void Quantize(const std::string& layer, std::int64_t bits) {
    const auto quantizer =
        std::make_shared<const ActivationQuantizer>(ActivationQuantizer{{.bits = bits}});
    problem_.quantizer = [=](const LinearSlot& slot) {
      return slot.name == layer || layer.empty() ? quantizer : nullptr;
    };
  }
  std::map<std::string, LayerSensitivity> Scores() {
    std::map<std::string, LayerSensitivity> scores;
    for (const LayerSensitivity& found : DeltaLoss(problem_, &log_).layers) {
      scores[found.name] = found;
    }
    return scores;
  }

  GradientProblem problem_;
};

/// The language model's loss of a row where an element of what a layer's weight multiplies is
/// moved, without any gradient.
class MovedLoss {
 public:
  MovedLoss(const GradientProblem& problem, const std::string& layer, const at::Tensor& row)
      : ends_(problem.source->LoadEnds()), rope_(ends_.Rope(row.size(1))), row_(row) {
    for (std::int64_t i = 0; i < problem.source->description().layers; ++i) {
      blocks_.push_back(problem.source->LoadBlock(i));
      for (LinearSlot* slot : blocks_.back()->Linears()) {
        slot->effective = problem.weight(*slot);
        slot->quantizer = problem.quantizer(*slot);
        if (slot->name != layer) continue;
        slot->on_quantized = [this](const at::Tensor& x, const at::Tensor& quantized) {
          change = (x - quantized).flatten();
          if (step_ != 0) quantized.view({-1})[element_] += step_;
        };
      }
    }
  }
  double At(std::int64_t element, double step) {
    const c10::NoGradGuard no_grad;
    element_ = element;
    step_ = step;
    at::Tensor hidden = ends_.Embed(row_);
    for (const auto& block : blocks_) hidden = block->Forward(hidden, rope_);
    const at::Tensor last = ends_.Final(hidden)[0].narrow(0, 0, row_.size(1) - 1);
    return at::cross_entropy_loss(ends_.head().Logits(last).to(at::kDouble),
                                  row_[0].narrow(0, 1, row_.size(1) - 1))
        .item<double>();
  }
  at::Tensor change;  ///< x - x^ of the layer, flat

 private:
  ModelEnds ends_;
  RopeTable rope_;
  at::Tensor row_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
  std::int64_t element_ = 0;
  double step_ = 0;
};

TEST_F(DeltaLossTest, ScoresOfInputsAreThoseOfFiniteDifferences) {
  // Of the layer alone: behind its quantizer there is no other, which a step would get stuck in.
  for (const std::string layer :
       {"model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj",
        "model.layers.1.mlp.down_proj"}) {
    SCOPED_TRACE(layer);
    Quantize(layer, 3);
    double expected = 0;
    for (std::int64_t row = 0; row < 2; ++row) {
      MovedLoss loss(problem_, layer, inputs_.tokens.narrow(0, row, 1));
      loss.At(0, 0);
      const at::Tensor change = loss.change.to(at::kDouble);
      const double step = 0.05;
      for (std::int64_t i = 0; i < change.numel(); ++i) {
        const double slope = (loss.At(i, step) - loss.At(i, -step)) / (2 * step);
        expected += std::abs(slope * change[i].item<double>());
      }
    }
    ASSERT_GT(expected, 0);
    const auto scores = Scores();
    EXPECT_NEAR(scores.at(layer).input_score, expected, 5e-3 * expected);
    for (const auto& [name, found] : scores) {
      EXPECT_EQ(found.input_score > 0, name == layer) << name;
      EXPECT_GT(found.score, 0) << name;
    }
  }
}

TEST_F(DeltaLossTest, FewerBitsOfInputsCostMore) {
  Quantize("", 8);
  const auto fine = Scores();
  Quantize("", 3);
  const auto coarse = Scores();
  ASSERT_EQ(fine.size(), 14U);
  for (const auto& [name, found] : fine) {
    EXPECT_GT(found.input_score, 0) << name;
    EXPECT_GT(coarse.at(name).input_score, 4 * found.input_score) << name;
  }
}

}  // namespace
}  // namespace roundlab
