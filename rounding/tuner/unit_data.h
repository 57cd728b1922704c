#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "rounding/hidden_states.h"

namespace roundlab {

/// What a unit is tuned on; rows are calibration sequences.
struct UnitData {
  HiddenStates inputs;   ///< [rows, seq, in]
  HiddenStates targets;  ///< [rows, seq, out]: what the unquantized unit puts out
  HiddenStates also{};   ///< further targets, the loss against which is added; undefined: none
  at::Tensor mask{};     ///< bool [rows, seq]: tokens that count; undefined: all
};

/// Some rows of UnitData, on the device; `also` and `mask` undefined where those are.
struct BatchRows {
  at::Tensor inputs;
  at::Tensor targets;
  at::Tensor also;
  at::Tensor mask;
};

/// The same on their way, beside the device's work.
class ComingBatch {
 public:
  ComingBatch() = default;
  /// Copies of `rows` (int64 [n], on the CPU).
  ComingBatch(const UnitData& data, const at::Tensor& rows);
  /// Rows first to first + count - 1.
  ComingBatch(const UnitData& data, std::int64_t first, std::int64_t count);

  BatchRows Get();  ///< once

 private:
  ComingRows inputs_;
  ComingRows targets_;
  std::optional<ComingRows> also_;
  at::Tensor mask_;
};

}  // namespace roundlab
