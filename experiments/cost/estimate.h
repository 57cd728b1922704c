#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "experiments/cost/cost_model.h"
#include "experiments/plan/run_config.h"

namespace roundlab {

/// What a run will take, before it runs.
struct Estimate {
  std::optional<double> seconds{};  ///< none for a GPU: this machine's processor says nothing of it
  double peak_gib = 0;              ///< on the GPU where one computes
  bool evaluation = true;           ///< false: without it, its texts or the tokenizer are not here
};

/// Estimates runs of a plan on a machine; what runs share is found out once.
class Estimator {
 public:
  /// Without `hardware` this machine, which is probed for some seconds a model and way of tuning.
  explicit Estimator(std::optional<Hardware> hardware);
  ~Estimator();
  /// nullopt where neither the model's files nor its sizes in the catalogue are known.
  std::optional<Estimate> Of(const RunConfig& run);
  /// Its memory alone, which no machine has to be probed for: of the GPU where the run is for one
  /// (compute.device, or auto where the hardware is one), else of the machine. Hidden states count
  /// where they fit compute.memory_limit and the memory of the hardware that was given, else what
  /// this machine has left; a model that does not is evaluated block by block.
  std::optional<double> PeakGib(const RunConfig& run);

 private:
  struct Known;
  const Known& Model(const std::string& name);
  std::optional<std::int64_t> EvalTokens(const RunConfig& run);
  double Gib(const RunConfig& run, const ModelDescription& model, std::int64_t eval_tokens);
  bool OnGpu(const RunConfig& run);
  const Hardware& Machine(const RunConfig& run, const ModelDescription& model);

  std::optional<Hardware> hardware_;
  std::optional<bool> finds_gpu_;  ///< what `auto` finds here
  std::map<std::string, std::unique_ptr<Known>> models_;
  std::map<std::pair<std::string, std::string>, std::optional<std::int64_t>> tokens_;
  std::map<std::string, Hardware> probed_;  ///< by what a probe depends on
  std::map<bool, Hardware> last_;           // probed, of runs that tune and that do not
  double probed_for_ = 0;                   // seconds
};

}  // namespace roundlab
