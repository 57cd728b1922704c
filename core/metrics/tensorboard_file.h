#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics/metric_sink.h"

namespace roundlab {

/// Of a record's bytes, as TFRecord files have it: crc = CRC-32C (Castagnoli);
/// ((crc >> 15) | (crc << 17)) + 0xa282ead8 modulo 2^32.
std::uint32_t MaskedCrc32c(std::string_view bytes);

/// Scalar curves for TensorBoard: FOLDER/events.out.tfevents.<time>.roundlab, made with the first
/// sample and flushed every second. Each sample is an Event {wall_time, step, summary {value {tag =
/// its series, simple_value as float32}}}; arrays are left to run.h5.
///
/// A new object empties the event files of earlier ones in FOLDER: whoever continues a run records
/// its finished parts again. They stay as empty files, because TensorBoard stops to read a folder
/// from which its current file is gone. The new file begins with a session start at step 0, where a
/// reader of the old one forgets what it read: no step is lost and none is there twice.
class TensorBoardFile : public MetricSink {
 public:
  /// Throws Error where an earlier file can't be emptied.
  explicit TensorBoardFile(const std::string& folder);
  ~TensorBoardFile() override;  ///< writes what is left; a failure of that is not told
  /// Throws Error("<path>: cannot write").
  void Record(std::string_view series, std::int64_t step, double value) override;
  void Array(std::string_view, std::vector<std::int64_t>, std::vector<double>) override {}
  void Flush();

 private:
  void Open();

  std::string folder_;
  std::string path_;  ///< empty before the first sample
  std::ofstream file_;
  std::string pending_;
  std::chrono::steady_clock::time_point flushed_;
};

}  // namespace roundlab
