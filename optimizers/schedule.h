#pragma once

#include <cstdint>
#include <string>

#include "core/config/registry.h"

namespace roundlab {

/// The learning rate over a tuning run, as a factor on the base rate of every parameter group.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// The factor at `step`, 0 <= step <= steps, steps >= 1; the last step taken is steps - 1.
  /// Throws Error where the warmup is longer than `steps`.
  virtual double Factor(std::int64_t step, std::int64_t steps) const = 0;
};

using ScheduleRegistry = Registry<Schedule>;
using ScheduleRecipe = Recipe<Schedule>;

/// constant, cosine, linear.
ScheduleRegistry& Schedules();

/// The start of every schedule. With w = Steps(steps): factor (step + 1) / w for step < w; the main
/// schedule then runs over the other steps - w, starting at 1, so steps w - 1 and w both have
/// factor 1.
struct Warmup {
  /// Below 1: that share of the steps, rounded to the nearest number of them, halves up.
  /// From 1 on: that many steps, a whole number.
  double warmup = 0;

  void Fields(FieldVisitor& f);
  std::string Problem() const;  ///< "" where good
  std::int64_t Steps(std::int64_t steps) const;
};

/// Factor 1.
class ConstantSchedule : public Schedule {
 public:
  struct Options {
    Warmup warmup;
    void Fields(FieldVisitor& f);
  };
  explicit ConstantSchedule(const Options& options) : options_(options) {}
  double Factor(std::int64_t step, std::int64_t steps) const override;

 private:
  Options options_;
};

/// 1 + (end_factor - 1) step / steps: torch's LinearLR(1, end_factor, total_iters = steps).
class LinearSchedule : public Schedule {
 public:
  struct Options {
    double end_factor = 0;
    Warmup warmup;
    void Fields(FieldVisitor& f);
  };
  explicit LinearSchedule(const Options& options) : options_(options) {}
  double Factor(std::int64_t step, std::int64_t steps) const override;

 private:
  Options options_;
};

/// end_factor + (1 - end_factor) (1 + cos(pi step / steps)) / 2: torch's
/// CosineAnnealingLR(T_max = steps, eta_min = end_factor lr).
class CosineSchedule : public Schedule {
 public:
  struct Options {
    double end_factor = 0;
    Warmup warmup;
    void Fields(FieldVisitor& f);
  };
  explicit CosineSchedule(const Options& options) : options_(options) {}
  double Factor(std::int64_t step, std::int64_t steps) const override;

 private:
  Options options_;
};

}  // namespace roundlab
