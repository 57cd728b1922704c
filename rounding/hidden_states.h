#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/transfer.h"

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

/// Rows that are on their way to the device, beside its work.
class ComingRows {
 public:
  ComingRows() = default;
  /// That are had at once by `get`, when they are asked for.
  explicit ComingRows(std::function<at::Tensor()> get) : get_(std::move(get)) {}
  /// That `transfer` copies to `rows`.
  ComingRows(at::Tensor rows, std::unique_ptr<Transfer> transfer)
      : rows_(std::move(rows)), transfer_(std::move(transfer)) {}

  /// On the device. To be asked for once.
  at::Tensor Get();

 private:
  std::function<at::Tensor()> get_;
  at::Tensor rows_;
  std::unique_ptr<Transfer> transfer_;  // ends before rows_
};

/// Numbers of calibration sequences, [rows, ...] of any dtype, wherever they lie: portions of rows
/// come to the device that computes, and go back, beside its work where they lie elsewhere. What is
/// computed does not depend on the place. Copies share memory.
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
  const ChainStore& store() const { return store_; }
  const at::Device& device() const { return store_.device; }  ///< where portions come to
  bool SharesMemory(const HiddenStates& other) const;
  /// Where they lie, with all that was written.
  const at::Tensor& values() const;

  /// Rows first to first + count - 1, on the device; the same memory where they lie there.
  at::Tensor Narrow(std::int64_t first, std::int64_t count) const;
  /// Copies of `rows` (int64 [n], on the CPU or where the values lie), on the device.
  at::Tensor Select(const at::Tensor& rows) const;
  /// The same, begun now and had later: rows that nobody writes until then.
  ComingRows NarrowAhead(std::int64_t first, std::int64_t count) const;
  ComingRows SelectAhead(const at::Tensor& rows) const;
  /// Rows from `first` on become `values`, which nobody changes from here on.
  void Write(std::int64_t first, const at::Tensor& values) const;

  /// The first `count` rows, sharing memory.
  HiddenStates First(std::int64_t count) const;
  HiddenStates Clone() const;
  /// As large, in the same kind of place; values not set.
  HiddenStates Another() const { return {store_, values_.sizes(), dtype()}; }
  /// What `make` gives for each portion of a few rows, put together in the same place.
  HiddenStates Map(const std::function<at::Tensor(const at::Tensor& rows)>& make) const;

 private:
  /// Whether they lie with what computes. A file's rows are read beside the work of a CPU, too.
  bool Here() const;
  /// Copies of `parts`, one behind the other.
  ComingRows Bring(std::vector<at::Tensor> parts) const;

  at::Tensor values_;
  ChainStore store_;
  /// The last rows that were written, which may be on their way still; shared by copies.
  std::shared_ptr<std::shared_ptr<Transfer>> writing_ =
      std::make_shared<std::shared_ptr<Transfer>>();
};

/// Sequences that a pass without gradients takes at a time.
inline constexpr std::int64_t kRowsOfAPass = 8;

/// Calls `work` for portions of `chain` of kRowsOfAPass each, the next on its way meanwhile,
/// without gradients. May throw Interrupted.
void ForRows(const HiddenStates& chain,
             const std::function<void(const at::Tensor& rows, std::int64_t first)>& work);

}  // namespace roundlab
