#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/run/outcome.h"

namespace roundlab {

/// One metric of a point of the plan, over its seeds. Seeds that share a run (nothing is drawn)
/// count once.
class Cell {
 public:
  /// `outcome` may be null: a run that was not looked at.
  void Add(std::int64_t seed, const RunOutcome* outcome, const std::string& metric);

  bool empty() const { return values_.empty(); }
  std::vector<double> Values() const;  ///< one a distinct run
  double MeanValue() const;            ///< NaN for none
  double HalfWidth() const;            ///< of the 95 % interval of the mean; NaN below 2 runs
  std::string Missing() const { return missing_; }  ///< "", "failed" or "not run"
  /// "38.76 ± 0.43 (n=3)", "nan", "inf", "failed", "not run", "-" where the run has no such
  /// metric.
  std::string Text() const;

  /// The chance of a difference as large as that between these two if there were none: over seeds
  /// where either has several (paired t test, a lone run goes with each seed of the other), else by
  /// document (CompareRuns). nullopt where neither test can be made; then `problem` says why, if it
  /// is that a file can't be read.
  static std::optional<double> Chance(const Cell& a, const Cell& b, const std::string& metric,
                                      std::string* problem);

 private:
  struct Value {
    double value;
    std::string folder;
  };
  std::map<std::string, Value> values_;          // run id -> value
  std::map<std::int64_t, std::string> by_seed_;  // seed -> run id
  std::string missing_;
};

/// false: higher is better; nullopt: neither (a count), or a mean of several (MetricsOf) that do
/// not agree.
std::optional<bool> LowerIsBetter(const std::string& metric);

/// "38.76 ± 0.43 (n=3)": mean and half width of the 95 % interval, both as far as the second digit
/// of the half width that counts; of one value only itself;
/// "nan (n=3)", "inf (n=3)" where one is not finite.
std::string FormatMean(const std::vector<double>& values);

/// A p as FormatNumber writes it; "<0.0001" below that, "-" for NaN.
std::string FormatChance(double p);

/// "1.250" with 3 decimals; "nan", "inf", "-inf".
std::string Fixed(double value, int decimals);

/// Digits as the size of a perplexity or a cost needs them, three that count below 0.001, four from
/// 1e9 on; "nan", "inf", "-inf". ("-" stands for what was not measured.)
std::string FormatNumber(double value);

}  // namespace roundlab
