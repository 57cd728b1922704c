#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "rounding/tuner/reconstruction.h"
#include "rounding/tuner/tune_options.h"
#include "rounding/tuner/unit_data.h"

namespace roundlab {

/// The stage's loss, told what it is of.
std::unique_ptr<Loss> LossOf(const Reconstruction& unit, const TuneOptions& options);

/// What some of a step's rows add to its loss, which is a mean over `all` rows.
struct LossShare {
  at::Tensor sum;                  ///< scalar with gradient
  std::vector<at::Tensor> values;  ///< float64 scalars that add up to it, to be added in order
};

/// outputs: of batch.inputs. `by_rows`: the loss of each row by itself, so that neither it nor its
/// gradient depends on what other rows there are; else of all at once.
LossShare ShareOfLoss(const Reconstruction& unit, const Loss& loss, const at::Tensor& outputs,
                      const BatchRows& batch, std::int64_t all, bool by_rows);

/// Mean of the stage's loss over all rows, in portions of options.batch, with the slots as they
/// are. `outputs`, where defined, gets what the unit puts out.
double FullLoss(const Reconstruction& unit, const UnitData& data, const TuneOptions& options,
                const HiddenStates& outputs = {});

}  // namespace roundlab
