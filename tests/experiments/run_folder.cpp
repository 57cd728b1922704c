#include "tests/experiments/run_folder.h"

#include "core/metrics/hdf5_file.h"
#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

std::map<std::string, std::string> Datasets(const std::string& file) {
  std::map<std::string, std::string> datasets;
  for (const std::string& name : DatasetNames(file)) {
    datasets[name] = Bytes(ReadArray(file, name).values);
  }
  return datasets;
}

}  // namespace roundlab::testing
