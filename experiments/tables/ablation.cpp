#include "experiments/tables/ablation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/base/paired.h"
#include "core/base/statistics.h"
#include "experiments/tables/cell.h"

namespace roundlab {
namespace {

/// A run's figure. Seeds may share a run, where nothing is drawn.
struct OfRun {
  std::string id;
  double value = 0;
};
using SeedValues = std::map<std::int64_t, OfRun>;

/// The points of one setting of the other axes.
struct Setting {
  std::string title;
  std::map<std::string, SeedValues> values;  // label of the ablation axis -> seed -> metric
  std::map<std::string, std::string> missing;
};

/// What one component, or a pair, is worth.
struct Damage {
  std::string label;
  std::vector<double> value;  ///< of its runs
  std::vector<double> worse;  ///< of each pair of runs with one seed; positive is worse
  PairedResult tested{};
  std::string missing;

  double Size() const { return Mean(worse); }
};

/// One a run.
std::vector<double> Values(const SeedValues& by_seed) {
  std::vector<double> values;
  std::set<std::string> seen;
  for (const auto& [seed, run] : by_seed) {
    if (seen.insert(run.id).second) values.push_back(run.value);
  }
  return values;
}

std::vector<Setting> Gather(const Experiment& experiment, const std::vector<RunOutcome>& outcomes) {
  const OutcomeIndex by_id = ById(outcomes);
  std::vector<Setting> settings;
  std::map<std::string, std::size_t> places;
  for (const PlannedRun& run : experiment.runs) {
    std::string title;
    for (const Axis& axis : experiment.axes) {
      if (axis.name == kAblationAxis) continue;
      title += (title.empty() ? "" : ", ") + axis.name + " " + run.labels.at(axis.name);
    }
    const auto [place, added] = places.try_emplace(title, settings.size());
    if (added) settings.push_back({title, {}, {}});
    Setting& setting = settings[place->second];
    const std::string& label = run.labels.at(kAblationAxis);
    const RunOutcome* found = FindOutcome(by_id, run.id);
    const bool done = found != nullptr && found->state == RunState::kDone;
    const auto value =
        done ? found->result.Value(experiment.ablation->value) : std::optional<double>();
    if (value) {
      setting.values[label][run.seed] = {run.id, *value};
    } else {
      setting.missing[label] = found == nullptr || done ? "not run" : StateName(*found);
    }
  }
  return settings;
}

Damage DamageOf(const std::string& label, const Setting& setting, const SeedValues& full,
                double sign) {
  Damage damage;
  damage.label = label;
  const auto missing = setting.missing.find(label);
  if (missing != setting.missing.end()) damage.missing = missing->second;
  const auto found = setting.values.find(label);
  if (found == setting.values.end()) return damage;
  damage.value = Values(found->second);
  std::vector<double> with;
  std::vector<double> without;
  std::set<std::pair<std::string, std::string>> pairs;
  for (const auto& [seed, run] : found->second) {
    const auto base = full.find(seed);
    if (base == full.end() || !pairs.emplace(run.id, base->second.id).second) continue;
    damage.worse.push_back(sign * (run.value - base->second.value));
    with.push_back(sign * base->second.value);
    without.push_back(sign * run.value);
  }
  damage.tested = PairedT(with, without);
  return damage;
}

std::string Signed(double value) { return (value > 0 ? "+" : "") + FormatNumber(value); }

std::string Interval(const Damage& damage) {
  if (damage.worse.size() < 2 || !std::isfinite(damage.tested.low)) return "-";
  return Signed(damage.tested.low) + " to " + Signed(damage.tested.high);
}

std::string Probability(const Damage& damage) {
  return damage.worse.size() < 2 ? "-" : FormatChance(damage.tested.p);
}

/// Damage of a pair less those of its components; "-" where it is no pair or one is missing.
std::string Interaction(const Ablation& ablation, const Damage& pair,
                        const std::vector<Damage>& all) {
  const auto of = [&](const std::string& label) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Damage& d) { return d.label == label; });
    return found == all.end() ? std::nan("") : found->Size();
  };
  for (const std::string& a : ablation.components) {
    for (const std::string& b : ablation.components) {
      if (pair.label != ablation.Label(a, b)) continue;
      const double size = pair.Size() - of(ablation.Label(a)) - of(ablation.Label(b));
      return std::isnan(size) ? "-" : Signed(size);
    }
  }
  return "-";
}

std::vector<std::string> FullRow(const Ablation& ablation, const Setting& setting) {
  const auto found = setting.values.find(ablation.full);
  const auto missing = setting.missing.find(ablation.full);
  std::vector<std::string> row = {ablation.full};
  if (found == setting.values.end()) {
    row.push_back(missing == setting.missing.end() ? "-" : missing->second);
    row.push_back("0");
  } else {
    const std::vector<double> values = Values(found->second);
    row.push_back(FormatNumber(Mean(values)));
    row.push_back(std::to_string(values.size()));
  }
  row.insert(row.end(), {"", "", ""});
  return row;
}

/// The most damaging first, those that can't be told last.
std::vector<Damage> Ranked(const Experiment& experiment, const Setting& setting) {
  const Ablation& ablation = *experiment.ablation;
  const double sign = LowerIsBetter(ablation.value).value_or(true) ? 1 : -1;
  const auto full = setting.values.find(ablation.full);
  std::vector<Damage> damages;
  for (const std::string& label : experiment.axes.back().labels) {
    if (label == ablation.full) continue;
    damages.push_back(
        DamageOf(label, setting, full == setting.values.end() ? SeedValues() : full->second, sign));
  }
  std::stable_sort(damages.begin(), damages.end(), [](const Damage& a, const Damage& b) {
    const double x = a.Size();
    const double y = b.Size();
    return std::isnan(y) ? !std::isnan(x) : x > y;
  });
  return damages;
}

TextTable Table(const Experiment& experiment, const Setting& setting) {
  const Ablation& ablation = *experiment.ablation;
  const std::vector<Damage> damages = Ranked(experiment, setting);
  TextTable table;
  table.title = "Ablation on " + ablation.value +
                (setting.title.empty() ? "" : ", " + setting.title) + ": most damaging first";
  table.header = {"without", ablation.value, "n", "damage", "95 % interval", "p"};
  if (ablation.pairs) table.header.emplace_back("interaction");
  table.rows.push_back(FullRow(ablation, setting));
  if (ablation.pairs) table.rows.back().emplace_back("");
  for (const Damage& d : damages) {
    const bool none = d.worse.empty();
    table.rows.push_back(
        {d.label,
         d.value.empty() ? (d.missing.empty() ? "-" : d.missing) : FormatNumber(Mean(d.value)),
         std::to_string(d.worse.size()), none ? "-" : Signed(d.Size()), Interval(d),
         Probability(d)});
    if (ablation.pairs) table.rows.back().push_back(Interaction(ablation, d, damages));
  }
  table.notes = {
      "Damage: how much worse without it, seed by seed; interval and p by the paired t "
      "test over seeds."};
  if (!LowerIsBetter(ablation.value)) {
    table.notes.push_back("Whether more or less of " + ablation.value +
                          " is better is not known here: less is taken as better.");
  }
  return table;
}

}  // namespace

std::vector<TextTable> MakeAblationTables(const Experiment& experiment,
                                          const std::vector<RunOutcome>& outcomes) {
  if (!experiment.ablation) return {};
  std::vector<TextTable> tables;
  for (const Setting& setting : Gather(experiment, outcomes)) {
    tables.push_back(Table(experiment, setting));
  }
  return tables;
}

std::vector<AblationRanking> RankAblations(const Experiment& experiment,
                                           const std::vector<RunOutcome>& outcomes) {
  if (!experiment.ablation) return {};
  std::vector<AblationRanking> rankings;
  for (const Setting& setting : Gather(experiment, outcomes)) {
    AblationRanking& ranking = rankings.emplace_back();
    ranking.setting = setting.title;
    for (const Damage& d : Ranked(experiment, setting)) {
      const bool several = d.worse.size() > 1;
      ranking.damages.push_back({d.label, d.Size(), several ? d.tested.low : std::nan(""),
                                 several ? d.tested.high : std::nan("")});
    }
  }
  return rankings;
}

}  // namespace roundlab
