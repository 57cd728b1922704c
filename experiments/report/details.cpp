#include "experiments/report/details.h"

#include <algorithm>
#include <cmath>

#include "core/base/layer_place.h"

namespace roundlab {
namespace {

/// A mean that grows; not finite where one of its values is not.
struct Sum {
  double sum = 0;
  double count = 0;
  void Add(double value) {
    sum += value;
    ++count;
  }
};

using Sums = std::map<std::string, std::map<int, Sum>>;

LayerValues Means(const Sums& sums) {
  LayerValues means;
  for (const auto& [kind, blocks] : sums) {
    for (const auto& [block, sum] : blocks) {
      means[kind][block] = sum.sum / sum.count;
    }
  }
  return means;
}

/// Names with numbers in their order: block_2 before block_10.
struct NaturalOrder {
  static bool Digit(char c) { return c >= '0' && c <= '9'; }
  bool operator()(const std::string& a, const std::string& b) const {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
      if (!Digit(a[i]) || !Digit(b[j])) {
        if (a[i] != b[j]) return a[i] < b[j];
        ++i;
        ++j;
        continue;
      }
      const auto number = [](const std::string& text, std::size_t* at) {
        const std::size_t first = std::min(text.find_first_not_of('0', *at), text.size());
        *at = first;
        while (*at < text.size() && Digit(text[*at])) ++*at;
        return text.substr(first, *at - first);
      };
      const std::string of_a = number(a, &i);
      const std::string of_b = number(b, &j);
      if (of_a.size() != of_b.size()) return of_a.size() < of_b.size();
      if (of_a != of_b) return of_a < of_b;
    }
    return a.size() - i < b.size() - j;
  }
};

void AddBins(const std::vector<double>& counts, std::vector<double>* sums) {
  if (sums->size() < counts.size()) sums->resize(counts.size(), 0);
  for (std::size_t i = 0; i < counts.size(); ++i) (*sums)[i] += counts[i];
}

std::string LastPart(const std::string& name) { return name.substr(name.rfind('/') + 1); }

/// As the weights are evaluated: repairs come after what the scheme has made.
std::string SnrName(const RunRecord& run) {
  const bool repaired = std::any_of(
      run.arrays().begin(), run.arrays().end(),
      [](const auto& array) { return array.first.ends_with("/repaired_output_snr_db"); });
  return repaired ? "repaired_output_snr_db" : "output_snr_db";
}

}  // namespace

Curve Downsampled(const Curve& curve, std::size_t most) {
  const std::size_t count = curve.values.size();
  if (count <= most) return curve;
  Curve shorter;
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t first = i * count / most;
    const std::size_t end = (i + 1) * count / most;
    double step = 0;
    double value = 0;
    for (std::size_t k = first; k < end; ++k) {
      step += curve.steps[k];
      value += curve.values[k];
    }
    shorter.steps.push_back(step / static_cast<double>(end - first));
    shorter.values.push_back(value / static_cast<double>(end - first));
  }
  return shorter;
}

const std::map<std::string, const char*>& HandledEvents() {
  static const std::map<std::string, const char*> kEvents = {
      {"constant_groups", "groups of one value"},
      {"damping_grown", "layers whose damping had to grow"},
      {"dead_columns", "inputs that are never active"},
      {"idle_columns", "inputs that are not active in the sequences looked at"},
      {"fallback", "layers rounded in another way"},
      {"held_scales", "scales held to the largest that OmniQuant allows"},
      {"idle_experts", "experts that no token was sent to"},
      {"nan_columns", "inputs that are not numbers"},
      {"nan_events", "losses that are not finite"},
      {"start_kept", "units sent back to their start"},
      {"unweighted_rows", "rows without a sensitivity"},
      {"zero_groups", "groups of zeros"}};
  return kEvents;
}

bool IsDetail(const std::string& name) {
  if (name.rfind("tune/", 0) == 0) return name.ends_with("/loss");
  if (HandledEvents().count(LastPart(name)) > 0) return true;
  if (name.rfind("layers/", 0) != 0) return false;
  return name.ends_with("/flip_rate") || name.ends_with("output_snr_db") ||
         name.ends_with("/offset_histogram") || name.ends_with("/budget_bits");
}

Details MeanDetails(const std::vector<RunRecord>& runs) {
  std::map<std::string, std::map<std::int64_t, Sum>, NaturalOrder> losses;
  Sums flips;
  Sums snrs;
  Sums bits;
  Details details;
  for (const RunRecord& run : runs) {
    for (const auto& [name, series] : run.series()) {
      if (!IsDetail(name)) continue;
      auto& unit = losses[name.substr(5, name.size() - 10)];
      for (std::size_t i = 0; i < series.steps.size(); ++i) {
        unit[series.steps[i]].Add(series.values[i]);
      }
    }
    const std::string snr = SnrName(run);
    for (const auto& [name, array] : run.arrays()) {
      if (!IsDetail(name) || array.values.empty()) continue;
      const std::string what = LastPart(name);
      if (HandledEvents().count(what) > 0) {
        if (array.values[0] != 0)
          details.handled[what] += array.values[0] / static_cast<double>(runs.size());
        continue;
      }
      const std::size_t slash = name.rfind('/');
      const LayerPlace place = PlaceOf(name.substr(7, slash < 7 ? 0 : slash - 7));
      if (what == "flip_rate") flips[place.kind][place.block].Add(array.values[0]);
      if (what == snr) snrs[place.kind][place.block].Add(array.values[0]);
      if (what == "budget_bits") bits[place.kind][place.block].Add(array.values[0]);
      if (what == "offset_histogram") AddBins(array.values, &details.offsets[place.kind]);
    }
  }
  for (const auto& [unit, steps] : losses) {
    UnitCurve& curve = details.losses.emplace_back();
    curve.unit = unit;
    for (const auto& [step, sum] : steps) {
      curve.loss.steps.push_back(static_cast<double>(step));
      curve.loss.values.push_back(sum.sum / sum.count);
    }
  }
  details.flip_rate = Means(flips);
  details.output_snr_db = Means(snrs);
  details.budget_bits = Means(bits);
  return details;
}

bool HasLogarithms(const UnitCurve& unit) {
  return std::all_of(unit.loss.values.begin(), unit.loss.values.end(),
                     [](double value) { return value > 0 && std::isfinite(value); });
}

Curve RelativeLoss(const std::vector<UnitCurve>& units) {
  std::map<double, Sum> logs;
  double used = 0;
  for (const UnitCurve& unit : units) {
    const auto& values = unit.loss.values;
    if (values.empty() || !HasLogarithms(unit)) continue;
    ++used;
    for (std::size_t i = 0; i < values.size(); ++i) {
      logs[unit.loss.steps[i]].Add(std::log(values[i] / values[0]));
    }
  }
  Curve curve;
  for (const auto& [step, sum] : logs) {
    if (sum.count < used) continue;
    curve.steps.push_back(step);
    curve.values.push_back(std::exp(sum.sum / sum.count));
  }
  return curve;
}

std::vector<double> Shares(std::vector<double> counts) {
  double all = 0;
  for (const double count : counts) all += count;
  for (double& count : counts) count = all > 0 ? count / all : 0;
  return counts;
}

std::vector<double> AllOffsets(const Details& details) {
  std::vector<double> counts;
  for (const auto& [kind, bins] : details.offsets) AddBins(bins, &counts);
  return Shares(counts);
}

std::map<int, double> MeanByBlock(const LayerValues& values) {
  std::map<int, Sum> sums;
  for (const auto& [kind, blocks] : values) {
    for (const auto& [block, value] : blocks) sums[block].Add(value);
  }
  std::map<int, double> means;
  for (const auto& [block, sum] : sums) means[block] = sum.sum / sum.count;
  return means;
}

}  // namespace roundlab
