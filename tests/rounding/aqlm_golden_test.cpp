#include "rounding/schemes/aqlm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "core/formats/json.h"
#include "rounding/solvers/additive.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::CasesOf;
using testing::Differing;
using testing::GoldenDoubles;
using testing::GoldenTensor;
using testing::Has;
using testing::MetadataNumber;
using testing::TensorNear;

constexpr double kFewCodes = 0.01;
constexpr double kDrawn = 1.1;  // one draw of a start beside another

/// A case's tensors; codebooks, scales and codes as they start.
struct AqlmCase {
  AqlmCase(const SafetensorsFile& golden, const std::string& case_name)
      : file(golden),
        name(case_name),
        weight(GoldenTensor(golden, "W")),
        losses(ParseJson(golden.metadata().at(case_name + ".loss"), "losses")) {
    const at::Tensor x = GoldenTensor(golden, "X").to(at::kDouble);
    moment = at::mm(x.t(), x) / static_cast<double>(x.size(0));
    const at::Tensor books = Of("init.codebooks");
    start = ResidualClusters(
        weight, {books.size(0), books.size(1), books.size(2)},
        [this](std::int64_t i) { return Of("init.perm" + std::to_string(i)); }, 100);
  }
  at::Tensor Of(const std::string& key) const { return GoldenTensor(file, name + "." + key); }
  at::Tensor Codes(const std::string& key) const { return Of(key); }
  double Loss(const std::string& key) const { return losses.at(key).get<double>(); }
  double OutputLoss(const AdditiveCode& code) const {
    return AdditiveLoss(weight, moment, code).item<double>();
  }
  double WeightLoss(const AdditiveCode& code) const {
    return (weight - code.Decode()).square().mean(at::kDouble).item<double>();
  }
  AdditiveCode With(const at::Tensor& codes) const {
    return {codes, start.codebooks, start.scales};
  }
  /// Beams of a search, from names "l2.beam4.codes".
  std::vector<std::string> Beams(const std::string& kind) const {
    return CasesOf(file, name + "\\." + kind + "\\.beam(\\d+)\\.codes");
  }

  const SafetensorsFile& file;
  std::string name;
  at::Tensor weight;
  nlohmann::json losses;
  at::Tensor moment;
  AdditiveCode start;
};

class AqlmGoldenTest : public testing::GoldenTest {
 protected:
  void ForAllCases(const std::function<void(const AqlmCase&)>& check) {
    ROUNDLAB_GOLDENS_OR_SKIP(files, "aqlm_golden");
    for (const std::string& path : files) {
      const SafetensorsFile file(path);
      for (const std::string& name : CasesOf(file, "([^.]+)\\.init\\.codes")) {
        SCOPED_TRACE(path + " " + name);
        check(AqlmCase(file, name));
      }
    }
  }
};

TEST_F(AqlmGoldenTest, ResidualKMeansFromGivenPoints) {
  ForAllCases([](const AqlmCase& c) {
    EXPECT_NEAR(c.OutputLoss(c.start), c.Loss("init"), 1e-4 * c.Loss("init"));
    EXPECT_NEAR(c.WeightLoss(c.start), c.Loss("init_weight_mse"), 1e-4 * c.Loss("init_weight_mse"));
    const AdditiveCode stored{c.Codes("init.codes"), c.Of("init.codebooks"), c.Of("init.scales")};
    if (at::equal(stored.scales, c.Of("adam.scales"))) {
      // The file has the tensors as tuning left them, which were trained in place.
      const double after = c.Loss("after_adam_and_search");
      EXPECT_NEAR(c.OutputLoss(stored), after, 1e-4 * after);
      return;
    }
    EXPECT_TRUE(TensorNear(c.start.scales, stored.scales, 0, 1e-6));
    EXPECT_TRUE(TensorNear(c.start.codebooks, stored.codebooks, 1e-5, 0));
    EXPECT_LE(Differing(c.start.codes, stored.codes), kFewCodes);
  });
}

TEST_F(AqlmGoldenTest, SearchesOfWeights) {
  ForAllCases([](const AqlmCase& c) {
    for (const std::string& beam : c.Beams("l2")) {
      SCOPED_TRACE(beam);
      const std::string key = "l2.beam" + beam;
      // Where the original is wrong, a correct beam's codes lie beside its own.
      const bool own = Has(c.file, c.name + "." + key + ".codes_own");
      const at::Tensor found = SearchWeights(c.weight, c.start, std::stoll(beam));
      EXPECT_LE(Differing(found, c.Codes(key + (own ? ".codes_own" : ".codes"))), kFewCodes);
      const double loss = c.Loss(key + (own ? ".own" : ""));
      EXPECT_NEAR(c.WeightLoss(c.With(found)), loss, 1e-4 * loss);
    }
  });
}

TEST_F(AqlmGoldenTest, SearchesOfOutputs) {
  ForAllCases([](const AqlmCase& c) {
    for (const std::string& beam : c.Beams("xtx")) {
      SCOPED_TRACE(beam);
      const std::string key = "xtx.beam" + beam;
      const at::Tensor found = SearchOutputs(c.weight, c.moment, c.start, std::stoll(beam));
      EXPECT_LE(Differing(found, c.Codes(key + ".codes")), kFewCodes);
      EXPECT_NEAR(c.OutputLoss(c.With(found)), c.Loss(key), 1e-4 * c.Loss(key));
    }
  });
}

TEST_F(AqlmGoldenTest, StepsOfAdamAndASearchAfterThem) {
  ForAllCases([](const AqlmCase& c) {
    AdditiveCode code = c.With(c.Codes("xtx.beam1.codes"));
    AdditiveTuner tuner(c.weight, c.moment, &code,
                        testing::MetadataNumberOr(c.file, "adam_lr", 1e-3));
    const at::Tensor losses = GoldenDoubles(c.file, c.name + ".adam.loss");
    for (std::int64_t i = 0; i < losses.size(0); ++i) {
      EXPECT_NEAR(tuner.Backward(), losses[i].item<double>(), 1e-4 * losses[i].item<double>());
      if (i == 0) {
        for (const auto& [key, t] :
             {std::pair{"codebooks", code.codebooks}, std::pair{"scales", code.scales}}) {
          const at::Tensor golden = c.Of(std::string("adam.grad_") + key);
          const double size = golden.abs().max().item<double>();
          EXPECT_TRUE(TensorNear(t.grad(), golden, 1e-5 * size, 0)) << key;
        }
      }
      tuner.Step();
    }
    EXPECT_TRUE(TensorNear(code.codebooks.detach(), c.Of("adam.codebooks"), 1e-5, 1e-4));
    EXPECT_TRUE(TensorNear(code.scales.detach(), c.Of("adam.scales"), 1e-5, 1e-4));
    code.codes = SearchOutputs(c.weight, c.moment, code, 1);
    EXPECT_LE(Differing(code.codes, c.Codes("adam.codes_after")), kFewCodes);
    EXPECT_NEAR(c.OutputLoss(code), c.Loss("after_adam_and_search"),
                1e-4 * c.Loss("after_adam_and_search"));
  });
}

/// What the registered scheme makes of a case: the least of OutputLoss, or of WeightLoss where no
/// input is known, over some draws of its start. `options` are those of a recipe.
double SchemeLoss(const AqlmCase& c, const std::string& options, bool inputs_known = true) {
  const at::Tensor& books = c.start.codebooks;
  const auto bits = static_cast<std::int64_t>(std::log2(static_cast<double>(books.size(1))));
  const auto scheme = RoundingSchemes()
                          .FromText("type: aqlm\ngroup: " + std::to_string(books.size(2)) +
                                    "\ncode_bits: " + std::to_string(bits) + "\ncodebooks: " +
                                    std::to_string(books.size(0)) + "\n" + options)
                          .make();
  auto inputs = std::make_shared<InputStatistics>();
  inputs->tokens = inputs_known ? GoldenTensor(c.file, "X").size(0) : 0;
  inputs->second_moment = c.moment * static_cast<double>(inputs->tokens);
  double best = 1e9;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    LayerContext layer = testing::GoldenLayer(c.weight, {2, -1});
    layer.seed = seed;
    layer.inputs = inputs;
    const auto state = scheme->Begin(layer);
    const at::Tensor gap = (state->Finish().Dequantize() - c.weight).to(at::kDouble);
    const at::Tensor moment = inputs_known ? c.moment : at::eye(gap.size(1), at::kDouble);
    const double loss =
        (at::mm(gap, moment) * gap).sum().item<double>() / static_cast<double>(gap.size(0));
    EXPECT_NEAR(loss, state->Diagnose().at("loss_after")[0], 5e-3 * loss);  // 16 bits
    best = std::min(best, inputs_known ? loss : loss / static_cast<double>(gap.size(1)));
  }
  return best;
}

/// The order of the original's searches is drawn, and so is the start of ours.
TEST_F(AqlmGoldenTest, TheWholeLoopLosesAsLittle) {
  ForAllCases([](const AqlmCase& c) {
    const double loss = SchemeLoss(c, "epochs: 2\nsteps: 10\ntolerance: 0");
    EXPECT_LE(loss, kDrawn * c.Loss("loop"));
  });
}

/// Without a step of Adam the scheme is a start and, in an epoch, a search.
TEST_F(AqlmGoldenTest, TheSchemesStartAndSearchesLoseAsLittle) {
  ForAllCases([](const AqlmCase& c) {
    EXPECT_LE(SchemeLoss(c, "epochs: 0"), kDrawn * c.Loss("init"));
    for (const std::string& beam : c.Beams("xtx")) {
      const std::string search = "epochs: 1\nsteps: 1\nlr: 0\nbeam: " + beam;
      EXPECT_LE(SchemeLoss(c, search), kDrawn * c.Loss("xtx.beam" + beam)) << beam;
    }
    for (const std::string& beam : c.Beams("l2")) {
      const std::string key = "l2.beam" + beam;
      const bool own = Has(c.file, c.name + "." + key + ".codes_own");
      const std::string search = "epochs: 1\nsteps: 1\nlr: 0\nbeam: " + beam;
      EXPECT_LE(SchemeLoss(c, search, false), kDrawn * c.Loss(key + (own ? ".own" : ""))) << beam;
    }
  });
}

}  // namespace
}  // namespace roundlab
