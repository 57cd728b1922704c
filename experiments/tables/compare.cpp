#include "experiments/tables/compare.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/statistics.h"
#include "core/config/node.h"
#include "core/metrics/hdf5_file.h"
#include "experiments/run/run_file.h"

namespace roundlab {
namespace {

using Figures = std::vector<double>;

struct OpenedRun {
  std::string file;  ///< run.h5
  RunResult result;
  std::map<std::string, std::set<std::string>> arrays;  ///< "piqa" -> correct, gold, ...
};

/// An array with one value a document, and what its mean is called.
struct DocumentArray {
  const char* array;
  const char* figure;
  bool zero_or_one;
};
constexpr DocumentArray kDocumentArrays[] = {
    {"correct", "acc", true}, {"correct_norm", "acc_norm", true}, {"mc2", "mc2", false}};

OpenedRun OpenRunFolder(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) throw Error(folder + ": no such folder");
  const std::string summary = folder + "/run.json";
  if (!std::filesystem::exists(summary)) {
    throw Error(folder + ": has no run.json: not a run's folder, or the run is not complete");
  }
  OpenedRun run;
  run.file = folder + "/run.h5";
  run.result = ReadRunResult(summary);
  if (run.result.status != "complete") {
    throw Error(summary + ": the status of this run is '" + run.result.status +
                "', only a 'complete' one can be compared");
  }
  const std::string top = "eval/";
  for (const std::string& path : DatasetNames(run.file)) {
    const std::size_t slash = path.rfind('/');
    if (path.compare(0, top.size(), top) != 0 || slash <= top.size()) continue;
    run.arrays[path.substr(top.size(), slash - top.size())].insert(path.substr(slash + 1));
  }
  return run;
}

/// One value a leaf of a config: "quant.bits: 4".
void AddLines(const ConfigNode& node, const std::string& path, std::vector<std::string>* lines) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const ConfigNode::Member& member : node.members) {
    AddLines(member.value, prefix + member.key, lines);
  }
  for (std::size_t i = 0; i < node.elements.size(); ++i) {
    AddLines(node.elements[i], prefix + std::to_string(i), lines);
  }
  if (node.members.empty() && node.elements.empty()) {
    lines->push_back(path + ": " +
                     (node.kind == ConfigNode::Kind::kScalar ? node.scalar : node.KindName()));
  }
}

std::vector<std::string> ConfigLines(const RunResult& result) {
  std::vector<std::string> lines;
  AddLines(ParseYaml(result.config, "config of run " + result.id), "", &lines);
  return lines;
}

std::vector<std::string> LinesWithout(const std::vector<std::string>& lines,
                                      const std::vector<std::string>& others) {
  const std::set<std::string> known(others.begin(), others.end());
  std::vector<std::string> left;
  for (const std::string& line : lines) {
    if (known.count(line) == 0) left.push_back(line);
  }
  return left;
}

/// Both runs and what is said of them.
class RunComparer {
 public:
  RunComparer(const std::string& folder_a, const std::string& folder_b,
              const BootstrapOptions& options)
      : a_(OpenRunFolder(folder_a)), b_(OpenRunFolder(folder_b)), options_(options) {}

  Comparison Compare() {
    out_.id_a = a_.result.id;
    out_.id_b = b_.result.id;
    const auto lines_a = ConfigLines(a_.result);
    const auto lines_b = ConfigLines(b_.result);
    out_.config_only_a = LinesWithout(lines_a, lines_b);
    out_.config_only_b = LinesWithout(lines_b, lines_a);
    for (const char* key : {"model_sha256", "calibration_sha256"}) TellOther(key);
    std::set<std::string> names;
    for (const auto& [name, arrays] : a_.arrays) names.insert(name);
    for (const auto& [name, arrays] : b_.arrays) names.insert(name);
    for (const std::string& name : names) CompareEval(name);
    return std::move(out_);
  }

 private:
  /// What a run read, beside its config: the same config may have read files that changed since.
  void TellOther(const std::string& key) {
    const auto a = a_.result.provenance.find(key);
    const auto b = b_.result.provenance.find(key);
    if (a == a_.result.provenance.end() || b == b_.result.provenance.end()) return;
    if (a->second == b->second) return;
    out_.config_only_a.push_back(key + ": " + a->second.substr(0, 16));
    out_.config_only_b.push_back(key + ": " + b->second.substr(0, 16));
  }

  void CompareEval(const std::string& name) {
    const bool in_a = a_.arrays.count(name) != 0;
    const bool in_b = b_.arrays.count(name) != 0;
    if (!in_a || !in_b) return Refuse(name, in_a ? "only in A" : "only in B");
    for (const char* key : {"tokens_sha256", "documents_sha256"}) {
      if (!SameData(name, key)) return;
    }
    if (a_.arrays.at(name).count("kl") != 0) return Refuse(name, "a divergence is not paired");
    bool any = false;
    if (BothHave(name, "nll", &any)) CompareNll(name);
    for (const DocumentArray& array : kDocumentArrays) {
      if (BothHave(name, array.array, &any)) CompareDocuments(name, array);
    }
    if (!any) Refuse(name, "has none of the arrays nll, correct, correct_norm, mc2");
    const bool of_words =
        a_.arrays.at(name).count("nll") == 0 && a_.result.metrics.count(name + "/perplexity") != 0;
    if (of_words) Refuse(name + "/perplexity", "is not paired by document");
  }

  /// Says so where only one run has the array; sets `any` where one or both have it.
  bool BothHave(const std::string& name, const char* array, bool* any) {
    const bool in_a = a_.arrays.at(name).count(array) != 0;
    const bool in_b = b_.arrays.at(name).count(array) != 0;
    *any = *any || in_a || in_b;
    if (in_a != in_b) Refuse(name + "/" + array, in_a ? "only in A" : "only in B");
    return in_a && in_b;
  }

  void Refuse(const std::string& name, const std::string& reason) {
    out_.not_compared.push_back({name, reason});
  }

  bool SameData(const std::string& name, const std::string& key) {
    const auto recorded = [&](const RunResult& result) {
      const auto found = result.provenance.find("eval/" + name + "/" + key);
      return found == result.provenance.end() ? "not recorded" : found->second.substr(0, 16);
    };
    const std::string a = recorded(a_.result);
    const std::string b = recorded(b_.result);
    if (a == b) return true;
    Refuse(name, "different data: " + key + " is " + a + " in A, " + b + " in B");
    return false;
  }

  bool SameCount(const std::string& name, std::size_t a, std::size_t b, const char* what) {
    if (a == b) return true;
    Refuse(name, std::to_string(a) + " " + what + " in A, " + std::to_string(b) + " in B");
    return false;
  }

  static Figures ReadEval(const OpenedRun& run, const std::string& name, const char* array) {
    return ReadArray(run.file, "eval/" + name + "/" + array).values;
  }

  /// How many `units` ("tokens") each of an evaluation's texts has.
  static Figures ReadUnits(const OpenedRun& run, const std::string& name, const char* units,
                           std::size_t texts) {
    if (run.arrays.at(name).count(units) == 0) {
      throw Error(run.file + ": eval/" + name + " has nll but no " + units);
    }
    Figures counts = ReadEval(run, name, units);
    if (counts.size() != texts) {
      throw Error(run.file + ": eval/" + name + " has " + std::to_string(texts) + " nll but " +
                  std::to_string(counts.size()) + " " + units);
    }
    return counts;
  }

  static Figures ReadDocuments(const OpenedRun& run, const std::string& name,
                               const DocumentArray& array) {
    Figures values = ReadEval(run, name, array.array);
    for (std::size_t i = 0; i < values.size() && array.zero_or_one; ++i) {
      if (values[i] == 0 || values[i] == 1 || std::isnan(values[i])) continue;
      throw Error(run.file + ": eval/" + name + "/" + array.array + "[" + std::to_string(i) +
                  "] is " + std::to_string(values[i]) + ", not 0 or 1");
    }
    return values;
  }

  bool InBoth(const std::string& name, const char* array) const {
    return a_.arrays.at(name).count(array) != 0 && b_.arrays.at(name).count(array) != 0;
  }

  /// By document where the protocol scores documents, else by window.
  void CompareNll(const std::string& name) {
    const bool documents = InBoth(name, "document_nll");
    const char* const nll = documents ? "document_nll" : "nll";
    const Figures nll_a = ReadEval(a_, name, nll);
    const Figures nll_b = ReadEval(b_, name, nll);
    const char* const tokens = documents ? "document_tokens" : "tokens";
    const Figures counts = ReadUnits(a_, name, tokens, nll_a.size());
    const Figures counts_b = ReadUnits(b_, name, tokens, nll_b.size());
    const char* const texts = documents ? "documents" : "windows";
    if (!SameCount(name + "/nll", counts.size(), counts_b.size(), texts)) return;
    if (counts != counts_b) {
      return Refuse(name + "/nll",
                    std::string("the ") + texts + " of A and B score different numbers of tokens");
    }
    const ComparedFigure by_token = PerUnit(name + "/nll", nll_a, nll_b, counts);
    out_.figures.push_back(by_token);
    out_.figures.push_back(PerplexityOf(by_token, name + "/perplexity"));
    const std::pair<const char*, const char*> others[] = {{"document_words", "/word_perplexity"},
                                                          {"document_bytes", "/byte_perplexity"}};
    for (const auto& [units, figure] : others) {
      if (!documents || !InBoth(name, units)) continue;
      const Figures of_each = ReadUnits(a_, name, units, nll_a.size());
      out_.figures.push_back(PerplexityOf(PerUnit("", nll_a, nll_b, of_each), name + figure));
    }
  }

  /// sum(nll) / sum(units).
  ComparedFigure PerUnit(const std::string& name, const Figures& a, const Figures& b,
                         const Figures& units) const {
    return Compared({.name = name, .test = "paired t", .lower_is_better = true}, EachUnit(a, units),
                    EachUnit(b, units));
  }

  /// Documents of which a log-likelihood is not finite: 1, else 0. An early program made
  /// predictions of NaN and did not say so.
  static Figures ReadNotFinite(const OpenedRun& run, const std::string& name,
                               std::size_t documents) {
    const std::set<std::string>& arrays = run.arrays.at(name);
    Figures bad(documents);
    if (arrays.count("not_finite") != 0) bad = ReadEval(run, name, "not_finite");
    if (arrays.count("choice_loglik") != 0 && arrays.count("prediction") != 0) {
      const Figures loglik = ReadEval(run, name, "choice_loglik");
      const Figures prediction = ReadEval(run, name, "prediction");
      const std::size_t width = loglik.size() / std::max<std::size_t>(1, prediction.size());
      for (std::size_t i = 0; i < std::min(documents, prediction.size()) && width > 0; ++i) {
        const double first = loglik[i * width];
        if (!std::isfinite(first) && !std::isnan(prediction[i])) bad.at(i) = 1;
      }
    }
    bad.resize(documents);
    return bad;
  }

  void CompareDocuments(const std::string& name, const DocumentArray& array) {
    Figures all_a = ReadDocuments(a_, name, array);
    Figures all_b = ReadDocuments(b_, name, array);
    std::string figure = name + "/" + array.figure;
    // Where a task's figure is a mean over groups, what documents say is another.
    const std::string over_documents = figure + "_document_mean";
    const auto grouped = [&](const RunResult& result) {
      const auto documents = result.Value(over_documents);
      return documents && documents != result.Value(figure);
    };
    if (grouped(a_.result) || grouped(b_.result)) {
      Refuse(figure, "a mean over groups of documents; " + over_documents + " is compared");
      figure = over_documents;
    }
    if (!SameCount(figure, all_a.size(), all_b.size(), "documents")) return;
    const Figures bad_a = ReadNotFinite(a_, name, all_a.size());
    const Figures bad_b = ReadNotFinite(b_, name, all_b.size());
    Figures a;
    Figures b;
    for (std::size_t i = 0; i < all_a.size(); ++i) {
      if (bad_a[i] != 0) all_a[i] = kUndefined;
      if (bad_b[i] != 0) all_b[i] = kUndefined;
      const bool scored_a = bad_a[i] != 0 || !std::isnan(all_a[i]);
      const bool scored_b = bad_b[i] != 0 || !std::isnan(all_b[i]);
      if (!scored_a || !scored_b) continue;
      a.push_back(all_a[i]);
      b.push_back(all_b[i]);
    }
    out_.figures.push_back(Compared({.name = figure,
                                     .test = array.zero_or_one ? "exact McNemar" : "paired t",
                                     .left_out = all_a.size() - a.size()},
                                    a, b));
  }

  /// Figures whose mean is sum(nll) / sum(units); all of them that where it is not finite.
  static Figures EachUnit(const Figures& nll, const Figures& units) {
    const double mean = Mean(units);
    const double ratio = Mean(nll) / mean;
    Figures values(nll.size(), ratio);
    for (std::size_t i = 0; i < nll.size() && std::isfinite(ratio); ++i) {
      values[i] += (nll[i] - ratio * units[i]) / mean;
    }
    return values;
  }

  static ComparedFigure PerplexityOf(ComparedFigure figure, const std::string& name) {
    figure.name = name;
    figure.a = std::exp(figure.a);
    figure.b = std::exp(figure.b);
    figure.error *= figure.b;
    for (PairedResult* result : {&figure.tested, &figure.bootstrap}) {
      const double difference = figure.b - figure.a;
      result->difference = std::isfinite(difference) ? difference : kUndefined;
      result->low = figure.a * std::expm1(result->low);
      result->high = figure.a * std::expm1(result->high);
    }
    return figure;
  }

  ComparedFigure Compared(ComparedFigure figure, const Figures& a, const Figures& b) const {
    figure.equal = a == b;
    figure.count = a.size();
    Figures differences;
    for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
    figure.error = StandardError(differences);
    figure.a = Mean(a);
    figure.b = Mean(b);
    const auto finite = [](const Figures& values) {
      return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
    };
    if (finite(a) && finite(b)) {
      figure.tested = figure.test == "paired t" ? PairedT(a, b) : ExactMcNemar(a, b);
      figure.bootstrap = PairedBootstrap(a, b, options_);
    } else {
      figure.tested = {kUndefined, kUndefined, kUndefined, kUndefined};
      figure.bootstrap = figure.tested;
    }
    return figure;
  }

  OpenedRun a_;
  OpenedRun b_;
  const BootstrapOptions options_;
  Comparison out_;
};

}  // namespace

Comparison CompareRuns(const std::string& folder_a, const std::string& folder_b,
                       const BootstrapOptions& options) {
  return RunComparer(folder_a, folder_b, options).Compare();
}

std::string Verdict(const ComparedFigure& figure) {
  if (figure.count < 2) return "undefined: fewer than 2 values";
  if (!std::isfinite(figure.tested.low) || !std::isfinite(figure.bootstrap.low)) {
    return "undefined: a value is not finite";
  }
  if (figure.equal) return "equal: no value differs";
  const double low = std::min(figure.tested.low, figure.bootstrap.low);
  const double high = std::max(figure.tested.high, figure.bootstrap.high);
  if (low <= 0 && high >= 0) return "noise: the interval contains 0";
  return (low > 0) == figure.lower_is_better ? "A is better" : "B is better";
}

}  // namespace roundlab
