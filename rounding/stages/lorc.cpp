#include "rounding/stages/lorc.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "rounding/unit_work.h"

namespace roundlab {

LowRankPair LowRankOf(const at::Tensor& error, std::int64_t rank) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(error.dim() == 2 && rank > 0 && rank <= std::min(error.size(0), error.size(1)),
                 "a matrix and a rank of at most its smaller side");
  const auto [u, s, vt] = at::linalg_svd(error.to(at::kDouble), false);
  const at::Tensor root = s.narrow(0, 0, rank).sqrt();
  const double all = s.square().sum().item<double>();
  LowRankPair pair;
  pair.left = (u.narrow(1, 0, rank) * root).to(error.scalar_type());
  pair.right = (root.unsqueeze(1) * vt.narrow(0, 0, rank)).to(error.scalar_type());
  pair.kept_energy = all > 0 ? s.narrow(0, 0, rank).square().sum().item<double>() / all : 1.0;
  return pair;
}

void Lorc::Options::Fields(FieldVisitor& f) {
  f.Int("rank", &rank, AtLeast(1), "singular vectors of the error that are kept");
}

void Lorc::Apply(UnitWork* work) const {
  for (LinearSlot* slot : work->Slots()) {
    const auto found = work->weights().find(slot->name);
    if (found == work->weights().end()) continue;
    const std::int64_t side = std::min(slot->weight.size(0), slot->weight.size(1));
    if (options_.rank > side) {
      throw Error(slot->name + ": lorc.rank " + std::to_string(options_.rank) +
                  " is more than the smaller side of its weight, " + std::to_string(side));
    }
    QuantizedWeight weight = found->second;
    weight.left.reset();
    weight.right.reset();
    const LowRankPair pair = LowRankOf(slot->weight - weight.Dequantize(), options_.rank);
    weight.left = pair.left.to(at::kHalf).to(at::kFloat);
    weight.right = pair.right.to(at::kHalf).to(at::kFloat);
    work->sink()->Array("layers/" + slot->name + "/lorc_kept", {1}, {pair.kept_energy});
    work->Keep(slot, std::move(weight));
    work->Changed(*slot);
  }
  work->Step();
}

}  // namespace roundlab
