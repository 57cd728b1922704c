#include "rounding/hidden_states.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/interrupt.h"
#include "core/base/scratch_file.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRows = 8;  // sequences a forward pass takes
/// Up to so many rows are copied one by one on a GPU, whose selection is three times slower.
constexpr std::int64_t kFewRows = 64;

}  // namespace

at::Tensor ChainStore::Allocate(at::IntArrayRef sizes, at::ScalarType dtype) const {
  if (place == ChainPlace::kDevice) {
    return at::empty(sizes, at::TensorOptions(device).dtype(dtype));
  }
  const at::TensorOptions options = at::TensorOptions(at::kCPU).dtype(dtype);
  if (place == ChainPlace::kHost) {
    return at::empty(sizes, options.pinned_memory(device.is_cuda()));
  }
  const auto bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) *
                     static_cast<std::size_t>(c10::elementSize(dtype));
  const auto file = std::make_shared<const ScratchFile>(folder, bytes);
  return at::from_blob(
      file->data(), sizes, [file](void* /*data*/) {}, options);
}

HiddenStates::HiddenStates(at::Tensor values) : values_(std::move(values)) {
  if (values_.defined()) store_.device = values_.device();
}

HiddenStates::HiddenStates(ChainStore store, at::IntArrayRef sizes, at::ScalarType dtype)
    : values_(store.Allocate(sizes, dtype)), store_(std::move(store)) {}

HiddenStates::HiddenStates(ChainStore store, const at::Tensor& values)
    : HiddenStates(std::move(store), values.sizes(), values.scalar_type()) {
  values_.copy_(values);
}

at::Tensor HiddenStates::Narrow(std::int64_t first, std::int64_t count) const {
  // Pinned memory is copied while the device works on; Write waits for the device.
  return values_.narrow(0, first, count).to(store_.device, /*non_blocking=*/true);
}

at::Tensor HiddenStates::Select(const at::Tensor& rows) const {
  const bool here = values_.device() == store_.device;
  const bool copies = values_.is_cuda() && rows.is_cpu() && rows.numel() <= kFewRows;
  if (here && !copies)
    return values_.index_select(0, rows.to(values_.device(), /*non_blocking=*/true));
  std::vector<std::int64_t> sizes = values_.sizes().vec();
  sizes[0] = rows.numel();
  at::Tensor selected = at::empty(sizes, at::TensorOptions(store_.device).dtype(dtype()));
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    selected[i].copy_(values_[rows[i].item<std::int64_t>()], /*non_blocking=*/true);
  }
  return selected;
}

void HiddenStates::Write(std::int64_t first, const at::Tensor& values) const {
  values_.narrow(0, first, values.size(0)).copy_(values);
}

HiddenStates HiddenStates::First(std::int64_t count) const {
  HiddenStates part = *this;
  part.values_ = values_.narrow(0, 0, std::min(count, rows()));
  return part;
}

HiddenStates HiddenStates::Clone() const { return {store_, values_}; }

HiddenStates HiddenStates::Map(
    const std::function<at::Tensor(const at::Tensor& rows)>& make) const {
  HiddenStates all;
  ForRows(*this, [&](const at::Tensor& rows, std::int64_t first) {
    const at::Tensor made = make(rows);
    if (!all.defined()) {
      std::vector<std::int64_t> sizes = made.sizes().vec();
      sizes[0] = this->rows();
      all = HiddenStates(store_, sizes, made.scalar_type());
    }
    all.Write(first, made);
  });
  return all;
}

void ForRows(const HiddenStates& chain,
             const std::function<void(const at::Tensor& rows, std::int64_t first)>& work) {
  const at::NoGradGuard no_grad;
  for (std::int64_t row = 0; row < chain.rows(); row += kRows) {
    work(chain.Narrow(row, std::min(kRows, chain.rows() - row)), row);
    CheckInterrupt();
  }
}

}  // namespace roundlab
