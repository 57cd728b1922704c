#include "rounding/pipeline.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/kernels/out_of_memory.h"
#include "core/model/model.h"
#include "core/model/unit_loader.h"
#include "rounding/diagnostics.h"
#include "rounding/progress_store.h"
#include "rounding/range.h"
#include "rounding/spend_budget.h"
#include "rounding/unit.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

/// Tells the place of what is being thrown, where it is neither the project's own, which says so
/// itself, nor of memory: libtorch's or a plug-in's.
[[noreturn]] void RethrowFrom(const std::string& place) {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::AcceleratorError&) {
    throw;
  } catch (const c10::Error& error) {
    throw std::runtime_error(place + ": " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw std::runtime_error(place + ": " + error.what());
  } catch (...) {
    throw std::runtime_error(place + ": threw no std::exception");
  }
}

using StageList = std::vector<std::unique_ptr<Stage>>;

StageList MakeStages(const std::vector<StageRecipe>& pipeline) {
  StageList stages;
  for (const StageRecipe& recipe : pipeline) stages.push_back(recipe.make());
  return stages;
}

std::vector<UnitPlan> PlanOf(const ModelDescription& model, const StageList& stages) {
  std::int64_t blocks = 1;
  for (const auto& stage : stages) blocks = std::max(blocks, stage->UnitBlocks());
  return PlanUnits(model.layers, blocks);
}

std::vector<std::string> LinearsOf(const ModelDescription& model, const UnitPlan& unit) {
  std::vector<std::string> names;
  for (std::int64_t i = unit.first; i <= unit.last; ++i) {
    for (const std::string& name : model.LinearNames(i)) names.push_back(name);
  }
  return names;
}

class Pipeline {
 public:
  Pipeline(const PipelineInputs& inputs, const QuantOptions& quant,
           const std::vector<StageRecipe>& pipeline, MetricSink* record, Log* log)
      : in_(inputs),
        quant_(quant),
        stages_(MakeStages(pipeline)),
        range_(quant.range.make()),
        record_(record),
        log_(log),
        units_(PlanOf(inputs.source->description(), stages_)) {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (in_.device.is_cpu() || stages_[i]->AnyDevice()) continue;
      throw Error("pipeline." + std::to_string(i) + ": " + pipeline[i].type +
                  " does not run on a GPU yet (compute.device: cpu)");
    }
    CheckStages(pipeline, in_.source->description(), quant_);
    setting_.source = in_.source;
    setting_.quant = &quant_;
    setting_.range = range_.get();
    setting_.seed = in_.seed;
    setting_.needs = NeedsOf(pipeline, quant);
    setting_.log = log_;
    setting_.spare_chain = in_.spare_chain;
    setting_.on_step = [this] {
      progress_->Advance();
      CheckInterrupt();
    };
    store_ = std::make_unique<ProgressStore>(Resumable() ? in_.progress_folder : "");
  }

  QuantizedModel Run() {
    ProgressStore::State state = store_->Load();
    WithinMemory("before the first unit", kMemoryRemedy, [&] {
      SpendBits();
      StartChains(&state);
      if (setting_.needs.fisher) TakeGradients();
    });
    const auto count = static_cast<std::int64_t>(units_.size());
    std::int64_t steps = 0;
    std::int64_t done = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      steps += StepsOf(i);
      if (i < state.finished) done += StepsOf(i);
    }
    progress_ = std::make_unique<Progress>(*log_, "rounding", "steps", steps, done);
    for (std::int64_t i = 0; i < state.finished; ++i) {
      store_->Record(i).Replay(record_);
      Keep(store_->Weights(i), i);
    }
    if (state.finished > 0) {
      log_->Write("continuing after " + std::to_string(state.finished) + " of " +
                  std::to_string(count) + " units");
    }
    loader_ = std::make_unique<UnitLoader>(
        *in_.source, std::vector(units_.begin() + state.finished, units_.end()), in_.device);
    for (std::int64_t i = state.finished; i < count; ++i) {
      WithinMemory(PlanAt(i).name, kMemoryRemedy, [&] { RunUnit(i); });
    }
    if (quant_.budget) TellOverspent(*quant_.budget, model_, log_);
    return std::move(model_);
  }

 private:
  const UnitPlan& PlanAt(std::int64_t unit) const { return units_[static_cast<std::size_t>(unit)]; }
  /// What takes long is kept for a resume.
  bool Resumable() const { return setting_.needs.tokens; }

  /// Once a run: what was decided is kept beside the finished units.
  void SpendBits() {
    if (!quant_.budget) return;
    if (!in_.tokens.defined()) throw Error("quant.budget needs calibration data");
    std::optional<RunRecord> spent = store_->Budget();
    if (!spent) {
      const auto inputs = [this](const std::string& layer) {
        std::shared_ptr<const ActivationQuantizer> last;  // of two the later is the exception
        for (const auto& stage : stages_) {
          if (auto made = stage->InputQuantizer(layer)) last = std::move(made);
        }
        return last;
      };
      spent = SpendBudget({in_.source, &quant_, in_.tokens, inputs}, log_);
      store_->SaveBudget(*spent);
    }
    spent->Replay(record_);
    quant_.spent = SpentBits(*spent);
  }

  std::int64_t StepsOf(std::int64_t unit) const {
    const auto linears =
        static_cast<std::int64_t>(LinearsOf(in_.source->description(), PlanAt(unit)).size());
    std::int64_t steps = 0;
    for (const auto& stage : stages_) steps += stage->Steps(linears);
    return steps;
  }

  HiddenStates Stored(const at::Tensor& chain) const {
    return chain.defined() ? HiddenStates(Store(), chain) : HiddenStates();
  }
  ChainStore Store() const { return {in_.device, in_.chain_place, in_.chain_folder}; }

  void StartChains(ProgressStore::State* state) {
    if (!setting_.needs.tokens) return;
    if (!in_.tokens.defined()) throw Error("the pipeline needs calibration data");
    const ModelEnds ends = in_.source->LoadEnds();
    rope_ = ends.Rope(in_.tokens.size(1)).To(in_.device);
    if (state->finished > 0) {
      original_ = Stored(std::exchange(state->fp_chain, {}));
      quantized_ = Stored(std::exchange(state->q_chain, {}));
      return;
    }
    const HiddenStates start(
        Store(), {in_.tokens.size(0), in_.tokens.size(1), in_.source->description().hidden},
        in_.dtype);
    ForRows(in_.tokens, [&](const at::Tensor& tokens, std::int64_t first) {
      start.Write(first, ends.Embed(tokens));
    });
    if (setting_.needs.original) original_ = start;
    if (setting_.needs.quantized) quantized_ = original_.defined() ? start.Clone() : start;
  }

  void TakeGradients() {
    fisher_ = store_->Fisher();
    if (fisher_.empty()) {
      GradientProblem problem;
      problem.source = in_.source;
      problem.tokens = in_.tokens;
      fisher_ = DiagonalFisher(
          problem, [this](const LinearSlot& slot) { return quant_.For(slot.name).has_value(); },
          log_);
      store_->SaveFisher(fisher_);
    }
    setting_.fisher = &fisher_;
  }

  void RunUnit(std::int64_t index) {
    CheckInterrupt();
    const Unit unit(PlanAt(index).name, loader_->Next(), rope_);
    RunRecord own;
    TeeSink sink(&own, record_);
    at::Tensor rows;
    if (Repairs() && quantized_.defined()) rows = SampleOf(quantized_).clone();
    UnitWork work(setting_, unit, std::move(original_), std::move(quantized_), std::move(spare_),
                  &sink);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      work.last_stage = i + 1 == stages_.size();
      try {
        stages_[i]->Apply(&work);
      } catch (...) {
        RethrowFrom(unit.name() + ": pipeline." + std::to_string(i));
      }
      if (stages_[i]->Kind() == StageKind::kTransform) work.Transformed();
    }
    if (Repairs()) DescribeRepairs(unit, work.weights(), rows, &sink);
    work.Finish();
    DescribeExperts(unit, &sink, log_);
    original_ = work.original();
    quantized_ = work.quantized();
    spare_ = work.spare();
    StoredWeights made;
    for (const auto& [name, weight] : work.weights()) made.layers[name] = weight.To(at::kCPU);
    for (const auto& [name, tensor] : work.tensors()) made.tensors[name] = tensor.cpu();
    for (const auto& block : unit.blocks()) made.quantizers.merge(QuantizersOf(block.get()));
    store_->Save(index, made, own, original_.values(), quantized_.values());
    if (Resumable() && in_.unit_kept) in_.unit_kept();
    Keep(made, index);
  }

  bool Repairs() const {
    return std::any_of(stages_.begin(), stages_.end(),
                       [](const auto& stage) { return stage->Kind() == StageKind::kRepair; });
  }

  /// Into the model, in the order of its layers (a map has them by name).
  void Keep(const StoredWeights& made, std::int64_t unit) {
    for (const std::string& name : LinearsOf(in_.source->description(), PlanAt(unit))) {
      const auto found = made.layers.find(name);
      if (found != made.layers.end()) model_.Add(name, found->second);
    }
    for (const auto& [name, tensor] : made.tensors) model_.AddTensor(name, tensor);
    for (const auto& [name, quantizer] : made.quantizers) model_.AddQuantizer(name, quantizer);
  }

  static constexpr const char* kMemoryRemedy =
      "set a smaller batch or, with the same steps, a larger accumulate (pipeline), or a smaller "
      "compute.memory_limit, which keeps the hidden states of all samples off the device";

  const PipelineInputs in_;
  QuantOptions quant_;
  const StageList stages_;
  const std::unique_ptr<RangeEstimator> range_;
  MetricSink* record_;
  Log* log_;
  const std::vector<UnitPlan> units_;
  WorkSetting setting_;
  std::unique_ptr<ProgressStore> store_;
  std::unique_ptr<UnitLoader> loader_;
  std::unique_ptr<Progress> progress_;
  QuantizedModel model_;
  FisherDiagonal fisher_;
  RopeTable rope_;
  HiddenStates original_;
  HiddenStates quantized_;
  HiddenStates spare_;
};

}  // namespace

std::vector<std::string> SeriesNames(const ModelDescription& model,
                                     const std::vector<StageRecipe>& pipeline) {
  std::vector<std::string> names;
  std::set<std::string> known;  // two stages of one type record to the same
  const StageList stages = MakeStages(pipeline);
  for (const UnitPlan& unit : PlanOf(model, stages)) {
    for (const auto& stage : stages) {
      for (std::string& name : stage->Series(unit.name, LinearsOf(model, unit))) {
        if (known.insert(name).second) names.push_back(std::move(name));
      }
    }
  }
  return names;
}

QuantizedModel QuantizeModel(const PipelineInputs& inputs, const QuantOptions& quant,
                             const std::vector<StageRecipe>& pipeline, MetricSink* record,
                             Log* log) {
  return Pipeline(inputs, quant, pipeline, record, log).Run();
}

}  // namespace roundlab
