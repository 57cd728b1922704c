// Part of the simulated GPU (README.md): every operation of libtorch, by its CPU part.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <map>
#include <set>
#include <string>

#include "tests/simulated_gpu/generator.h"
#include "tests/simulated_gpu/memory.h"
#include "tests/simulated_gpu/queues.h"

namespace simulated_gpu {
namespace {

/// Gives `t` the memory and the sizes of `other`.
void Become(const at::Tensor& t, const at::Tensor& other) {
  c10::TensorImpl* const impl = t.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(other.storage());
  impl->set_sizes_and_strides(other.sizes(), other.strides(), other.storage_offset());
}

/// Tensors of the card as tensors of the CPU over the same memory, and back.
class Views {
 public:
  at::Tensor OnHost(const at::Tensor& t) {
    if (!t.is_cuda()) return t;
    const c10::Storage& storage = t.storage();
    auto known = storages_.find(storage.unsafeGetStorageImpl());
    if (known == storages_.end()) {
      c10::DataPtr memory(const_cast<void*>(storage.data()), c10::Device(c10::DeviceType::CPU));
      known = storages_
                  .emplace(storage.unsafeGetStorageImpl(),
                           Pair{storage, c10::Storage(c10::Storage::use_byte_size_t(),
                                                      storage.nbytes(), std::move(memory))})
                  .first;
    }
    auto view = at::detail::make_tensor<c10::TensorImpl>(
        c10::Storage(known->second.host), c10::DispatchKeySet(c10::DispatchKey::CPU), t.dtype());
    view.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
    tensors_.emplace(view.unsafeGetTensorImpl(), t);
    kept_.push_back(view);
    return view;
  }

  /// For an output, which the operation may make as large as it needs.
  at::Tensor OutputOnHost(const at::Tensor& t) {
    if (!t.is_cuda()) return t;
    const at::Tensor output = t.dim() == 0
                                  ? at::empty({0}, t.scalar_type())  // resized without a warning
                                  : at::empty_strided(t.sizes(), t.strides(), t.scalar_type());
    outputs_.emplace_back(output, t);
    return output;
  }
  void TakeOutputs(c10::Device card) {
    for (const auto& [output, t] : outputs_) {
      if (output.sizes() != t.sizes()) {
        Become(t, Moved(output, card));
      } else {
        OnHost(t).copy_(output);
      }
      tensors_.emplace(output.unsafeGetTensorImpl(), t);
    }
  }

  at::Tensor OnCard(const at::Tensor& t, c10::Device card) const {
    const auto same = tensors_.find(t.unsafeGetTensorImpl());
    if (same != tensors_.end()) return same->second;
    for (const auto& [name, pair] : storages_) {
      if (pair.host.unsafeGetStorageImpl() != t.storage().unsafeGetStorageImpl()) continue;
      auto view = at::detail::make_tensor<c10::TensorImpl>(
          c10::Storage(pair.card), c10::DispatchKeySet(c10::DispatchKey::CUDA), t.dtype());
      view.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
      return view;
    }
    return Moved(t, card);
  }

 private:
  struct Pair {
    c10::Storage card;
    c10::Storage host;
  };
  std::map<c10::StorageImpl*, Pair> storages_;
  std::map<c10::TensorImpl*, at::Tensor> tensors_;
  std::vector<at::Tensor> kept_;
  std::vector<std::pair<at::Tensor, at::Tensor>> outputs_;
};

/// The card that a call is about, and whether its tensors go together.
class Card {
 public:
  explicit Card(const c10::OperatorHandle& op) : op_(op) {}
  void See(const at::Tensor& t) {
    if (!t.defined()) return;
    if (t.is_cuda()) {
      See(t.device());
    } else if (t.dim() > 0) {
      on_host_ = true;
    }
    Check();
  }
  void See(c10::Device device) {
    if (!device.is_cuda()) return;
    const c10::Device found(device.type(), device.index() < 0 ? Current().index() : device.index());
    TORCH_CHECK(!card_ || *card_ == found, op_.schema().name(), ": tensors on two cards");
    card_ = found;
    Check();
  }
  c10::Device Which() const { return card_.value_or(Current()); }

 private:
  static c10::Device Current() {
    return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getDevice();
  }
  void Check() const {
    static const std::set<std::string> kMixed = {"aten::index", "aten::index_put_",
                                                 "aten::_index_put_impl_", "aten::set_"};
    TORCH_CHECK(!card_ || !on_host_ || kMixed.count(op_.schema().name()) > 0, op_.schema().name(),
                ": expected all tensors to be on the same device");
  }
  const c10::OperatorHandle& op_;
  std::optional<c10::Device> card_;
  bool on_host_ = false;
};

c10::IValue Argument(const c10::IValue& value, Views* views, Card* card) {
  if (value.isTensor()) {
    card->See(value.toTensor());
    return views->OnHost(value.toTensor());
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) {
      card->See(t);
      list.push_back(views->OnHost(t));
    }
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& t : value.toOptionalTensorVector()) {
      if (t) card->See(*t);
      list.push_back(t ? std::optional(views->OnHost(*t)) : t);
    }
    return list;
  }
  if (value.isDevice()) {
    card->See(value.toDevice());
    return c10::Device(c10::DeviceType::CPU);
  }
  if (value.isGenerator()) {
    const at::Generator generator = value.toGenerator();
    TORCH_CHECK(generator.device().is_cuda(), "a card needs a generator of its own");
    return static_cast<CardGenerator*>(generator.unsafeGetGeneratorImpl())->host;
  }
  return value;
}

c10::IValue Result(const c10::IValue& value, const Views& views, c10::Device card) {
  if (value.isTensor() && value.toTensor().defined()) return views.OnCard(value.toTensor(), card);
  if (!value.isTensorList()) return value;
  c10::List<at::Tensor> list;
  for (const at::Tensor& t : value.toTensorVector()) list.push_back(views.OnCard(t, card));
  return list;
}

void ByTheCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Views views;
  Card card(op);
  const std::size_t inputs = op.schema().arguments().size();
  for (std::size_t i = stack->size() - inputs; i < stack->size(); ++i) {
    const c10::Argument& argument = op.schema().arguments()[i + inputs - stack->size()];
    const bool output = argument.is_out() && (*stack)[i].isTensor();
    if (output) card.See((*stack)[i].toTensor());
    (*stack)[i] = output ? c10::IValue(views.OutputOnHost((*stack)[i].toTensor()))
                         : Argument((*stack)[i], &views, &card);
  }
  const c10::DeviceGuard here(card.Which());
  TheQueues().Finish(CurrentQueue(card.Which()).id());
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  views.TakeOutputs(card.Which());
  const std::size_t outputs = op.schema().returns().size();
  for (std::size_t i = stack->size() - outputs; i < stack->size(); ++i) {
    (*stack)[i] = Result((*stack)[i], views, card.Which());
  }
}

/// Of the machine what `t` is; of the card its memory, which others must keep, as on a card.
at::Tensor Bare(const at::Tensor& t) {
  if (!t.is_cuda()) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), at::TensorOptions(t.scalar_type()));
}

at::Tensor& Copy(at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  const at::Tensor& of_card = to.is_cuda() ? to : from;
  const at::Tensor& other = to.is_cuda() ? from : to;
  const c10::StreamId queue = CurrentQueue(of_card.device()).id();
  const auto copy = [target = Bare(to), source = Bare(from)] {
    const at::NoGradGuard no_graph;
    target.copy_(source);
  };
  if (non_blocking && !other.is_cuda() && IsPinned(other.const_data_ptr())) {
    TheQueues().Add(queue, {of_card.storage().data(), of_card.storage().nbytes()}, copy);
  } else {
    TheQueues().Finish(queue);
    copy();
  }
  return to;
}

c10::DeviceGuard At(std::optional<c10::Device> device) {
  return c10::DeviceGuard(device.value_or(c10::Device(c10::DeviceType::CUDA)));
}

at::Tensor Empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> /*layout*/, std::optional<at::Device> device,
                 std::optional<bool> /*pin*/, std::optional<at::MemoryFormat> format) {
  const auto here = At(device);
  return at::detail::empty_generic(size, &TheMemory(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   dtype.value_or(at::kFloat), format);
}

at::Tensor EmptyStrided(at::IntArrayRef size, at::IntArrayRef stride,
                        std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                        std::optional<at::Device> device, std::optional<bool> /*pin*/) {
  const auto here = At(device);
  return at::detail::empty_strided_generic(size, stride, &TheMemory(),
                                           c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           dtype.value_or(at::kFloat));
}

const at::Tensor& Resize(const at::Tensor& t, at::IntArrayRef size,
                         std::optional<at::MemoryFormat> /*format*/) {
  if (t.sizes() != size) Become(t, at::empty(size, t.options()));
  return t;
}

/// A product of 16-bit numbers with sums as they are.
at::Tensor WideProduct(const at::Tensor& a, const at::Tensor& b, at::ScalarType dtype) {
  TORCH_CHECK(dtype == at::kFloat && a.scalar_type() == b.scalar_type(), "mm.dtype");
  return at::mm(a.cpu().to(dtype), b.cpu().to(dtype))
      .to(a.device());  // what is wide is not the card's
}

/// A product of 8-bit floats with a scale for each row and each column.
at::Tensor ScaledProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& rows,
                         const at::Tensor& columns, const std::optional<at::Tensor>& bias,
                         const std::optional<at::Tensor>& result,
                         std::optional<at::ScalarType> dtype, bool /*fast*/) {
  TORCH_CHECK(!bias && !result && a.is_contiguous() && b.t().is_contiguous(), "_scaled_mm");
  const at::Tensor sums = at::mm(a.cpu().to(at::kFloat), b.cpu().to(at::kFloat));
  return (sums * rows.cpu() * columns.cpu()).to(dtype.value_or(a.scalar_type())).to(a.device());
}

void RecordStream(at::Tensor& t, at::Stream stream) {
  TheMemory().recordStream(t.storage().data_ptr(), stream);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&ByTheCpu>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("copy_", &Copy);
  library.impl("resize_", &Resize);
  library.impl("mm.dtype", &WideProduct);
  library.impl("_scaled_mm", &ScaledProduct);
  library.impl("record_stream", &RecordStream);
}

}  // namespace simulated_gpu
