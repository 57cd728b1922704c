#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/metrics/run_record.h"
#include "core/model/source.h"
#include "rounding/hidden_states.h"
#include "rounding/quant_options.h"
#include "rounding/quantized_model.h"
#include "rounding/stage.h"

namespace roundlab {

struct PipelineInputs {
  const ModelSource* source = nullptr;
  at::Tensor tokens;  ///< int64 [rows, seq], calibration; undefined where no stage needs any
  at::ScalarType dtype = at::kFloat;  ///< of blocks and chains
  at::Device device = at::kCPU;       ///< that computes; what is made comes back
  ChainPlace chain_place = ChainPlace::kDevice;
  std::string chain_folder;  ///< of ChainPlace::kFile
  /// There is room for one chain more: a tuned unit's outputs go there, which saves a pass.
  bool spare_chain = false;
  std::uint64_t seed = 0;
  std::string progress_folder;      ///< empty: nothing is kept for a resume
  std::function<void()> unit_kept;  ///< called when a unit is kept there; may be empty
};

/// Names of the per-step series it will record.
std::vector<std::string> SeriesNames(const ModelDescription& model,
                                     const std::vector<StageRecipe>& pipeline);

/// Takes a model through the stages of a pipeline, unit by unit. Two chains of hidden states go
/// through it where a stage needs them: that of the unquantized model gives targets, that of what
/// is quantized gives inputs. One unit, the weights of the next, and the chains (at chain_place,
/// which changes no number) are there at a time. Units that progress_folder holds already are taken
/// from there; `record` then has their measurements too. Throws Interrupted between steps, Diverged
/// where a number that is not finite comes up, Error where the device's memory does not suffice.
QuantizedModel QuantizeModel(const PipelineInputs& inputs, const QuantOptions& quant,
                             const std::vector<StageRecipe>& pipeline, MetricSink* record,
                             Log* log);

}  // namespace roundlab
