#include "tests/experiments/run_folder.h"

#include <hdf5.h>

#include "core/metrics/hdf5_file.h"
#include "tests/core/formats/format_files.h"

namespace roundlab::testing {
namespace {

/// Appends the names of all datasets in the group `id`.
void AddDatasets(hid_t id, const std::string& prefix, std::vector<std::string>* names) {
  H5G_info_t info;
  if (H5Gget_info(id, &info) < 0) throw std::runtime_error("cannot list " + prefix);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[256];
    H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof(name), H5P_DEFAULT);
    const hid_t object = H5Oopen(id, name, H5P_DEFAULT);
    if (H5Iget_type(object) == H5I_DATASET) {
      names->push_back(prefix + name);
    } else {
      AddDatasets(object, prefix + name + "/", names);
    }
    H5Oclose(object);
  }
}

}  // namespace

std::map<std::string, std::string> Datasets(const std::string& file) {
  std::vector<std::string> names;
  const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0) throw std::runtime_error("cannot open " + file);
  AddDatasets(id, "", &names);
  H5Fclose(id);
  std::map<std::string, std::string> datasets;
  for (const std::string& name : names) datasets[name] = Bytes(ReadArray(file, name).values);
  return datasets;
}

}  // namespace roundlab::testing
