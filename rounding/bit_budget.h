#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"

namespace roundlab {

/// What a layer's rounding is expected to cost, see SpendBudget.
enum class BudgetScore { kDeltaLoss, kFisher, kOutputSnr };

/// `quant.budget`: bits a weight on average, scales and zero points counted, that are spent where
/// they matter most.
struct BitBudget {
  double bits = 4;
  std::vector<std::int64_t> choices = {2, 3, 4, 8};  ///< bits that a layer may get, ascending
  BudgetScore score = BudgetScore::kDeltaLoss;
  bool inputs = false;          ///< kDeltaLoss: with inputs as the pipeline quantizes them
  std::int64_t sequences = 16;  ///< of the calibration that layers are scored on; 0: all
  void Fields(FieldVisitor& f);
};

/// 2.5 | {bits, choices, score, inputs, sequences}
class BudgetField : public ValueField {
 public:
  explicit BudgetField(std::optional<BitBudget>* budget) : budget_(budget) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override;
  std::string Type() const override {
    return "number, or {bits, choices, score, inputs, sequences}";
  }

 private:
  std::optional<BitBudget>* budget_;
};

}  // namespace roundlab
