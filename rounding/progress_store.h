#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/metrics/run_record.h"
#include "rounding/fisher.h"
#include "rounding/weights_file.h"

namespace roundlab {

/// Finished units and the live chains of a run, on disk, so that a killed run goes on after its
/// last finished unit with the same bits. Each file is whole or absent; a unit counts once its
/// record, which is written last, is there.
class ProgressStore {
 public:
  /// What is on disk after a number of finished units.
  struct State {
    std::int64_t finished = 0;  ///< units
    /// Input of the next unit in the unquantized model, and in the rounded one; either may be
    /// undefined. Read-only, mapped from the file.
    at::Tensor fp_chain;
    at::Tensor q_chain;
  };

  /// An empty folder name keeps nothing. Makes the folder.
  explicit ProgressStore(std::string folder);

  State Load() const;
  StoredWeights Weights(std::int64_t unit) const;
  RunRecord Record(std::int64_t unit) const;

  /// Chains on any device; Load() gives them on the CPU.
  void Save(std::int64_t unit, const StoredWeights& weights, const RunRecord& record,
            const at::Tensor& fp_chain, const at::Tensor& q_chain);
  /// Statistics of the whole model, taken once before its units; empty where there are none.
  FisherDiagonal Fisher() const;
  void SaveFisher(const FisherDiagonal& fisher);
  /// How the bits of quant.budget were spent (SpendBudget), where that is kept.
  std::optional<RunRecord> Budget() const;
  void SaveBudget(const RunRecord& budget);
  void Remove();  ///< the whole folder, when the run is done

 private:
  std::string File(const char* kind, std::int64_t unit) const;
  std::string folder_;
};

}  // namespace roundlab
