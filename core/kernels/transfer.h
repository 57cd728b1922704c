#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace roundlab {

/// `to` becomes `from`, both contiguous and of one dtype, by the thread and the queue that call:
/// what a Transfer is made of. Between plain memory and a GPU it goes by way of pinned memory,
/// which is several times as fast; to plain memory, or from it to the CPU's, it is there on return.
void CopyPlainly(const at::Tensor& from, const at::Tensor& to);

/// `t` in the machine's plain memory; itself where it is there. Takes as much pinned memory on the
/// way.
at::Tensor ToPlainMemory(const at::Tensor& t);

/// A copy to or from a device's memory that a thread makes beside what is computed: on a GPU in a
/// queue of copies that all transfers share, begun when the device has done what this thread gave
/// it before. On the CPU the thread alone makes it.
class Transfer {
 public:
  /// copy: queues the copies or makes them. What it touches must live until Await or Wait.
  Transfer(const at::Device& device, std::function<void()> copy);
  ~Transfer();  ///< as Await, but nothing is thrown
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Waits until the copies are queued: those of later transfers come after them. Throws what
  /// `copy` threw, as Await and Wait do. May be called by several threads.
  void AwaitQueued() const;
  /// What this thread gives the device from here on comes after the copies.
  void Await() const;
  /// Waits until the copies are made.
  void Wait() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roundlab
