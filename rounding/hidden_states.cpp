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

/// Up to so many rows are copied one by one on a GPU, whose selection is three times slower.
constexpr std::int64_t kFewRows = 64;

at::Tensor RoomFor(const std::vector<at::Tensor>& parts, const at::Device& device) {
  std::vector<std::int64_t> sizes = parts.front().sizes().vec();
  sizes[0] = 0;
  for (const at::Tensor& part : parts) sizes[0] += part.size(0);
  return at::empty(sizes, parts.front().options().device(device).pinned_memory(false));
}

/// Copies of `parts`, one behind the other.
void CopyInto(const std::vector<at::Tensor>& parts, const at::Tensor& rows) {
  std::int64_t first = 0;
  for (const at::Tensor& part : parts) {
    CopyPlainly(part, rows.narrow(0, first, part.size(0)));
    first += part.size(0);
  }
}

}  // namespace

at::Tensor ComingRows::Get() {
  if (get_) return std::exchange(get_, {})();
  transfer_->Await();
  transfer_.reset();
  return std::exchange(rows_, {});
}

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

const at::Tensor& HiddenStates::values() const {
  if (*writing_) std::exchange(*writing_, {})->Wait();
  return values_;
}

bool HiddenStates::SharesMemory(const HiddenStates& other) const {
  return defined() && other.defined() && values_.is_alias_of(other.values_);
}

bool HiddenStates::Here() const {
  return values_.device() == store_.device && store_.place != ChainPlace::kFile;
}

at::Tensor HiddenStates::Narrow(std::int64_t first, std::int64_t count) const {
  return NarrowAhead(first, count).Get();
}

at::Tensor HiddenStates::Select(const at::Tensor& rows) const { return SelectAhead(rows).Get(); }

ComingRows HiddenStates::NarrowAhead(std::int64_t first, std::int64_t count) const {
  const at::Tensor part = values_.narrow(0, first, count);
  if (Here()) return ComingRows([part] { return part; });
  return Bring({part});
}

ComingRows HiddenStates::SelectAhead(const at::Tensor& rows) const {
  const bool one_by_one = values_.is_cuda() && rows.is_cpu() && rows.numel() <= kFewRows;
  if (Here() && !one_by_one) {
    return ComingRows([values = values_, rows] {
      return values.index_select(0, rows.to(values.device(), /*non_blocking=*/true));
    });
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    parts.push_back(values_.narrow(0, rows[i].item<std::int64_t>(), 1));
  }
  if (!Here()) return Bring(std::move(parts));
  return ComingRows([parts] {
    at::Tensor copies = RoomFor(parts, parts.front().device());
    CopyInto(parts, copies);
    return copies;
  });
}

ComingRows HiddenStates::Bring(std::vector<at::Tensor> parts) const {
  // Made here: the device's memory is handed out in the order of this thread's work.
  at::Tensor rows = RoomFor(parts, store_.device);
  auto transfer = std::make_unique<Transfer>(store_.device,
                                             [rows, parts = std::move(parts), written = *writing_] {
                                               if (written) written->AwaitQueued();
                                               CopyInto(parts, rows);
                                             });
  return {rows, std::move(transfer)};
}

void HiddenStates::Write(std::int64_t first, const at::Tensor& values) const {
  const at::Tensor part = values_.narrow(0, first, values.size(0));
  if (Here()) {
    part.copy_(values);
    return;
  }
  // One at a time: the device may be far behind, and each keeps what it copies.
  if (*writing_) (*writing_)->Wait();
  *writing_ = std::make_shared<Transfer>(
      store_.device,
      [part, values = values.detach().to(dtype()).contiguous()] { CopyPlainly(values, part); });
}

HiddenStates HiddenStates::First(std::int64_t count) const {
  HiddenStates part = *this;
  part.values_ = values_.narrow(0, 0, std::min(count, rows()));
  return part;
}

HiddenStates HiddenStates::Clone() const { return {store_, values()}; }

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
  const auto ahead = [&](std::int64_t row) {
    return row < chain.rows() ? chain.NarrowAhead(row, std::min(kRowsOfAPass, chain.rows() - row))
                              : ComingRows();
  };
  ComingRows coming = ahead(0);
  for (std::int64_t row = 0; row < chain.rows(); row += kRowsOfAPass) {
    const at::Tensor rows = coming.Get();
    coming = ahead(row + kRowsOfAPass);
    work(rows, row);
    CheckInterrupt();
  }
}

}  // namespace roundlab
