#include "rounding/bit_allocation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/quant/groups.h"

namespace roundlab {
namespace {

/// The best way to spend some bits on the layers so far.
struct Spending {
  std::int64_t bits = 0;
  double loss = 0;
  std::size_t parent = 0;  ///< place among the states one layer earlier
  std::size_t option = 0;
};

/// By bits, ascending, losses strictly falling.
using Front = std::vector<Spending>;

Front Extend(const Front& front, const std::vector<BitOption>& options, std::int64_t budget) {
  std::map<std::int64_t, Spending> found;
  for (std::size_t p = 0; p < front.size(); ++p) {
    for (std::size_t o = 0; o < options.size(); ++o) {
      const Spending next{front[p].bits + options[o].bits, front[p].loss + options[o].loss, p, o};
      if (next.bits > budget) continue;
      const auto [place, added] = found.emplace(next.bits, next);
      if (!added && next.loss < place->second.loss) place->second = next;
    }
  }
  Front extended;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [bits, state] : found) {
    if (!(state.loss < least)) continue;
    least = state.loss;
    extended.push_back(state);
  }
  return extended;
}

/// `count` of them, evenly over their order, first and last included; one: the least loss.
Front Thin(const Front& front, std::size_t count) {
  if (count == 1) return {front.back()};
  Front thin;
  const double step = static_cast<double>(front.size() - 1) / static_cast<double>(count - 1);
  for (std::size_t i = 0; i < count; ++i) {
    const auto place = static_cast<std::size_t>(std::rint(static_cast<double>(i) * step));
    thin.push_back(front[std::min(place, front.size() - 1)]);
  }
  return thin;
}

}  // namespace

std::int64_t GridBits(std::int64_t out, std::int64_t in, const QuantSpec& spec) {
  const GroupLayout layout = GroupLayout::For(out, in, spec.group_size);
  return out * in * spec.bits +
         layout.Count() * static_cast<std::int64_t>(spec.ScaleBits() + spec.ZeroBits());
}

std::optional<BitAllocation> AllocateBits(const std::vector<std::vector<BitOption>>& layers,
                                          std::int64_t budget, std::size_t most_states) {
  std::vector<Front> fronts{{Spending{}}};
  for (const auto& options : layers) {
    Front front = Extend(fronts.back(), options, budget);
    if (front.empty()) return std::nullopt;
    if (most_states > 0 && front.size() > most_states) front = Thin(front, most_states);
    fronts.push_back(std::move(front));
  }
  BitAllocation best;
  best.choice.resize(layers.size());
  std::size_t place = fronts.back().size() - 1;
  best.loss = fronts.back()[place].loss;
  for (std::size_t i = layers.size(); i > 0; --i) {
    const Spending& state = fronts[i][place];
    best.choice[i - 1] = state.option;
    place = state.parent;
  }
  return best;
}

}  // namespace roundlab
