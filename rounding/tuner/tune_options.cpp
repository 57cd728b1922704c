#include "rounding/tuner/tune_options.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/config/part_field.h"

namespace roundlab {
namespace {

/// linear | block | {blocks: 2}
class UnitField : public ValueField {
 public:
  explicit UnitField(std::int64_t* blocks) : blocks_(blocks) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind == ConfigNode::Kind::kMapping) {
      ReadFields(
          node, path,
          [this](FieldVisitor& f) {
            f.Int("blocks", blocks_, AtLeast(1), "consecutive blocks", Presence::kRequired);
          },
          diagnostics);
      return;
    }
    if (node.scalar == "linear" || node.scalar == "block") {
      *blocks_ = node.scalar == "block" ? 1 : 0;
      return;
    }
    diagnostics->push_back(
        {node.where, path + ": expected linear, block or {blocks: N}, got '" + node.scalar + "'"});
  }
  std::string Write() const override {
    if (*blocks_ == 0) return "linear";
    return *blocks_ == 1 ? "block" : "blocks: " + std::to_string(*blocks_) + "\n";
  }
  std::string Type() const override { return "linear | block | {blocks: N}"; }

 private:
  std::int64_t* blocks_;
};

}  // namespace

TuneOptions::TuneOptions()
    : optimizer(Optimizers().FromText("type: sign_sgd")),
      schedule(Schedules().FromText("type: linear")) {}

void TuneOptions::Fields(FieldVisitor& f) {
  PartField optimizer_field(&optimizer, Optimizers());
  f.Value("optimizer", optimizer_field, "how the scheme's parameters move");
  PartField schedule_field(&schedule, Schedules());
  f.Value("schedule", schedule_field, "learning rate over the steps");
  f.Real("lr_times_steps", &lr_times_steps, AtLeast(0),
         "if above 0 the learning rate is this over steps (the paper: 1), whatever the optimizer "
         "says");
  f.Choice("loss", &loss, {"mse", "sum_squares", "trimmed_mse"},
           "distance of a unit's outputs from the unquantized ones");
  f.Real("trim", &trim, Between(0, 0.5), "trimmed_mse: part of the largest differences left out");
  f.Real("loss_scale", &loss_scale, Above(0),
         "factor on the loss before backward; matters to adam's eps and to 16-bit scales only");
  UnitField unit_field(&unit_blocks);
  f.Value("unit", unit_field, "what is reconstructed at a time");
  f.Int("steps", &steps, AtLeast(0), "optimizer steps a unit");
  f.Int("batch", &batch, AtLeast(1), "calibration sequences a step");
  f.Int("accumulate", &accumulate, AtLeast(1), "parts a batch is run in; gradients add up");
  f.Choice("sampler", &sampler, {"permutation", "cyclic"},
           "permutation: a fresh one each step, its first rows (the paper); cyclic: epochs");
  f.Choice("inputs", &inputs, {"quantized", "fp"},
           "what a unit is fed: outputs of the rounded units before it, or of the unrounded ones");
  f.Choice("select", &select, {"best_minibatch", "last", "best_full"},
           "best_minibatch: the state before the step of least batch loss (the paper); best_full: "
           "of least loss over all rows, looked at every check_every steps");
  f.Int("check_every", &check_every, AtLeast(1), "best_full: steps between looks");
  f.Choice("on_nan", &on_nan, {"stop", "rollback", "rtn"},
           "a loss that is not finite: fail the run; go back to the last good state at half the "
           "learning rate; or leave the unit as it started");
  f.Rule([this]() -> std::string {
    if (accumulate > batch) {
      return "accumulate " + std::to_string(accumulate) + " is more than batch " +
             std::to_string(batch);
    }
    try {
      if (steps > 0) schedule.make()->Factor(0, steps);
    } catch (const Error& e) {
      return std::string("schedule: ") + e.what();
    }
    return "";
  });
}

at::Tensor ReconstructionLoss(const at::Tensor& outputs, const at::Tensor& targets,
                              const TuneOptions& options) {
  const at::Tensor wide = outputs.to(at::kFloat);
  const at::Tensor target = targets.to(at::kFloat);
  if (options.loss == "mse") return at::mse_loss(wide, target);
  const at::Tensor squared = (wide - target).square();
  if (options.loss == "sum_squares") return squared.sum(-1).mean();
  const at::Tensor flat = squared.flatten();
  const auto dropped = static_cast<std::int64_t>(static_cast<double>(flat.numel()) * options.trim);
  if (dropped == 0) return flat.mean();
  const at::Tensor largest = std::get<1>(at::topk(flat.detach(), dropped, 0, true, false));
  return flat.index_fill(0, largest, 0).mean();
}

}  // namespace roundlab
