#include "experiments/cost/estimate.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <chrono>

#include "core/base/error.h"
#include "core/kernels/cuda/load.h"
#include "core/metrics/memory.h"
#include "core/model/catalogue.h"
#include "core/model/shapes.h"
#include "core/quant/dtype.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "experiments/cost/machine_probe.h"
#include "experiments/run/open_model.h"
#include "rounding/stages/round.h"

namespace roundlab {
namespace {

/// Seconds: a sweep over many models is answered while its user waits, and after this the figures
/// of the model before do for those that follow.
constexpr double kLongestProbing = 5;

}  // namespace

struct Estimator::Known {
  std::optional<ModelDescription> description;
  std::unique_ptr<Tokenizer> tokenizer;
};

Estimator::Estimator(std::optional<Hardware> hardware) : hardware_(hardware) {}
Estimator::~Estimator() = default;

std::optional<Estimate> Estimator::Of(const RunConfig& run) {
  const Known& model = Model(run.model.path);
  if (!model.description) return std::nullopt;
  const auto tokens = EvalTokens(run);
  Estimate estimate;
  if (hardware_ || !OnGpu(run)) {
    const Hardware& machine = Machine(run, *model.description);
    estimate.seconds = Seconds(CostOf(run, *model.description, tokens.value_or(0)), machine);
  }
  estimate.peak_gib = Gib(run, *model.description, tokens.value_or(0));
  estimate.evaluation = tokens.has_value();
  return estimate;
}

std::optional<double> Estimator::PeakGib(const RunConfig& run) {
  const Known& model = Model(run.model.path);
  if (!model.description) return std::nullopt;
  return Gib(run, *model.description, 0);
}

double Estimator::Gib(const RunConfig& run, const ModelDescription& model,
                      std::int64_t eval_tokens) {
  const double value = hardware_ ? hardware_->bytes_per_value
                                 : static_cast<double>(c10::elementSize(run.model.dtype));
  MemoryRoom room;
  room.gpu = OnGpu(run);
  if (hardware_ && hardware_->memory_gib > 0) room.bytes = hardware_->memory_gib * kGib;
  if (!hardware_ && !room.gpu) room.bytes = static_cast<double>(AvailableBytes());
  if (run.compute.memory_limit > 0) {
    room.bytes = std::min(room.bytes, run.compute.memory_limit * kGib);
  }
  RunConfig there = run;
  there.compute.device = room.gpu ? at::kCUDA : at::kCPU;
  return PeakBytes(RunMemoryOf(there, model, value, eval_tokens), room) / kGib;
}

bool Estimator::OnGpu(const RunConfig& run) {
  if (run.compute.device) return run.compute.device->is_cuda();
  if (hardware_) return hardware_->gpu;
  // Opened, but not used: a runner goes on to hold no memory of it.
  if (!finds_gpu_) finds_gpu_ = cuda::LoadLibtorch().empty();
  return *finds_gpu_;
}

const Estimator::Known& Estimator::Model(const std::string& name) {
  auto& known = models_[name];
  if (known) return *known;
  known = std::make_unique<Known>();
  try {
    known->description = DescribeModel(name);
    known->tokenizer = LoadTokenizer(TokenizerOf(name));
  } catch (const Error&) {
    // Not here, or broken: preflight tells; its sizes may still be known.
    for (const ModelEntry& entry : ModelCatalogue()) {
      if (entry.name == name && !entry.shape.empty())
        known->description = DescribeShape(entry.shape);
    }
  }
  return *known;
}

std::optional<std::int64_t> Estimator::EvalTokens(const RunConfig& run) {
  const Known& model = Model(run.model.path);
  std::int64_t sum = 0;
  for (const EvaluatorRecipe& recipe : run.eval) {
    const auto [place, added] = tokens_.try_emplace({run.model.path, recipe.canonical});
    if (added && model.tokenizer) {
      try {
        place->second = recipe.make()->Tokens(*model.description, *model.tokenizer);
      } catch (const Error&) {
        place->second = std::nullopt;  // its data are not here
      }
    }
    if (!place->second) return std::nullopt;
    sum += *place->second;
  }
  return sum;
}

const Hardware& Estimator::Machine(const RunConfig& run, const ModelDescription& model) {
  if (hardware_) return *hardware_;
  const bool tunes = RoundingTunes(run);
  std::string kind = run.model.path + " " + std::to_string(run.compute.threads);
  if (tunes) {
    const RoundOptions round = *RoundOptionsOf(run.pipeline);
    kind += " " + EnumName(run.model.dtype, DtypeNames()) + " " + round.scheme.type + " " +
            round.tune.optimizer.type;
    for (const std::int64_t n : {run.calibration->seqlen, StepRows(run), round.tune.accumulate}) {
      kind += " " + std::to_string(n);
    }
  }
  const auto [place, added] = probed_.try_emplace(kind);
  if (!added) return place->second;
  const auto last = last_.find(tunes);
  if (probed_for_ > kLongestProbing && last != last_.end()) return place->second = last->second;
  const auto start = std::chrono::steady_clock::now();
  place->second = last_[tunes] = ProbeMachine(run, model);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  probed_for_ += spent.count();
  return place->second;
}

}  // namespace roundlab
