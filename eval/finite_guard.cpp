#include "eval/finite_guard.h"

#include <cmath>

#include "core/base/diverged.h"
#include "eval/evaluator.h"

namespace roundlab {
namespace {

const EnumNames<OnNan>& OnNanNames() {
  static const EnumNames<OnNan> kNames = {{OnNan::kStop, "stop"}, {OnNan::kRecord, "record"}};
  return kNames;
}

}  // namespace

const char* const kOnNanHelp =
    "log-likelihoods that are not finite: stop the run, or record its metrics as nan or inf; none "
    "given: "
    "stop";

OnNanField::OnNanField(OnNan* value) : EnumField<OnNan>(value, OnNanNames()), value_(value) {}

std::string OnNanField::Write() const {
  return *value_ == OnNan::kStop ? "" : EnumField<OnNan>::Write();
}

void FiniteGuard::Tell(const std::string& what, double value, const std::string& states) {
  std::string told = what + " is " + (std::isnan(value) ? "nan" : (value < 0 ? "-inf" : "inf"));
  if (!states.empty()) told += "; the first output that is not finite is that of " + states;
  Add(told);
}

void FiniteGuard::TellStates(const std::string& place, const std::string& states) {
  Add(place + ": hidden states are not finite; the first such output is that of " + states);
}

void FiniteGuard::Add(const std::string& what) {
  if (policy_ == OnNan::kStop) throw Diverged(result_ + ": " + what);
  if (count_++ == 0) first_ = what;
}

void FiniteGuard::Finish(EvalResult* result, Log* log) {
  if (count_ == 0) {
    std::erase_if(result->metrics, [](const auto& metric) { return std::isnan(metric.second); });
    for (const auto& [name, value] : result->metrics) {
      if (std::isinf(value)) Add(name + " is inf");
    }
  }
  if (count_ == 0) return;
  const std::string told = std::to_string(count_) + " not finite; the first: " + first_;
  result->provenance["not_finite"] = told;
  log->Write(result_ + ": " + told);
}

}  // namespace roundlab
