#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics/run_record.h"
#include "rounding/fisher.h"
#include "rounding/weights_file.h"

namespace roundlab {

/// How often chains are written, which all have to be each time: writing takes a 20th of the time
/// at most, but what takes no second is always done.
struct SavePace {
  double always_below = 1;      ///< seconds that writing took the last time
  double times = 20;            ///< as long as that passes before it is done again
  double bytes_a_second = 5e8;  ///< what the first writing is taken to do
};

/// Finished units and the live chains of a run, on disk, so that a killed run goes on after the
/// last unit that was kept with the same bits. Each file is whole or absent; a unit counts once its
/// record, which is written last, is there, and the chains after it or after a later one are.
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
  explicit ProgressStore(std::string folder, const SavePace& pace = {});

  /// These throw Error where a file is not what was written.
  State Load() const;
  StoredWeights Weights(std::int64_t unit) const;
  RunRecord Record(std::int64_t unit) const;

  /// Chains on any device; Load() gives them on the CPU. Units are given in order. Where it is too
  /// early to write again, the unit is kept in memory until it is not.
  void Save(std::int64_t unit, const StoredWeights& weights, const RunRecord& record,
            const at::Tensor& fp_chain, const at::Tensor& q_chain);
  /// Statistics of the whole model, taken once before its units; empty where there are none.
  FisherDiagonal Fisher() const;
  void SaveFisher(const FisherDiagonal& fisher);
  /// How the bits of quant.budget were spent (SpendBudget), where that is kept.
  std::optional<RunRecord> Budget() const;
  void SaveBudget(const RunRecord& budget);

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::int64_t unit;
    StoredWeights weights;
    std::string record;
  };
  /// What `read` answers; what it throws with what to do where a file is damaged.
  template <class Read>
  auto Kept(const Read& read) const;
  std::string File(const char* kind, std::int64_t unit) const;
  bool TooEarly(double bytes) const;

  std::string folder_;
  SavePace pace_;
  std::optional<double> took_;  // seconds, the last time
  Clock::time_point written_ = Clock::now();
  std::vector<Waiting> waiting_;
};

}  // namespace roundlab
