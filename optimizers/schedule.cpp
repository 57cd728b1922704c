#include "optimizers/schedule.h"

#include <cmath>
#include <numbers>
#include <sstream>

namespace roundlab {
namespace {

void EndFactor(double* end_factor, FieldVisitor& f) {
  f.Real("end_factor", end_factor, Between(0, 1), "factor on the learning rate at the end");
}

/// The warmup's factor, or main(progress), progress from [0, 1] over the steps after it.
template <class Main>
double WithWarmup(const Warmup& warmup, std::int64_t step, std::int64_t steps, const Main& main) {
  ROUNDLAB_CHECK(step >= 0 && step <= steps && steps >= 1,
                 "step " + std::to_string(step) + " of " + std::to_string(steps));
  const std::int64_t first = warmup.Steps(steps);
  if (step < first) return static_cast<double>(step + 1) / static_cast<double>(first);
  if (step == first) return main(0.0);
  return main(static_cast<double>(step - first) / static_cast<double>(steps - first));
}

}  // namespace

void Warmup::Fields(FieldVisitor& f) {
  f.Real("warmup", &warmup, AtLeast(0),
         "rise of the learning rate at the start: below 1 a share of the steps, else their number");
  f.Rule([this] { return Problem(); });
}

std::string Warmup::Problem() const {
  if (warmup < 1 || warmup == std::floor(warmup)) return "";
  std::ostringstream text;
  text << "warmup " << warmup
       << " must be below 1 (a share of the steps) or a whole number of them";
  return text.str();
}

std::int64_t Warmup::Steps(std::int64_t steps) const {
  const auto all = static_cast<double>(steps);
  if (warmup < 1) return std::llround(warmup * all);
  if (warmup <= all) return std::llround(warmup);
  std::ostringstream text;
  text << "warmup " << warmup << " is longer than the " << steps << " steps";
  throw Error(text.str());
}

void ConstantSchedule::Options::Fields(FieldVisitor& f) { warmup.Fields(f); }

double ConstantSchedule::Factor(std::int64_t step, std::int64_t steps) const {
  return WithWarmup(options_.warmup, step, steps, [](double) { return 1.0; });
}

void LinearSchedule::Options::Fields(FieldVisitor& f) {
  EndFactor(&end_factor, f);
  warmup.Fields(f);
}

double LinearSchedule::Factor(std::int64_t step, std::int64_t steps) const {
  return WithWarmup(options_.warmup, step, steps,
                    [this](double t) { return 1 + (options_.end_factor - 1) * t; });
}

void CosineSchedule::Options::Fields(FieldVisitor& f) {
  EndFactor(&end_factor, f);
  warmup.Fields(f);
}

double CosineSchedule::Factor(std::int64_t step, std::int64_t steps) const {
  const double end = options_.end_factor;
  return WithWarmup(options_.warmup, step, steps, [end](double t) {
    return end + (1 - end) * (1 + std::cos(std::numbers::pi * t)) / 2;
  });
}

}  // namespace roundlab
