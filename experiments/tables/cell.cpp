#include "experiments/tables/cell.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/paired.h"
#include "core/base/statistics.h"
#include "experiments/plan/table_spec.h"
#include "experiments/run/json_number.h"
#include "experiments/tables/compare.h"

namespace roundlab {
namespace {

constexpr double kTooLongToWriteOut = 1e9;

/// What CompareRuns calls it, where that has another name and the same test.
std::string TestedAs(const std::string& metric) {
  const std::string bits = "/bits_per_byte";
  if (!metric.ends_with(bits)) return metric;
  return metric.substr(0, metric.size() - bits.size()) + "/byte_perplexity";
}

/// Cell::Chance of two runs.
std::optional<double> ByDocument(const std::string& a, const std::string& b,
                                 const std::string& metric, std::string* problem) {
  BootstrapOptions few;
  few.resamples = 1;  // only the other test's p is read
  Comparison compared;
  try {
    compared = CompareRuns(a, b, few);
  } catch (const Error& e) {
    *problem = e.what();
  }
  const std::vector<std::string> metrics = MetricsOf(metric);
  std::vector<PairedMean> means;
  double p = kUndefined;
  for (const std::string& one : metrics) {
    for (const ComparedFigure& figure : compared.figures) {
      if (figure.name != TestedAs(one)) continue;
      means.push_back({figure.b - figure.a, figure.error, figure.count});
      p = figure.tested.p;
    }
    for (const auto& [name, reason] : compared.not_compared) {
      if (one == name || one.rfind(name + "/", 0) == 0) *problem = name + ": " + reason;
    }
  }
  if (means.size() != metrics.size()) return std::nullopt;
  if (means.size() > 1) p = MeanOfSeveralP(means);
  return std::isfinite(p) ? std::optional<double>(p) : std::nullopt;
}

std::optional<bool> LowerOfOne(const std::string& metric) {
  std::string last = metric.substr(metric.rfind('/') + 1);
  if (last.ends_with("_stderr")) return std::nullopt;
  for (const std::string of_several : {"_group_mean", "_document_mean"}) {
    if (last.ends_with(of_several)) last.resize(last.size() - of_several.size());
  }
  for (const char* name :
       {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "nll_sum",
        "perplexity_hf_doc", "perplexity_ratio", "log_perplexity_ratio", "perplexity_difference",
        "delta_p_rms", "seconds", "tune_seconds", "peak_gib", "bits_per_weight"}) {
    if (last == name) return true;
  }
  if (last.starts_with("kl_")) return true;
  for (const char* name : {"acc", "acc_norm", "mc2", "same_top", "log_perplexity_correlation"}) {
    if (last == name) return false;
  }
  return std::nullopt;
}

}  // namespace

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
    return ByDocument(a.values_.begin()->second.folder, b.values_.begin()->second.folder, metric,
                      problem);
  }
  std::vector<double> of_a;
  std::vector<double> of_b;
  for (const auto& [seed, id] : a.by_seed_) {
    const auto other = b.by_seed_.find(seed);
    if (other == b.by_seed_.end()) continue;
    of_a.push_back(a.values_.at(id).value);
    of_b.push_back(b.values_.at(other->second).value);
  }
  const PairedResult tested = PairedT(of_a, of_b);
  const double p = tested.p;
  if (tested.low == tested.high && tested.difference != 0) {
    *problem = metric + ": the seeds' differences are all the same, which tells no spread";
  }
  return std::isfinite(p) ? std::optional<double>(p) : std::nullopt;
}

std::optional<bool> LowerIsBetter(const std::string& metric) {
  std::optional<bool> lower;
  for (const std::string& one : MetricsOf(metric)) {
    const auto own = LowerOfOne(one);
    if (!own || (lower && own != lower)) return std::nullopt;
    lower = own;
  }
  return lower;
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
  const double mean = Mean(values);
  char text[64];
  if (std::max(std::fabs(mean), half) >= kTooLongToWriteOut) {
    std::snprintf(text, sizeof(text), "%.4g ± %.2g", mean, half);
  } else {
    std::snprintf(text, sizeof(text), "%.*f ± %.*f", digits, mean, digits, half);
  }
  return text + count;
}

std::string FormatChance(double p) {
  if (std::isnan(p)) return "-";
  return p < 0.0001 ? "<0.0001" : FormatNumber(p);
}

std::string Fixed(double value, int decimals) {
  if (const char* name = NotFiniteName(value)) return name;
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

std::string FormatNumber(double value) {
  if (const char* name = NotFiniteName(value)) return name;
  char text[32];
  const double size = std::fabs(value);
  if (size >= kTooLongToWriteOut || (size > 0 && size < 0.001)) {
    std::snprintf(text, sizeof(text), size < 1 ? "%.3g" : "%.4g", value);
    return text;
  }
  const int digits = size >= 1000 ? 1 : (size >= 100 ? 2 : (size >= 10 ? 3 : 4));
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

}  // namespace roundlab
