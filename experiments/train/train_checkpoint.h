#pragma once

#include <cstdint>
#include <string>

#include "core/metrics/run_record.h"
#include "core/model/trainable.h"
#include "optimizers/optimizers.h"

namespace roundlab {

/// What a training that was stopped goes on from: one file, the old one or the whole new one.
class TrainCheckpoint {
 public:
  /// `made_of`: all that a training depends on, in lines "key: value"; a checkpoint belongs to one.
  TrainCheckpoint(std::string file, std::string made_of)
      : file_(std::move(file)), made_of_(std::move(made_of)) {}

  void Save(std::int64_t step, const TrainableModel& model,
            const torch::optim::Optimizer& optimizer, const RunRecord& record) const;

  /// Puts everything back; the number of steps done, 0 where there is no file. Throws Error where
  /// it is another training's, naming the first line that differs, or broken.
  std::int64_t Load(const TrainableModel& model, torch::optim::Optimizer* optimizer,
                    RunRecord* record) const;

 private:
  std::string file_;
  std::string made_of_;
};

/// "seed: 0, here seed: 1": the first line that two canonical configs differ in.
std::string FirstDifference(const std::string& there, const std::string& here);

}  // namespace roundlab
