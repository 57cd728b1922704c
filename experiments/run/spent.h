#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <string>
#include <utility>

namespace roundlab {

/// What a run has cost. Where it is continued, with what its earlier processes spent on what they
/// left: work that was lost does not count.
class Spent {
 public:
  /// `file`: where it is kept for a later process.
  explicit Spent(std::string file) : file_(std::move(file)) {}

  /// Takes in what an earlier process has kept.
  void Resume();
  void Keep(const at::Device& device) const;

  double HereSeconds() const;  ///< of this process
  double Seconds() const { return seconds_ + HereSeconds(); }
  double Cpu() const;
  double Peak() const;  ///< bytes, of resident memory
  /// Bytes of a GPU's memory, of tensors; 0 on a CPU.
  double PeakOf(const at::Device& device) const;

 private:
  using Clock = std::chrono::steady_clock;

  const std::string file_;
  const Clock::time_point start_ = Clock::now();
  double seconds_ = 0;
  double cpu_ = 0;
  double peak_ = 0;
  double device_peak_ = 0;
};

}  // namespace roundlab
