#include "experiments/tables/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/base/statistics.h"
#include "core/config/node.h"
#include "experiments/tables/run_arrays.h"

namespace roundlab {
namespace {

using Figures = RunArrays::Figures;

/// An array with one value a document, and what its mean is called.
struct DocumentArray {
  const char* array;
  const char* figure;
  bool zero_or_one;
};
constexpr DocumentArray kDocumentArrays[] = {
    {"correct", "acc", true}, {"correct_norm", "acc_norm", true}, {"mc2", "mc2", false}};

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
      : a_(folder_a), b_(folder_b), options_(options) {}

  Comparison Compare() {
    out_.id_a = a_.result().id;
    out_.id_b = b_.result().id;
    const auto lines_a = ConfigLines(a_.result());
    const auto lines_b = ConfigLines(b_.result());
    out_.config_only_a = LinesWithout(lines_a, lines_b);
    out_.config_only_b = LinesWithout(lines_b, lines_a);
    for (const char* key : {"model_sha256", "calibration_sha256"}) TellOther(key);
    std::set<std::string> names = a_.Names();
    names.merge(b_.Names());
    for (const std::string& name : names) CompareEval(name);
    return std::move(out_);
  }

 private:
  /// What a run read, beside its config: the same config may have read files that changed since.
  void TellOther(const std::string& key) {
    const auto a = a_.result().provenance.find(key);
    const auto b = b_.result().provenance.find(key);
    if (a == a_.result().provenance.end() || b == b_.result().provenance.end()) return;
    if (a->second == b->second) return;
    out_.config_only_a.push_back(key + ": " + a->second.substr(0, 16));
    out_.config_only_b.push_back(key + ": " + b->second.substr(0, 16));
  }

  void CompareEval(const std::string& name) {
    const bool in_a = a_.Has(name);
    const bool in_b = b_.Has(name);
    if (!in_a || !in_b) return Refuse(name, in_a ? "only in A" : "only in B");
    for (const char* key : {"tokens_sha256", "documents_sha256"}) {
      if (!SameData(name, key)) return;
    }
    if (a_.Has(name, "kl")) return CompareDivergence(name);
    bool any = false;
    if (BothHave(name, "nll", &any)) CompareNll(name);
    for (const DocumentArray& array : kDocumentArrays) {
      if (BothHave(name, array.array, &any)) CompareDocuments(name, array);
    }
    if (!a_.Has(name, "nll") && a_.result().metrics.count(name + "/perplexity") != 0) {
      CompareCosts(name);
    } else if (!any) {
      Refuse(name, "has none of the arrays nll, correct, correct_norm, mc2");
    }
  }

  /// Says so where only one run has the array; sets `any` where one or both have it.
  bool BothHave(const std::string& name, const char* array, bool* any) {
    const bool in_a = a_.Has(name, array);
    const bool in_b = b_.Has(name, array);
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
    const std::string a = recorded(a_.result());
    const std::string b = recorded(b_.result());
    if (a == b) return true;
    Refuse(name, "different data: " + key + " is " + a + " in A, " + b + " in B");
    return false;
  }

  bool SameCount(const std::string& name, std::size_t a, std::size_t b, const std::string& what) {
    if (a == b) return true;
    Refuse(name, std::to_string(a) + " " + what + " in A, " + std::to_string(b) + " in B");
    return false;
  }

  bool InBoth(const std::string& name, const char* array) const {
    return a_.Has(name, array) && b_.Has(name, array);
  }

  /// tokens: how many each of the runs' texts has.
  bool SameTexts(const std::string& name, const Figures& tokens_a, const Figures& tokens_b,
                 const std::string& texts) {
    if (!SameCount(name, tokens_a.size(), tokens_b.size(), texts)) return false;
    if (tokens_a == tokens_b) return true;
    Refuse(name, "the " + texts + " of A and B score different numbers of tokens");
    return false;
  }

  /// By window: tokens beside one another are no independent draws.
  void CompareDivergence(const std::string& name) {
    if (!InBoth(name, "tokens")) return Refuse(name, "a divergence is not paired");
    const Figures tokens = a_.Read(name, "tokens");
    if (!SameTexts(name + "/kl", tokens, b_.Read(name, "tokens"), "windows")) return;
    const auto by_window = [&](const char* array, const std::string& figure) {
      const Figures a = a_.SumsByWindow(name, array, tokens);
      const Figures b = b_.SumsByWindow(name, array, tokens);
      return PerUnit(name + "/" + figure, a, b, tokens);
    };
    out_.figures.push_back(by_window("kl", "kl_mean"));
    out_.figures.push_back(by_window("same_top", "same_top"));
    out_.figures.back().lower_is_better = false;
    out_.figures.push_back(PerplexityOf(by_window("nll", ""), name + "/perplexity"));
  }

  /// By document where the protocol scores documents, else by window.
  void CompareNll(const std::string& name) {
    const bool documents = InBoth(name, "document_nll");
    const char* const nll = documents ? "document_nll" : "nll";
    const Figures nll_a = a_.Read(name, nll);
    const Figures nll_b = b_.Read(name, nll);
    const char* const tokens = documents ? "document_tokens" : "tokens";
    const Figures counts = a_.Units(name, tokens, nll_a.size());
    const Figures counts_b = b_.Units(name, tokens, nll_b.size());
    if (!SameTexts(name + "/nll", counts, counts_b, documents ? "documents" : "windows")) return;
    const ComparedFigure by_token = PerUnit(name + "/nll", nll_a, nll_b, counts);
    out_.figures.push_back(by_token);
    out_.figures.push_back(PerplexityOf(by_token, name + "/perplexity"));
    const std::pair<const char*, const char*> others[] = {{"document_words", "/word_perplexity"},
                                                          {"document_bytes", "/byte_perplexity"}};
    for (const auto& [units, figure] : others) {
      if (!documents || !InBoth(name, units)) continue;
      const Figures of_each = a_.Units(name, units, nll_a.size());
      out_.figures.push_back(PerplexityOf(PerUnit("", nll_a, nll_b, of_each), name + figure));
    }
  }

  /// sum(nll) / sum(units).
  ComparedFigure PerUnit(const std::string& name, const Figures& a, const Figures& b,
                         const Figures& units) const {
    return Compared({.name = name, .test = "paired t", .lower_is_better = true}, EachUnit(a, units),
                    EachUnit(b, units));
  }

  void CompareDocuments(const std::string& name, const DocumentArray& array) {
    const auto values = [&](const RunArrays& run) {
      return array.zero_or_one ? run.Marks(name, array.array) : run.Read(name, array.array);
    };
    std::string figure = name + "/" + array.figure;
    // Where a task's figure is a mean over groups, what documents say is another.
    const std::string over_documents = figure + "_document_mean";
    const auto grouped = [&](const RunResult& result) {
      const auto documents = result.Value(over_documents);
      return documents && documents != result.Value(figure);
    };
    if (grouped(a_.result()) || grouped(b_.result())) {
      Refuse(figure, "a mean over groups of documents; " + over_documents + " is compared");
      figure = over_documents;
    }
    const char* const test = array.zero_or_one ? "exact McNemar" : "paired t";
    const Figures a = values(a_);
    const Figures b = values(b_);
    AddScored(name, {.name = figure, .test = test}, a, b);
  }

  /// The perplexity of a task: exp of what a document costs on average.
  void CompareCosts(const std::string& name) {
    const std::string figure = name + "/perplexity";
    const Figures a = a_.Costs(name);
    const Figures b = b_.Costs(name);
    if (a.empty() || b.empty()) return Refuse(figure, "is not paired by document");
    const bool added =
        AddScored(name, {.name = figure, .test = "paired t", .lower_is_better = true}, a, b);
    if (added) out_.figures.back() = PerplexityOf(out_.figures.back(), figure);
  }

  /// Adds the figure of the documents that both runs scored, if they are the same ones.
  bool AddScored(const std::string& name, ComparedFigure figure, Figures all_a, Figures all_b) {
    if (!SameCount(figure.name, all_a.size(), all_b.size(), "documents")) return false;
    const Figures bad_a = a_.NotFinite(name, all_a.size());
    const Figures bad_b = b_.NotFinite(name, all_b.size());
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
    figure.left_out = all_a.size() - a.size();
    out_.figures.push_back(Compared(std::move(figure), a, b));
    return true;
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

  const RunArrays a_;
  const RunArrays b_;
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
