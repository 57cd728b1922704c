#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/gguf_value.h"
#include "core/formats/mapped_file.h"
#include "core/formats/tensor_view.h"

namespace roundlab {

/// A GGUF file, version 2 or 3, little-endian (ggml docs/gguf.md). Tensor names are the file's own
/// ("blk.0.attn_q.weight"); shapes are turned to row-major, outermost first.
class GgufFile {
 public:
  /// Throws Error naming file and tensor or key where the file lies or is truncated: magic,
  /// version, counts, string lengths, types, alignment, offsets (holes, overlaps, end), duplicate
  /// names; also for arrays of arrays and for ggml types that ElementType does not list.
  explicit GgufFile(const std::string& path);

  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }  ///< sorted by name
  const TensorView* Find(std::string_view name) const;                 ///< null where absent

  /// The value of `key`; throws Error naming file and key where absent or of another kind. Integer
  /// takes both kinds of integers that fit, Real also integers.
  std::int64_t Integer(std::string_view key) const;
  double Real(std::string_view key) const;
  bool Bool(std::string_view key) const;
  const std::string& String(std::string_view key) const;
  const std::vector<std::int64_t>& Integers(std::string_view key) const;
  const std::vector<double>& Reals(std::string_view key) const;
  const std::vector<std::string>& Strings(std::string_view key) const;
  bool Has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
  const std::string& path() const { return file_.path(); }

 private:
  const GgufValue& Value(std::string_view key) const;
  [[noreturn]] void FailKind(std::string_view key, const char* expected) const;

  MappedFile file_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<TensorView> tensors_;
};

}  // namespace roundlab
