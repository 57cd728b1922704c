#include "rounding/tuner/tune_options.h"

#include <ATen/ATen.h>

#include <sstream>

#include "core/base/error.h"
#include "core/config/enum_field.h"
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

/// An optimizer, whose own learning rate is of no use beside lr_times_steps.
class OptimizerField : public PartField<torch::optim::Optimizer, ParamGroups> {
 public:
  OptimizerField(OptimizerRecipe* optimizer, bool lr_from_steps)
      : PartField(optimizer, Optimizers()), lr_from_steps_(lr_from_steps) {}
  std::string Write() const override { return lr_from_steps_ ? Split().first : PartField::Write(); }
  std::vector<UnusedKey> Unused() const override {
    std::vector<UnusedKey> unused = PartField::Unused();
    if (lr_from_steps_ && Split().second) unused.push_back({"lr", "beside lr_times_steps"});
    return unused;
  }

 private:
  /// The canonical text without its lr, and whether it had one.
  std::pair<std::string, bool> Split() const {
    std::istringstream lines(PartField::Write());
    std::pair<std::string, bool> split;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("lr:")) {
        split.second = true;
      } else {
        split.first += line + "\n";
      }
    }
    return split;
  }

  bool lr_from_steps_;
};

const EnumNames<SamplerKind> kSamplers = {{SamplerKind::kPermutation, "permutation"},
                                          {SamplerKind::kCyclic, "cyclic"},
                                          {SamplerKind::kInOrder, "in_order"}};
const EnumNames<UnitInputs> kInputs = {{UnitInputs::kQuantized, "quantized"},
                                       {UnitInputs::kFp, "fp"}};
const EnumNames<Select> kSelects = {{Select::kBestMinibatch, "best_minibatch"},
                                    {Select::kLast, "last"},
                                    {Select::kBestFull, "best_full"}};
const EnumNames<Sums> kSums = {{Sums::kSequence, "sequence"}, {Sums::kBatch, "batch"}};
const EnumNames<NanPolicy> kNanPolicies = {
    {NanPolicy::kStop, "stop"}, {NanPolicy::kRollback, "rollback"}, {NanPolicy::kRtn, "rtn"}};

}  // namespace

const EnumNames<GradientPrecision>& GradientPrecisionNames() {
  static const EnumNames<GradientPrecision> kNames = {{GradientPrecision::kProducts, "products"},
                                                      {GradientPrecision::kBFloat16, "bfloat16"},
                                                      {GradientPrecision::kFloat8, "float8"},
                                                      {GradientPrecision::kInt8, "int8"}};
  return kNames;
}

TuneOptions::TuneOptions()
    : optimizer(Optimizers().FromText("type: sign_sgd")),
      schedule(Schedules().FromText("type: linear")),
      loss(Losses().FromText("type: mse")) {}

bool TuneOptions::MayStepInBackward() const {
  return accumulate == 1 && on_nan == NanPolicy::kStop &&
         IsPlainSignDescent(*optimizer.make({{{at::zeros({1})}}}));
}

bool TuneOptions::SumsBySequence(at::ScalarType products, const at::Device& device) const {
  const bool cheap = products == at::kFloat && device.is_cpu() &&
                     gradient_precision == GradientPrecision::kProducts;
  return sums ? *sums == Sums::kSequence : cheap;
}

double TuneOptions::Copies() const {
  return 1 + (select == Select::kLast ? 0 : 1) + (on_nan == NanPolicy::kRollback ? 1 : 0);
}

constexpr double kLeastLossScale = 1e-15;  // gradients are far from 0 in float32

void TuneOptions::Fields(FieldVisitor& f) {
  OptimizerField optimizer_field(&optimizer, lr_times_steps > 0);
  f.Value("optimizer", optimizer_field, "how the scheme's parameters move");
  PartField schedule_field(&schedule, Schedules());
  f.Value("schedule", schedule_field, "learning rate over the steps");
  f.Real("lr_times_steps", &lr_times_steps, Between(0, kMostInFloat),
         "if above 0 the learning rate is this over steps (the paper: 1), whatever the optimizer "
         "says");
  f.UsedIf(lr_times_steps > 0, "without lr_times_steps", [this](FieldVisitor& of_steps) {
    of_steps.Int("lr_doubled_from", &lr_doubled_from, AtLeast(0),
                 "lr_times_steps counts twice for 3 bits and fewer where there are so many steps "
                 "or more (auto-round: 1000); 0: never");
  });
  PartField loss_field(&loss, Losses());
  f.Value("loss", loss_field, "distance of a unit's outputs from the unquantized ones");
  f.Real("loss_scale", &loss_scale, AtLeast(kLeastLossScale),
         "factor on the loss before backward: on sgd's steps; elsewhere it matters to eps, to a "
         "weight decay that is added to gradients and to 16-bit scales only");
  UnitField unit_field(&unit_blocks);
  f.Value("unit", unit_field, "what is reconstructed at a time");
  f.Int("steps", &steps, AtLeast(0), "optimizer steps a unit");
  f.Int("batch", &batch, AtLeast(1), "calibration sequences a step");
  f.Int("accumulate", &accumulate, AtLeast(1), "parts a batch is run in; gradients add up");
  OptionalEnum sums_field(&sums, kSums);
  f.Value(
      "sums", sums_field,
      "sequence: each calibration sequence is multiplied and added by itself, so that codes are "
      "the same for any accumulate; batch: what is run at a time at once, which is faster; "
      "absent: sequence in float32 on a CPU, else batch");
  EnumField sampler_field(&sampler, kSamplers);
  f.Value(
      "sampler", sampler_field,
      "permutation: a fresh one each step, its first rows (the paper); cyclic: epochs, each in a "
      "drawn order; in_order: epochs in the sequences' own order; of both what fills no batch is "
      "left out");
  EnumField inputs_field(&inputs, kInputs);
  f.Value("inputs", inputs_field,
          "what a unit is fed: outputs of the rounded units before it, or of the unrounded ones");
  OptionalEnum select_field(&select, kSelects);
  f.Value("select", select_field,
          "best_minibatch: the state before the step of least batch loss (the paper); best_full: "
          "of least loss over all rows, looked at every check_every steps; absent: best_minibatch, "
          "or last where the scheme is soft while it is tuned");
  f.UsedIf(select == Select::kBestFull, "without select: best_full", [this](FieldVisitor& full) {
    full.Int("check_every", &check_every, AtLeast(1), "best_full: steps between looks");
  });
  f.Bool(
      "aug_loss", &aug_loss,
      "adds the loss against what the unrounded unit makes of the inputs that the rounded one is "
      "fed (OmniQuant's, for 2 bits)");
  f.UsedIf(reaches_weights, "where no weight is trained", [this](FieldVisitor& of_weights) {
    EnumField precision_field(&gradient_precision, GradientPrecisionNames());
    of_weights.Value(
        "gradient_precision", precision_field,
        "of the product that gives a weight's gradient, of which sign_sgd takes the sign: that of "
        "the other products, or fewer bits (float8 is simulated where no GPU has it)");
  });
  EnumField nan_field(&on_nan, kNanPolicies);
  f.Value("on_nan", nan_field,
          "a loss that is not finite: fail the run; go back to the last good state at half the "
          "learning rate; or leave the unit as it started");
  f.Bool("never_worse", &never_worse,
         "a unit whose loss over all rows ends above its start's goes back to its start, at the "
         "cost of a pass over the rows; false: what was chosen stays, as in the paper");
  f.Rule([this]() -> std::string {
    if (accumulate > batch) {
      return "accumulate " + std::to_string(accumulate) + " is more than batch " +
             std::to_string(batch);
    }
    if (aug_loss && inputs == UnitInputs::kFp) {
      return "aug_loss is for inputs: quantized; what it would add to inputs: fp is the loss "
             "itself";
    }
    if (aug_loss && unit_blocks == 0) return "aug_loss is for blocks (unit: block or {blocks: N})";
    try {
      if (steps > 0) schedule.make()->Factor(0, steps);
    } catch (const Error& e) {
      return std::string("schedule: ") + e.what();
    }
    return "";
  });
}

}  // namespace roundlab
