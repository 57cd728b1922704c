#include "experiments/run/spent.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/base/files.h"
#include "core/kernels/device.h"
#include "core/metrics/memory.h"

namespace roundlab {

void Spent::Resume() {
  if (!std::filesystem::exists(file_)) return;
  std::istringstream text(ReadFile(file_));
  if (!(text >> seconds_ >> cpu_ >> peak_ >> device_peak_)) {
    seconds_ = cpu_ = peak_ = device_peak_ = 0;
  }
}

void Spent::Keep(const at::Device& device) const {
  std::ostringstream text;
  text << Seconds() << " " << Cpu() << " " << Peak() << " " << PeakOf(device) << "\n";
  WriteFileAtomically(file_, text.str());
}

double Spent::HereSeconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

double Spent::Cpu() const { return cpu_ + CpuSeconds(); }

double Spent::PeakOf(const at::Device& device) const {
  if (!device.is_cuda()) return 0;
  return std::max(device_peak_, static_cast<double>(MemoryOf(device).peak));
}

double Spent::Peak() const { return std::max(peak_, static_cast<double>(PeakResidentBytes())); }

}  // namespace roundlab
