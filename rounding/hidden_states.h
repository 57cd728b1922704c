#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>

namespace roundlab {

/// Where the hidden states of all calibration samples lie.
enum class ChainPlace {
  kDevice,  ///< with what computes
  kHost,    ///< the machine's memory, pinned where a GPU computes
  kFile,    ///< a file mapped into memory (ScratchFile)
};

/// Makes room for hidden states.
struct ChainStore {
  at::Device device = at::kCPU;  ///< where portions of them are wanted
  ChainPlace place = ChainPlace::kDevice;
  std::string folder;  ///< where files are made

  /// Values not set. Throws Error where the folder's disk has no room.
  at::Tensor Allocate(at::IntArrayRef sizes, at::ScalarType dtype) const;
};

/// Numbers of calibration sequences, [rows, ...] of any dtype, wherever they lie: portions of rows
/// come to the device that computes, and go back. What is computed does not depend on the place.
/// Copies share memory.
class HiddenStates {
 public:
  HiddenStates() = default;
  /// Of numbers that lie where they are wanted.
  HiddenStates(at::Tensor values);  // NOLINT(google-explicit-constructor): they are the same thing
  /// Values not set.
  HiddenStates(ChainStore store, at::IntArrayRef sizes, at::ScalarType dtype);
  /// A copy of `values`, which lie on the CPU or with what computes.
  HiddenStates(ChainStore store, const at::Tensor& values);

  bool defined() const { return values_.defined(); }
  std::int64_t rows() const { return values_.size(0); }
  at::ScalarType dtype() const { return values_.scalar_type(); }
  const at::Device& device() const { return store_.device; }  ///< where portions come to
  const at::Tensor& values() const { return values_; }        ///< where they lie

  /// Rows first to first + count - 1, on the device; the same memory where they lie there.
  at::Tensor Narrow(std::int64_t first, std::int64_t count) const;
  /// Copies of `rows` (int64 [n], on the CPU or where the values lie), on the device.
  at::Tensor Select(const at::Tensor& rows) const;
  /// Rows from `first` on become `values`.
  void Write(std::int64_t first, const at::Tensor& values) const;

  /// The first `count` rows, sharing memory.
  HiddenStates First(std::int64_t count) const;
  HiddenStates Clone() const;
  /// What `make` gives for each portion of a few rows, put together in the same place.
  HiddenStates Map(const std::function<at::Tensor(const at::Tensor& rows)>& make) const;

 private:
  at::Tensor values_;
  ChainStore store_;
};

/// Calls `work` for portions of `chain` of a few rows each, without gradients. May throw
/// Interrupted.
void ForRows(const HiddenStates& chain,
             const std::function<void(const at::Tensor& rows, std::int64_t first)>& work);

}  // namespace roundlab
