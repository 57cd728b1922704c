#include "experiments/tables/cell.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/paired.h"
#include "core/base/statistics.h"
#include "experiments/run/json_number.h"
#include "experiments/tables/compare.h"

namespace roundlab {

void Cell::Add(std::int64_t seed, const RunOutcome* outcome, const std::string& metric) {
  if (outcome == nullptr) {
    missing_ = "not run";
    return;
  }
  if (outcome->state != RunState::kDone) {
    missing_ = StateName(*outcome);
    return;
  }
  const auto value = outcome->result.Value(metric);
  if (!value) return;
  values_.emplace(outcome->id, Value{*value, outcome->folder});
  by_seed_.emplace(seed, outcome->id);
}

std::vector<double> Cell::Values() const {
  std::vector<double> values;
  for (const auto& [id, entry] : values_) values.push_back(entry.value);
  return values;
}

double Cell::MeanValue() const { return Mean(Values()); }

double Cell::HalfWidth() const { return ConfidenceHalfWidth95(Values()); }

std::string Cell::Text() const {
  if (values_.empty()) return missing_.empty() ? "-" : missing_;
  const std::string text = FormatMean(Values());
  return missing_.empty() ? text : text + ", " + missing_;
}

std::optional<double> Cell::Chance(const Cell& a, const Cell& b, const std::string& metric,
                                   std::string* problem) {
  if (a.empty() || b.empty()) return std::nullopt;
  if (a.values_.size() == 1 && b.values_.size() == 1) {
    BootstrapOptions few;
    few.resamples = 1;  // only the other test's p is read
    Comparison compared;
    try {
      compared =
          CompareRuns(a.values_.begin()->second.folder, b.values_.begin()->second.folder, few);
    } catch (const Error& e) {
      *problem = e.what();
    }
    for (const ComparedFigure& figure : compared.figures) {
      if (figure.name == metric && std::isfinite(figure.tested.p)) return figure.tested.p;
    }
    for (const auto& [name, reason] : compared.not_compared) {
      if (metric.rfind(name + "/", 0) == 0) *problem = name + ": " + reason;
    }
    return std::nullopt;
  }
  std::vector<double> of_a;
  std::vector<double> of_b;
  for (const auto& [seed, id] : a.by_seed_) {
    const auto other = b.by_seed_.find(seed);
    if (other == b.by_seed_.end()) continue;
    of_a.push_back(a.values_.at(id).value);
    of_b.push_back(b.values_.at(other->second).value);
  }
  const double p = PairedT(of_a, of_b).p;
  return std::isfinite(p) ? std::optional<double>(p) : std::nullopt;
}

std::optional<bool> LowerIsBetter(const std::string& metric) {
  const std::string last = metric.substr(metric.rfind('/') + 1);
  for (const char* name :
       {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "nll_sum", "kl_mean",
        "kl_median", "kl_max", "perplexity_ratio", "perplexity_difference", "delta_p_rms",
        "seconds", "tune_seconds", "peak_gib", "bits_per_weight"}) {
    if (last == name) return true;
  }
  for (const char* name : {"acc", "acc_norm", "mc2", "same_top"}) {
    if (last == name) return false;
  }
  return std::nullopt;
}

std::string FormatMean(const std::vector<double>& values) {
  if (values.size() < 2) return FormatNumber(Mean(values));
  const double half = ConfidenceHalfWidth95(values);
  const std::string count = " (n=" + std::to_string(values.size()) + ")";
  if (!std::isfinite(half)) return FormatNumber(Mean(values)) + count;
  if (half == 0) return FormatNumber(Mean(values)) + " ± " + FormatNumber(half) + count;
  constexpr double kMostDigits = 9;  // after the point
  // Two digits of the half width count, and the mean goes as far; 0.996 rounds to 1.0.
  const double size = std::floor(std::log10(half * (1 + 0.005)));
  const auto digits = static_cast<int>(std::clamp(1 - size, 0.0, kMostDigits));
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f ± %.*f", digits, Mean(values), digits, half);
  return text + count;
}

std::string FormatChance(double p) {
  if (std::isnan(p)) return "-";
  return p < 0.0001 ? "<0.0001" : FormatNumber(p);
}

std::string FormatNumber(double value) {
  if (const char* name = NotFiniteName(value)) return name;
  char text[32];
  const double size = std::fabs(value);
  if (size > 0 && size < 0.001) {
    std::snprintf(text, sizeof(text), "%.3g", value);
    return text;
  }
  const int digits = size >= 1000 ? 1 : (size >= 100 ? 2 : (size >= 10 ? 3 : 4));
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

}  // namespace roundlab
