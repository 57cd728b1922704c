#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/metrics/run_record.h"
#include "core/model/loader.h"
#include "rounding/quant_options.h"
#include "rounding/quantized_model.h"
#include "rounding/scheme.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

/// The `round` stage of a pipeline: a scheme and how it is tuned.
struct RoundStage {
  RoundingRecipe scheme;
  TuneOptions tune;
  void Fields(FieldVisitor& f);
};

/// Sequences that a layer's output error is measured on.
constexpr std::int64_t kSampleRows = 4;

struct PipelineInputs {
  const ModelFiles* files = nullptr;
  at::Tensor tokens;  ///< int64 [rows, seq], calibration; undefined where the scheme needs none
  at::ScalarType dtype = at::kFloat;  ///< of blocks and chains
  std::uint64_t seed = 0;
  std::string progress_folder;      ///< empty: nothing is kept for a resume
  std::function<void()> unit_kept;  ///< called when a unit is kept there; may be empty
};

/// Names of the units that QuantizeModel will go through, in order.
std::vector<std::string> UnitNames(const ModelDescription& model, const TuneOptions& tune);
/// Names of the per-step series it will record.
std::vector<std::string> SeriesNames(const ModelDescription& model, const TuneOptions& tune);

/// Rounds a model block by block. Two chains of hidden states go through it: the unquantized one
/// gives each unit's targets, the rounded one its inputs (tune.inputs), refreshed with the codes
/// that were chosen. One block and two chains are in memory at a time. Units that progress_folder
/// holds already are taken from there; `record` then has their measurements too. Throws Interrupted
/// between steps.
QuantizedModel QuantizeModel(const PipelineInputs& inputs, const QuantOptions& quant,
                             const RoundStage& stage, MetricSink* record, Log* log);

}  // namespace roundlab
