#include "rounding/stages/lorc.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/config/enum_field.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr double kMostCode = 127;
const EnumNames<FactorBits> kFactorBits = {{FactorBits::k8, "8"}, {FactorBits::k16, "16"}};

void DropPair(QuantizedWeight* weight) {
  for (at::Tensor* part : {&weight->left, &weight->right, &weight->left_codes, &weight->right_codes,
                           &weight->pair_scale}) {
    part->reset();
  }
}

/// The part of |before|^2 that is gone in `after`; 1 where there was nothing.
double KeptEnergy(const at::Tensor& before, const at::Tensor& after) {
  const auto energy = [](const at::Tensor& t) {
    return t.square().sum(at::kDouble).item<double>();
  };
  const double all = energy(before);
  return all > 0 ? 1 - energy(after) / all : 1.0;
}

}  // namespace

LowRankPair LowRankOf(const at::Tensor& error, std::int64_t rank) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(error.dim() == 2 && rank > 0 && rank <= std::min(error.size(0), error.size(1)),
                 "a matrix and a rank of at most its smaller side");
  const auto [u, s, vt] = at::linalg_svd(error.to(at::kDouble), false);
  const at::Tensor root = s.narrow(0, 0, rank).sqrt();
  return {(u.narrow(1, 0, rank) * root).to(error.scalar_type()),
          (root.unsqueeze(1) * vt.narrow(0, 0, rank)).to(error.scalar_type())};
}

void AttachPair(const LowRankPair& pair, FactorBits bits, QuantizedWeight* weight) {
  DropPair(weight);
  if (bits == FactorBits::k16) {
    weight->left = pair.left.to(at::kHalf).to(at::kFloat);
    weight->right = pair.right.to(at::kHalf).to(at::kFloat);
    return;
  }
  const auto codes = [](const at::Tensor& t, const at::Tensor& largest) {
    const at::Tensor unit = at::where(largest > 0, largest, 1);
    return (t / unit * kMostCode).round().add(kMostCode + 1).to(at::kByte);
  };
  const at::Tensor left = pair.left.abs().amax(0, true);
  const at::Tensor right = pair.right.abs().amax(1, true);
  weight->left_codes = codes(pair.left, left);
  weight->right_codes = codes(pair.right, right);
  weight->pair_scale = left.flatten() * right.flatten() / (kMostCode * kMostCode);
}

void Lorc::Options::Fields(FieldVisitor& f) {
  f.Int("rank", &rank, AtLeast(1), "singular vectors of the error that are kept");
  EnumField bits_field(&factor_bits, kFactorBits);
  f.Value("factor_bits", bits_field, "bits of each of their numbers: floats, or codes with scales");
}

void Lorc::Check(const ModelDescription& model, const QuantOptions& quant) const {
  for (const LayerShape& layer : LayersToRound(model, quant)) {
    const std::int64_t side = std::min(layer.out, layer.in);
    if (options_.rank <= side) continue;
    throw Error(layer.name + ": lorc.rank " + std::to_string(options_.rank) +
                " is more than the smaller side of its weight, " + std::to_string(side));
  }
}

void Lorc::Apply(UnitWork* work) const {
  for (LinearSlot* slot : work->Slots()) {
    const auto found = work->weights().find(slot->name);
    if (found == work->weights().end()) continue;
    QuantizedWeight weight = found->second;
    DropPair(&weight);
    const at::Tensor error = slot->weight - weight.Dequantize();
    AttachPair(LowRankOf(error, options_.rank), options_.factor_bits, &weight);
    work->sink()->Array("layers/" + slot->name + "/lorc_kept", {1},
                        {KeptEnergy(error, slot->weight - weight.Dequantize())});
    work->Keep(slot, std::move(weight));
    work->Changed(*slot);
  }
  work->Step();
}

double Lorc::WorkingBytes(const BlockPlan& block) const {
  return 7 * sizeof(float) * block.LargestLinear();  // the error, in float64 too, and its vectors
}

Work Lorc::WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t /*samples*/,
                  std::int64_t /*seqlen*/) const {
  // A decomposition in float64, at a small part of the rate of plain products.
  Work work;
  for (const LinearPlan& linear : block.linears) {
    if (!quant.For(linear.name)) continue;
    const auto [few, many] = std::minmax(linear.out, linear.in);
    work.flops +=
        30 * static_cast<double>(few) * static_cast<double>(few) * static_cast<double>(many);
  }
  return work;
}

}  // namespace roundlab
