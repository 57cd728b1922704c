#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/formats/mapped_file.h"
#include "core/formats/tensor_view.h"

namespace roundlab {

/// One file of named tensors, mapped for the life of the object, whatever its format.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;
  const std::string& path() const { return file_.path(); }
  const std::vector<TensorView>& tensors() const { return tensors_; }  ///< sorted by name
  const TensorView* Find(std::string_view name) const;                 ///< null where absent

 protected:
  /// Throws Error as MappedFile.
  explicit TensorFile(const std::string& path) : file_(path) {}
  const MappedFile& file() const { return file_; }
  void SetTensors(std::vector<TensorView> tensors);  ///< in any order, of unique names

 private:
  MappedFile file_;
  std::vector<TensorView> tensors_;
};

}  // namespace roundlab
