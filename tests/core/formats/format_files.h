#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace roundlab::testing {

/// An empty folder of the running test, removed with the object.
class TempFolder {
 public:
  TempFolder() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "_" + test->name();
    std::replace(name.begin(), name.end(), '/', '_');  // of parameterized tests
    path_ = ::testing::TempDir() + "roundlab_" + name + "_XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// Writes a file of this folder; returns its path.
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Root may read and write everything; within this scope the process is nobody, as users are.
class NotRoot {
 public:
  NotRoot() {
    if (root_ && ::seteuid(65534) != 0) throw std::runtime_error("seteuid");
  }
  ~NotRoot() {
    if (root_ && ::seteuid(0) != 0) std::abort();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  bool root_ = ::geteuid() == 0;
};

/// what() of the Error that `run` throws; "" where it throws none.
template <class Run>
std::string ErrorOf(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The bytes of values as they lie in memory.
template <class T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
template <class T>
std::string Bytes(T value) {
  return Bytes(std::vector<T>{value});
}

/// A safetensors file of this header and data, whether they fit together or not.
inline std::string Safetensors(const std::string& header, const std::string& data) {
  return Bytes<std::uint64_t>(header.size()) + header + data;
}

/// A safetensors file of float32 vectors of two elements.
inline std::string Vectors(const std::vector<std::pair<std::string, std::vector<float>>>& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, values] : tensors) {
    header += (header == "{" ? "\"" : ",\"") + name + R"(":{"dtype":"F32","shape":[2],)" +
              R"("data_offsets":[)" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + 8) + "]}";
    data += Bytes(values);
  }
  return Safetensors(header + "}", data);
}

}  // namespace roundlab::testing
