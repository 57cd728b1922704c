#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/paired.h"

namespace roundlab {

/// One figure of two runs, from the same windows or documents; differences are B's less A's.
struct ComparedFigure {
  std::string name;  ///< "wikitext2/perplexity", "piqa/acc"
  std::string test;  ///< "paired t" or "exact McNemar"
  bool lower_is_better = false;
  bool equal = false;        ///< no value differs
  std::size_t count = 0;     ///< windows or documents
  std::size_t left_out = 0;  ///< documents that a run refused
  double a = 0;
  double b = 0;
  double error = 0;  ///< standard error of mean(b - a)
  PairedResult tested{};
  PairedResult bootstrap{};
};

/// Why an evaluation of one run or of both is not compared.
struct NotCompared {
  std::string name;
  std::string reason;
};

struct Comparison {
  std::string id_a;
  std::string id_b;
  std::vector<ComparedFigure> figures;
  std::vector<NotCompared> not_compared;
  std::vector<std::string> config_only_a;  ///< "quant.bits: 4"
  std::vector<std::string> config_only_b;
};

/// Compares two complete runs on all that both have under eval/ of run.h5. Figures are means of one
/// value a window or document, and these are tested in pairs, each by its own test and by the
/// paired bootstrap:
///   nll         sum(nll) / sum(tokens) = r;  r + (nll_i - r tokens_i) / mean(tokens): for windows
///               of one size nll_i / tokens_i, for others the ratio's linearization (Cochran 1977,
///               6.3). Paired t test.
///   perplexity  exp(r). p is that of nll; an end e of its interval becomes A's perplexity times
///               exp(e) - 1: how much B's is off where A's is as measured.
///   acc, acc_norm   correct, correct_norm: 0 or 1, NaN where a document was not scored. The mean
///               over documents, also of tasks in groups. Exact McNemar test.
///   mc2         a share. Paired t test.
///   perplexity of a task   exp of the mean cost of its documents, from choice_loglik where they
///               have one choice each. p and interval as above.
///   kl_mean, same_top, perplexity of a divergence   by window, as nll.
/// All take windows and documents as independent, and their intervals say how the two models differ
/// on other texts of the kind: how a method differs from itself with another seed is not in them.
/// Where a value of A or B is not finite, there is no difference, test or interval.
/// An evaluation that one run lacks, that read other data (fingerprints of the provenance) or other
/// windows or documents goes to `not_compared`. Throws Error where a folder holds no complete run
/// or run.h5 can't be read.
Comparison CompareRuns(const std::string& folder_a, const std::string& folder_b,
                       const BootstrapOptions& options);

/// "A is better" or "B is better" where both intervals lie on that side of 0, else
/// "noise: the interval contains 0"; "equal: ..." where no value differs, "undefined: ..." where
/// there is no interval.
std::string Verdict(const ComparedFigure& figure);

}  // namespace roundlab
