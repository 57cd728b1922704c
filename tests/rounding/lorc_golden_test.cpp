#include "rounding/stages/lorc.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "core/model/families/llama.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/golden_stage.h"

namespace roundlab {
namespace {

using testing::GoldenDoubles;
using testing::GoldenMatch;
using testing::GoldenTensor;
using testing::TensorNear;

/// "attn.w4g32.r8": a layer, its nearest codes and a rank.
struct LorcCase {
  LorcCase(const SafetensorsFile& golden, const GoldenMatch& m)
      : file(golden),
        name(m.str(1)),
        weight(GoldenTensor(golden, m.str(2) + ".W")),
        spec(testing::SpecOf(m.str(3))),
        rank(std::stoll(m.str(4))),
        a(GoldenDoubles(golden, m.name)),
        b(GoldenDoubles(golden, m.name.substr(0, m.name.size() - 1) + "B")),
        product(at::mm(a, b)) {}
  at::Tensor Scale() const { return GoldenDoubles(file, name + ".scale"); }
  at::Tensor Zero() const { return GoldenTensor(file, name + ".zero"); }
  at::Tensor Codes() const { return GoldenTensor(file, name + ".codes"); }
  double Size() const { return product.abs().max().item<double>(); }
  /// Part of the squared error that the rank holds.
  double Kept() const {
    const at::Tensor values = GoldenDoubles(file, name + ".singular_values").square();
    return (values.narrow(0, 0, rank).sum() / values.sum()).item<double>();
  }

  const SafetensorsFile& file;
  std::string name;
  at::Tensor weight;
  QuantSpec spec;
  std::int64_t rank;
  at::Tensor a;
  at::Tensor b;
  at::Tensor product;
};

class LorcGoldenTest : public testing::GoldenTest {
 protected:
  static void ForAllCases(const std::function<void(const LorcCase& c)>& check) {
    ForAllMatches<LorcCase>("lorc_golden", R"(((.+)\.(w\d+g(?:\d+|row)))\.r(\d+)\.A)", check);
  }
};

TEST_F(LorcGoldenTest, ProductsAreThoseOfTheRecomputation) {
  ForAllCases([](const LorcCase& c) {
    const GroupLayout layout =
        GroupLayout::For(c.weight.size(0), c.weight.size(1), c.spec.group_size);
    const auto spread = [&](const at::Tensor& t) {
      return t.to(at::kDouble).repeat_interleave(layout.width, 1).narrow(1, 0, layout.in);
    };
    const at::Tensor decoded = spread(c.Scale()) * (c.Codes().to(at::kDouble) - spread(c.Zero()));
    const at::Tensor error = c.weight.to(at::kDouble) - decoded;
    const LowRankPair pair = LowRankOf(error, c.rank);
    EXPECT_TRUE(TensorNear(at::mm(pair.left, pair.right), c.product, 1e-9 * c.Size(), 0));
    const LowRankPair single = LowRankOf(error.to(at::kFloat), c.rank);
    EXPECT_TRUE(TensorNear(at::mm(single.left, single.right).to(at::kDouble), c.product,
                           1e-4 * c.Size(), 0));
  });
}

/// The case's weight and codes in a block whose other layers are empty.
std::unique_ptr<DecoderBlock> BlockOf(const LorcCase& c) {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = d.head_dim = d.intermediate = 1;
  d.layers = d.heads = d.kv_heads = 1;
  d.windows = {0};
  auto block = std::make_unique<DecoderBlock>(d, 0);
  block->Slot(0).weight = c.weight;
  return block;
}

TEST_F(LorcGoldenTest, TheRepairPutsThemBesideTheCodes) {
  ForAllCases([](const LorcCase& c) {
    QuantOptions quant;
    quant.spec = c.spec;
    testing::StagedBlock staged(BlockOf(c), RopeTable(), quant);
    LinearSlot& slot = staged.Block().Slot(0);
    staged.Work().Keep(&slot, {c.Codes().to(at::kByte), c.Scale().to(at::kFloat),
                               c.Zero().to(at::kFloat), c.spec});
    const at::Tensor before = slot.effective;
    staged.Apply("type: lorc\nrank: " + std::to_string(c.rank));
    const QuantizedWeight& weight = staged.Work().weights().at(slot.name);
    EXPECT_EQ(weight.left.size(1), c.rank);
    // Both factors are kept as float16, each off by 2^-11 of itself at the most.
    const at::Tensor noise = at::mm(c.a.abs(), c.b.abs()) / 1024 + 1e-4 * c.Size();
    const at::Tensor added = (slot.effective - before).to(at::kDouble);
    EXPECT_TRUE(((added - c.product).abs() <= noise).all().item<bool>());
    EXPECT_NEAR(staged.Recorded("layers/" + slot.name + "/lorc_kept")[0], c.Kept(), 1e-5);
  });
}

}  // namespace
}  // namespace roundlab
