#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// The parameters as they were at the least loss so far. Losses stay on their device and nothing
/// waits for one, so that a GPU has its next step before this one is done.
class BestState {
 public:
  explicit BestState(std::vector<at::Tensor> parameters);
  /// Keeps a copy of the parameters where `loss`, a float64 scalar on their device, is below all
  /// losses before; the first of equal ones stays.
  void Consider(std::int64_t step, const at::Tensor& loss);
  /// The step whose state is kept; -1 for none. Waits for the device.
  std::int64_t Step() const;
  /// Puts the copy back into the parameters.
  void Restore() const;
  /// As if nothing had been considered.
  void Forget();

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> copies_;
  at::Tensor least_;  // float64
  at::Tensor step_;   // int64
};

}  // namespace roundlab
