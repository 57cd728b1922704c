#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "experiments/run/run_file.h"

namespace roundlab {

/// What a complete run keeps of its evaluations, value by value: the arrays under eval/ of run.h5.
class RunArrays {
 public:
  using Figures = std::vector<double>;

  /// Throws Error where the folder holds no complete run or its run.h5 can't be read.
  explicit RunArrays(const std::string& folder);

  const RunResult& result() const { return result_; }
  /// Evaluations: "piqa", "mmlu/law".
  std::set<std::string> Names() const;
  bool Has(const std::string& name) const { return arrays_.count(name) != 0; }
  bool Has(const std::string& name, const std::string& array) const;

  /// The methods below throw Error where the array is not there or does not fit the others.
  Figures Read(const std::string& name, const std::string& array) const;
  /// How many `units` ("tokens") each of an evaluation's texts has.
  Figures Units(const std::string& name, const std::string& units, std::size_t texts) const;
  /// Of an array with a value a token: each window's sum. tokens: how many each window has.
  Figures SumsByWindow(const std::string& name, const std::string& array,
                       const Figures& tokens) const;
  /// Values that are 0, 1 or, where a document was not scored, NaN.
  Figures Marks(const std::string& name, const std::string& array) const;
  /// The negative log-likelihood of each document of a task whose documents have one choice, NaN
  /// where it was refused; empty for other tasks.
  Figures Costs(const std::string& name) const;
  /// Documents of which a log-likelihood is not finite: 1, else 0. An early program made
  /// predictions of NaN and did not say so.
  Figures NotFinite(const std::string& name, std::size_t documents) const;

 private:
  std::string file_;
  RunResult result_;
  std::map<std::string, std::set<std::string>> arrays_;  // "piqa" -> correct, gold, ...
};

}  // namespace roundlab
