#include "rounding/bit_budget.h"

#include <algorithm>

#include "core/config/enum_field.h"
#include "core/config/value_fields.h"

namespace roundlab {
namespace {

const EnumNames<BudgetScore> kScores = {{BudgetScore::kDeltaLoss, "delta_loss"},
                                        {BudgetScore::kFisher, "fisher"},
                                        {BudgetScore::kOutputSnr, "output_snr"}};

/// Whole numbers in [2, 8], each above the one before.
class ChoicesField : public ValueField {
 public:
  explicit ChoicesField(std::vector<std::int64_t>* choices) : choices_(choices) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    std::vector<double> values;
    const std::size_t before = diagnostics->size();
    RealList(&values, Between(2, 8)).Read(node, path, diagnostics);
    if (diagnostics->size() != before) return;
    choices_->clear();
    for (const double value : values) choices_->push_back(static_cast<std::int64_t>(value));
    const bool whole = std::equal(values.begin(), values.end(), choices_->begin());
    const bool ascend = std::is_sorted(values.begin(), values.end(), std::less_equal<>());
    if (whole && ascend && !values.empty()) return;
    diagnostics->push_back({node.where, path + ": expected whole numbers that ascend, got " +
                                            RealList(&values, {}).Write()});
  }
  std::string Write() const override {
    std::vector<double> values(choices_->begin(), choices_->end());
    return RealList(&values, {}).Write();
  }
  std::string Type() const override { return "sequence of integers in [2, 8]"; }

 private:
  std::vector<std::int64_t>* choices_;
};

}  // namespace

void BitBudget::Fields(FieldVisitor& f) {
  f.Real("bits", &bits, {0, 64, true}, "bits a weight on average, scales and zero points counted",
         Presence::kRequired);
  ChoicesField choices_field(&choices);
  f.Value("choices", choices_field, "bits that a layer may get");
  EnumField score_field(&score, kScores);
  f.Value("score", score_field,
          "what a layer's rounding costs: the model's loss to first order; squared errors weighed "
          "by the diagonal Fisher matrix; the layer's own output error over its output");
  f.Bool("inputs", &inputs,
         "delta_loss: layers are fed what the pipeline's stages 'activations' make of their inputs "
         "in up to 8 bits, and what that costs is added; nothing where it has none");
  f.Int("sequences", &sequences, AtLeast(0),
        "calibration sequences that layers are scored on; 0: all");
  f.Rule([this]() -> std::string {
    return inputs && score != BudgetScore::kDeltaLoss ? "inputs needs score: delta_loss" : "";
  });
}

void BudgetField::Read(const ConfigNode& node, const std::string& path,
                       std::vector<Diagnostic>* diagnostics) {
  budget_->reset();
  if (node.kind == ConfigNode::Kind::kNull) return;  // removes one that a file inherits
  budget_->emplace();
  const bool mapping = node.kind == ConfigNode::Kind::kMapping;
  ReadFields(mapping ? node : AsMember("bits", node), path, FieldsOf(&**budget_), diagnostics);
}

std::string BudgetField::Write() const {
  return budget_->has_value() ? WriteFields(FieldsOf(&**budget_)) : "";
}

}  // namespace roundlab
