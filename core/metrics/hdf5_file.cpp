#include "core/metrics/hdf5_file.h"

#include <hdf5.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "core/base/atomic_file.h"
#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr hsize_t kChunk = 512;  // samples a chunk; measured 2 us a row, see docs/adr/0005

herr_t InnermostMessage(unsigned depth, const H5E_error2_t* error, void* text) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

/// The system's words where HDF5 has them among its own: "file write failed: time = ...\n, errno =
/// 28, error message = 'No space left on device', ..." is "No space left on device".
std::string SystemMessage(const std::string& text) {
  const std::string before = "error message = '";
  const std::size_t begin = text.find(before);
  if (begin == std::string::npos) return text;
  const std::size_t first = begin + before.size();
  return text.substr(first, text.find('\'', first) - first);
}

/// Throws Error with HDF5's innermost message where `result` is negative; else returns it.
template <class T>
T Check(T result, const std::string& doing) {
  if (result < 0) {
    std::string why = "unknown HDF5 error";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, InnermostMessage, &why);
    H5Eclear2(H5E_DEFAULT);
    throw Error("hdf5: " + doing + ": " + SystemMessage(why));
  }
  return result;
}

using Closer = herr_t (*)(hid_t);

/// Owns an HDF5 identifier of any kind. Close() reports what a destructor would have to swallow: a
/// full disk shows only when a file is closed.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, Closer close, const std::string& doing) : id_(Check(id, doing)), close_(close) {}
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0 && close_(id_) < 0) H5Eclear2(H5E_DEFAULT);
  }
  void Close(const std::string& doing) {
    Check(close_(std::exchange(id_, H5I_INVALID_HID)), doing);
  }
  hid_t id() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer close_ = nullptr;
};

Handle Properties(hid_t kind) { return {H5Pcreate(kind), H5Pclose, "make property list"}; }

/// Links that make the groups on their way.
Handle LinkProperties() {
  Handle links = Properties(H5P_LINK_CREATE);
  Check(H5Pset_create_intermediate_group(links.id(), 1), "set property");
  return links;
}

/// Without HDF5's own messages on stderr, and without its locks: a file that is written is locked
/// as an AtomicFile, one that is read is never written again.
Handle AccessProperties() {
  // A file that a full disk keeps from being closed stays open in the library, which would crash
  // over it where the process ends. Ours are closed, or can't be, before.
  [[maybe_unused]] static const herr_t kOnce = H5dont_atexit();
  Check(H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr), "turn off HDF5's own messages");
  Handle access = Properties(H5P_FILE_ACCESS);
  Check(H5Pset_file_locking(access.id(), 0, 1), "turn off locks");
  return access;
}

/// The contents of an atomic file, with the format that SWMR needs.
Handle CreateIn(const AtomicFile& file) {
  const Handle access = AccessProperties();
  Check(H5Pset_libver_bounds(access.id(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST), "set version");
  return {H5Fcreate(file.part().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose,
          "make " + file.part()};
}

void WriteAttribute(hid_t object, const std::string& name, const std::string& text) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copy string type");
  Check(H5Tset_size(type.id(), text.size() + 1), "set string size");
  Check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "set character set");
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "make dataspace");
  const Handle attribute(
      H5Acreate2(object, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
      "make attribute " + name);
  Check(H5Awrite(attribute.id(), type.id(), text.c_str()), "write attribute " + name);
}

Handle MakeDataset(hid_t file, const std::string& name, hid_t type,
                   const std::vector<hsize_t>& shape, bool extendible) {
  const std::vector<hsize_t> most(shape.size(), H5S_UNLIMITED);
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(),
                                      extendible ? most.data() : nullptr),
                     H5Sclose, "make dataspace");
  const Handle props = Properties(H5P_DATASET_CREATE);
  if (extendible) Check(H5Pset_chunk(props.id(), 1, &kChunk), "set chunk");
  const Handle links = LinkProperties();
  return {H5Dcreate2(file, name.c_str(), type, space.id(), links.id(), props.id(), H5P_DEFAULT),
          H5Dclose, "make dataset " + name};
}

void Append(hid_t dataset, hid_t type, hsize_t at, hsize_t count, const void* data) {
  const hsize_t size = at + count;
  Check(H5Dset_extent(dataset, &size), "grow dataset");
  const Handle file_space(H5Dget_space(dataset), H5Sclose, "get dataspace");
  Check(H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, &at, nullptr, &count, nullptr),
        "select rows");
  const Handle memory_space(H5Screate_simple(1, &count, nullptr), H5Sclose, "make dataspace");
  Check(H5Dwrite(dataset, type, memory_space.id(), file_space.id(), H5P_DEFAULT, data),
        "write rows");
}

template <class T>
void WriteWhole(hid_t file, const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
                const std::vector<T>& values) {
  const Handle dataset = MakeDataset(file, name, type, shape, false);
  if (values.empty()) return;
  Check(H5Dwrite(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        "write " + name);
}

void WriteContents(hid_t file, const RunRecord& record, const Provenance& attributes) {
  for (const auto& [name, text] : attributes) WriteAttribute(file, name, text);
  for (const auto& [name, series] : record.series()) {
    WriteWhole(file, name + "/step", H5T_NATIVE_INT64, {series.steps.size()}, series.steps);
    WriteWhole(file, name + "/value", H5T_NATIVE_DOUBLE, {series.values.size()}, series.values);
  }
  for (const auto& [name, array] : record.arrays()) {
    const std::vector<hsize_t> shape(array.shape.begin(), array.shape.end());
    WriteWhole(file, name, H5T_NATIVE_DOUBLE, shape, array.values);
  }
}

Handle OpenForReading(const std::string& path) {
  const Handle access = AccessProperties();
  hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) {
    H5Eclear2(H5E_DEFAULT);
    id = H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, access.id());
  }
  return {id, H5Fclose, "open " + path};
}

herr_t AppendName(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

herr_t AppendAttribute(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::string ReadText(hid_t file, const std::string& name) {
  const Handle attribute(H5Aopen(file, name.c_str(), H5P_DEFAULT), H5Aclose,
                         "open attribute " + name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose, "get type");
  std::string text(H5Tget_size(type.id()), '\0');
  Check(H5Aread(attribute.id(), type.id(), text.data()), "read attribute " + name);
  return text.substr(0, text.find('\0'));
}

Provenance ReadAttributes(const std::string& path) {
  const Handle file = OpenForReading(path);
  std::vector<std::string> names;
  Check(H5Aiterate2(file.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, AppendAttribute, &names),
        "list attributes");
  Provenance attributes;
  for (const std::string& name : names) attributes[name] = ReadText(file.id(), name);
  return attributes;
}

/// Appends the names of all datasets in and below `group`, in order.
void AddDatasetNames(hid_t group, const std::string& prefix, std::vector<std::string>* names) {
  std::vector<std::string> links;
  Check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, AppendName, &links),
        "list /" + prefix);
  for (const std::string& name : links) {
    const std::string path = prefix + name;
    const Handle object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose, "open " + path);
    const H5I_type_t type = H5Iget_type(object.id());
    if (type == H5I_DATASET) names->push_back(path);
    if (type == H5I_GROUP) AddDatasetNames(object.id(), path + "/", names);
  }
}

template <class T>
std::vector<T> ReadValues(hid_t file, const std::string& name, hid_t type,
                          std::vector<std::int64_t>* shape) {
  const Handle dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, "open " + name);
  const Handle space(H5Dget_space(dataset.id()), H5Sclose, "get dataspace");
  const int rank = Check(H5Sget_simple_extent_ndims(space.id()), "get rank");
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  Check(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), "get shape");
  std::size_t count = 1;
  for (const hsize_t size : sizes) count *= size;
  if (shape != nullptr) shape->assign(sizes.begin(), sizes.end());
  std::vector<T> values(count);
  if (count > 0) {
    Check(H5Dread(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "read " + name);
  }
  return values;
}

}  // namespace

void WriteRunFile(const std::string& path, const RunRecord& record, const Provenance& attributes) {
  AtomicFile file(path);
  Handle contents = CreateIn(file);
  WriteContents(contents.id(), record, attributes);
  contents.Close("write " + file.part());
  file.Commit();
}

void MarkRunFile(const std::string& path, const std::string& status) {
  Provenance attributes = ReadAttributes(path);
  attributes["status"] = status;
  WriteRunFile(path, ReadRunFile(path, [](const std::string&) { return true; }), attributes);
}

struct LiveRunFile::File {
  struct Column {
    Handle steps;
    Handle values;
    hsize_t written = 0;
    std::vector<std::int64_t> pending_steps;
    std::vector<double> pending_values;
  };
  // Columns after the file: they must be closed before it.
  Handle handle;
  std::map<std::string, Column, std::less<>> columns;
  std::chrono::steady_clock::time_point flushed = std::chrono::steady_clock::now();
};

LiveRunFile::LiveRunFile(const std::string& path, const std::vector<std::string>& series,
                         const Provenance& attributes)
    : file_(std::make_unique<File>()) {
  AtomicFile whole(path);
  file_->handle = CreateIn(whole);
  const hid_t file = file_->handle.id();
  WriteAttribute(file, "status", "running");
  for (const auto& [name, text] : attributes) {
    if (name != "status") WriteAttribute(file, name, text);
  }
  for (const std::string& name : series) {
    File::Column& column = file_->columns[name];
    column.steps = MakeDataset(file, name + "/step", H5T_NATIVE_INT64, {0}, true);
    column.values = MakeDataset(file, name + "/value", H5T_NATIVE_DOUBLE, {0}, true);
  }
  Check(H5Fstart_swmr_write(file), "start single-writer multiple-reader mode");
  whole.Commit();
}

LiveRunFile::~LiveRunFile() {
  try {
    Flush();
  } catch (const Error&) {  // a full disk was or will be told by others
  }
}

void LiveRunFile::Record(std::string_view series, std::int64_t step, double value) {
  const auto found = file_->columns.find(series);
  if (found == file_->columns.end()) return;
  found->second.pending_steps.push_back(step);
  found->second.pending_values.push_back(value);
  const auto now = std::chrono::steady_clock::now();
  if (now - file_->flushed < std::chrono::seconds(1)) return;
  file_->flushed = now;
  Flush();
}

void LiveRunFile::Flush() {
  for (auto& [name, column] : file_->columns) {
    if (column.pending_steps.empty()) continue;
    const hsize_t count = column.pending_steps.size();
    Append(column.steps.id(), H5T_NATIVE_INT64, column.written, count, column.pending_steps.data());
    Append(column.values.id(), H5T_NATIVE_DOUBLE, column.written, count,
           column.pending_values.data());
    Check(H5Dflush(column.steps.id()), "flush " + name);
    Check(H5Dflush(column.values.id()), "flush " + name);
    column.written += count;
    column.pending_steps.clear();
    column.pending_values.clear();
  }
}

RunRecord::Series ReadSeries(const std::string& path, const std::string& name) {
  const Handle file = OpenForReading(path);
  return {ReadValues<std::int64_t>(file.id(), name + "/step", H5T_NATIVE_INT64, nullptr),
          ReadValues<double>(file.id(), name + "/value", H5T_NATIVE_DOUBLE, nullptr)};
}

RunRecord::ArrayValue ReadArray(const std::string& path, const std::string& name) {
  const Handle file = OpenForReading(path);
  RunRecord::ArrayValue array;
  array.values = ReadValues<double>(file.id(), name, H5T_NATIVE_DOUBLE, &array.shape);
  return array;
}

RunRecord ReadRunFile(const std::string& path,
                      const std::function<bool(const std::string&)>& wanted) {
  const Handle file = OpenForReading(path);
  std::vector<std::string> names;
  AddDatasetNames(file.id(), "", &names);
  const std::set<std::string> all(names.begin(), names.end());
  RunRecord record;
  for (const std::string& name : names) {
    const std::size_t slash = name.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : name.substr(0, slash);
    const bool in_series = all.count(folder + "/step") != 0 && all.count(folder + "/value") != 0;
    if (!in_series) {
      if (!wanted(name)) continue;
      std::vector<std::int64_t> shape;
      auto values = ReadValues<double>(file.id(), name, H5T_NATIVE_DOUBLE, &shape);
      record.Array(name, std::move(shape), std::move(values));
    } else if (name.substr(slash + 1) == "step" && wanted(folder)) {
      const auto steps = ReadValues<std::int64_t>(file.id(), name, H5T_NATIVE_INT64, nullptr);
      const auto values =
          ReadValues<double>(file.id(), folder + "/value", H5T_NATIVE_DOUBLE, nullptr);
      // The writer of a live file may have been between the two.
      for (std::size_t i = 0; i < std::min(steps.size(), values.size()); ++i) {
        record.Record(folder, steps[i], values[i]);
      }
    }
  }
  return record;
}

std::vector<std::string> DatasetNames(const std::string& path) {
  const Handle file = OpenForReading(path);
  std::vector<std::string> names;
  AddDatasetNames(file.id(), "", &names);
  return names;
}

std::string ReadAttribute(const std::string& path, const std::string& name) {
  const Handle file = OpenForReading(path);
  return ReadText(file.id(), name);
}

}  // namespace roundlab
