#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/metrics/run_record.h"

namespace roundlab {

/// A series, steps ascending.
struct Curve {
  std::vector<double> steps;
  std::vector<double> values;
};

/// Means of at most `most` runs of neighbouring samples, as equally many as can be.
Curve Downsampled(const Curve& curve, std::size_t most);

struct UnitCurve {
  std::string unit;  ///< "block_3", "model.layers.3.mlp.up_proj"
  Curve loss;
};

/// Kind of layer ("q_proj") -> block -> value.
using LayerValues = std::map<std::string, std::map<int, double>>;

/// What tuning left in run.h5, as means over the runs of a point of the plan; not finite where a
/// value is not.
struct Details {
  std::vector<UnitCurve> losses;  ///< of tune/<unit>/loss; block_2 comes before block_10
  LayerValues flip_rate;
  LayerValues output_snr_db;
  LayerValues budget_bits;  ///< what quant.budget gave
  /// Kind of layer -> weights in each bin of |V|, all its blocks together.
  std::map<std::string, std::vector<double>> offsets;
  /// What went wrong and was handled: a name of HandledEvents() -> how often in a run, where it
  /// was.
  std::map<std::string, double> handled;
};

/// Last part of an array's name in run.h5 -> what its values count, in words.
const std::map<std::string, const char*>& HandledEvents();

/// Whether a series or array of run.h5 goes into Details.
bool IsDetail(const std::string& name);

Details MeanDetails(const std::vector<RunRecord>& runs);

/// Whether all of a unit's losses are finite and above 0.
bool HasLogarithms(const UnitCurve& unit);

/// exp(mean over the units of ln(loss / loss at the unit's first step)), at each step that all
/// units have. Units without logarithms are left out.
Curve RelativeLoss(const std::vector<UnitCurve>& units);

/// Block -> mean over the kinds of layers.
std::map<int, double> MeanByBlock(const LayerValues& values);

/// Counts as parts of their sum.
std::vector<double> Shares(std::vector<double> counts);

/// Bins of all kinds together, as parts of all that was counted; none where there are no bins.
std::vector<double> AllOffsets(const Details& details);

}  // namespace roundlab
