#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/print_json.h"
#include "experiments/cli/print_table.h"
#include "experiments/run/json_number.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/compare.h"
#include "experiments/tables/table.h"

namespace roundlab {
namespace {

using nlohmann::json;

/// Decimals that show three digits of the interval's width.
int Decimals(const ComparedFigure& figure) {
  for (const PairedResult& result : {figure.tested, figure.bootstrap}) {
    const double width = result.high - result.low;
    if (!(width > 0) || std::isinf(width)) continue;
    return std::clamp(2 - static_cast<int>(std::floor(std::log10(width))), 0, 10);
  }
  return 4;
}

/// "-" where there is none.
std::string Difference(double value, int decimals) {
  return std::isnan(value) ? "-" : Fixed(value, decimals);
}

std::string Interval(const PairedResult& result, int decimals) {
  if (std::isnan(result.low)) return "-";
  return Fixed(result.low, decimals) + " to " + Fixed(result.high, decimals);
}

TextTable ToTable(const Comparison& comparison) {
  TextTable table;
  table.header = {"figure",         "n",           "A",      "B", "B - A", "95 % interval", "p",
                  "bootstrap 95 %", "bootstrap p", "verdict"};
  for (const ComparedFigure& f : comparison.figures) {
    const int decimals = Decimals(f);
    table.rows.push_back({f.name, std::to_string(f.count), Fixed(f.a, decimals),
                          Fixed(f.b, decimals), Difference(f.tested.difference, decimals),
                          Interval(f.tested, decimals), FormatChance(f.tested.p),
                          Interval(f.bootstrap, decimals), FormatChance(f.bootstrap.p),
                          Verdict(f)});
  }
  return table;
}

void PrintLines(const char* title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  std::printf("\n%s\n", title);
  for (const std::string& line : lines) std::printf("  %s\n", line.c_str());
}

bool HasDivergence(const Comparison& comparison) {
  return std::any_of(comparison.figures.begin(), comparison.figures.end(),
                     [](const ComparedFigure& f) { return f.name.ends_with("/kl_mean"); });
}

void PrintText(const CommandLine& line, const Comparison& comparison,
               const BootstrapOptions& options) {
  std::printf("A: run %s in %s\nB: run %s in %s\n", comparison.id_a.c_str(),
              line.arguments[0].c_str(), comparison.id_b.c_str(), line.arguments[1].c_str());
  if (comparison.figures.empty()) {
    std::printf("\nNothing can be compared.\n");
  } else {
    std::printf(
        "\n%s\nnll, perplexity, mc2%s: paired t test; acc, acc_norm: McNemar's exact test; "
        "%lld bootstrap resamples, seed %llu.\n"
        "Intervals are for other texts of the kind, not for other seeds of a method.\n",
        TableText(line, ToTable(comparison)).c_str(),
        HasDivergence(comparison) ? ", kl_mean, same_top" : "",
        static_cast<long long>(options.resamples), static_cast<unsigned long long>(options.seed));
  }
  std::vector<std::string> left_out;
  for (const ComparedFigure& f : comparison.figures) {
    if (f.left_out > 0) left_out.push_back(f.name + ": " + std::to_string(f.left_out));
  }
  PrintLines("Documents left out, not scored in both runs:", left_out);
  std::vector<std::string> refused;
  for (const NotCompared& entry : comparison.not_compared) {
    refused.push_back(entry.name + ": " + entry.reason);
  }
  PrintLines("Not compared:", refused);
  PrintLines("Only in the config of A:", comparison.config_only_a);
  PrintLines("Only in the config of B:", comparison.config_only_b);
  if (comparison.config_only_a.empty() && comparison.config_only_b.empty()) {
    std::printf("\nThe configs are equal.\n");
  }
}

/// null: there is none.
json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json ToJson(const PairedResult& result) {
  return {{"low", Number(result.low)}, {"high", Number(result.high)}, {"p", Number(result.p)}};
}

json ToJson(const CommandLine& line, const Comparison& comparison,
            const BootstrapOptions& options) {
  json figures = json::array();
  for (const ComparedFigure& f : comparison.figures) {
    json figure = ToJson(f.tested);
    figure.update({{"name", f.name},
                   {"n", f.count},
                   {"left_out", f.left_out},
                   {"a", NumberToJson(f.a)},
                   {"b", NumberToJson(f.b)},
                   {"difference", Number(f.tested.difference)},
                   {"test", f.test},
                   {"bootstrap", ToJson(f.bootstrap)},
                   {"verdict", Verdict(f)}});
    figures.push_back(std::move(figure));
  }
  json refused = json::array();
  for (const NotCompared& entry : comparison.not_compared) {
    refused.push_back({{"name", entry.name}, {"reason", entry.reason}});
  }
  return {{"a", {{"id", comparison.id_a}, {"folder", line.arguments[0]}}},
          {"b", {{"id", comparison.id_b}, {"folder", line.arguments[1]}}},
          {"resamples", options.resamples},
          {"seed", options.seed},
          {"figures", std::move(figures)},
          {"not_compared", std::move(refused)},
          {"config", {{"only_a", comparison.config_only_a}, {"only_b", comparison.config_only_b}}}};
}

}  // namespace

int CompareCommand(const CommandLine& line) {
  RequireArguments(line, 2);
  if (line.seed < 0)
    throw Error("--seed " + std::to_string(line.seed) + " is out of range [0, inf)");
  BootstrapOptions options;
  options.seed = static_cast<std::uint64_t>(line.seed);
  const Comparison comparison = CompareRuns(line.arguments[0], line.arguments[1], options);
  if (line.json) {
    PrintJson(ToJson(line, comparison, options));
  } else {
    PrintText(line, comparison, options);
  }
  return 0;
}

}  // namespace roundlab
