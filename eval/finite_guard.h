#pragma once

#include <cstdint>
#include <string>

#include "core/base/log.h"
#include "core/config/enum_field.h"

namespace roundlab {

struct EvalResult;

/// What an evaluator does with numbers that are not finite.
enum class OnNan {
  kStop,   ///< throws Diverged
  kRecord  ///< metrics that they are part of are nan or inf, and the result says why
};

/// Written only where it is not `stop`.
class OnNanField : public EnumField<OnNan> {
 public:
  explicit OnNanField(OnNan* value);
  std::string Write() const override;

 private:
  const OnNan* const value_;
};

/// Help of such a field.
extern const char* const kOnNanHelp;

/// Keeps numbers that are not finite from becoming results of one evaluation.
class FiniteGuard {
 public:
  /// `result` is what EvalResult will be called.
  FiniteGuard(std::string result, OnNan policy) : result_(std::move(result)), policy_(policy) {}

  /// Of a number that is not finite: "window 3: log-likelihood of token 17", nan. states:
  /// ScorerStates::not_finite. Throws Diverged("t: window 3: log-likelihood of token 17 is nan; the
  /// first output that is not finite is that of block 2") where the policy is to stop.
  void Tell(const std::string& what, double value, const std::string& states);
  /// Of hidden states that are not finite under likelihoods that are. place: "window 3".
  void TellStates(const std::string& place, const std::string& states);

  /// What a result has to be at the end. Where all likelihoods were finite, a metric that is NaN is
  /// undefined, for too few values: it is left out; one that is infinite, as exp of a large number,
  /// is told. Else provenance `not_finite` tells what was not.
  void Finish(EvalResult* result, Log* log);

 private:
  void Add(const std::string& what);

  const std::string result_;
  const OnNan policy_;
  std::int64_t count_ = 0;
  std::string first_;
};

}  // namespace roundlab
