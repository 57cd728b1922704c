#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics/metric_sink.h"
#include "core/metrics/provenance.h"
#include "core/metrics/run_record.h"

namespace roundlab {

/// Writes run.h5 of a finished run: root attributes from `attributes`; each series a group with the
/// 1-D datasets `step` (int64) and `value` (float64); each array a float64 dataset. An AtomicFile:
/// readers see the old file or the whole new one, and who has the old one open keeps it. Throws
/// Error (also on a full disk), leaving what was there.
void WriteRunFile(const std::string& path, const RunRecord& record, const Provenance& attributes);

/// What a run that is over has left at `path`, written again with attribute `status`: a file whose
/// writer was killed opens only with SWMR. Throws Error where it can't be read or written.
void MarkRunFile(const std::string& path, const std::string& status);

/// run.h5 while a run goes on: readable at any time with SWMR (h5py: File(path, "r", swmr=True)).
/// HDF5 allows no new datasets under SWMR, so all series are named at the start; samples of others
/// and arrays wait for the finished file. Attribute status is "running". It takes the place of what
/// stood at `path`, which readers that have it open keep.
class LiveRunFile : public MetricSink {
 public:
  LiveRunFile(const std::string& path, const std::vector<std::string>& series,
              const Provenance& attributes);
  ~LiveRunFile() override;  ///< flushes: of a run that fails the last samples matter most
  void Record(std::string_view series, std::int64_t step, double value) override;
  void Array(std::string_view, std::vector<std::int64_t>, std::vector<double>) override {}
  void Flush();  ///< makes all samples so far visible to readers; done every second besides

 private:
  struct File;  // keeps hdf5.h out of this header
  std::unique_ptr<File> file_;
};

/// Reads one series, root attribute or array of a run file (live or finished); for tests and
/// tables. Throws Error where it is not there.
RunRecord::Series ReadSeries(const std::string& path, const std::string& name);
std::string ReadAttribute(const std::string& path, const std::string& name);
RunRecord::ArrayValue ReadArray(const std::string& path, const std::string& name);
/// All series and arrays whose names are `wanted`, the file opened once. Of a live file what was
/// flushed. Throws Error where it can't be read.
RunRecord ReadRunFile(const std::string& path,
                      const std::function<bool(const std::string&)>& wanted);
/// "layers/x/histogram", "tune/block_0/loss/step", ...: all datasets of a run file, in order.
std::vector<std::string> DatasetNames(const std::string& path);

}  // namespace roundlab
