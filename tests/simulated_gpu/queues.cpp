#include "tests/simulated_gpu/queues.h"

#include <cstdio>
#include <cstdlib>
#include <limits>

namespace simulated_gpu {

void Queues::Add(c10::StreamId queue, Bytes card, std::function<void()> copy) {
  const std::lock_guard lock(mutex_);
  waiting_[queue].push_back({++number_, card, std::move(copy)});
}

Mark Queues::Now(c10::StreamId queue) {
  const std::lock_guard lock(mutex_);
  return {queue, number_, std::chrono::steady_clock::now()};
}

void Queues::MakeUntil(c10::StreamId queue, std::uint64_t last) {
  const std::lock_guard lock(mutex_);
  auto& copies = waiting_[queue];
  while (!copies.empty() && copies.front().number <= last) {
    const Copy copy = std::move(copies.front());
    copies.pop_front();
    copy.make();
  }
}

void Queues::Await(const Mark& mark) { MakeUntil(mark.queue, mark.last); }

void Queues::Finish(c10::StreamId queue) {
  MakeUntil(queue, std::numeric_limits<std::uint64_t>::max());
}

void Queues::FinishAll() {
  const std::lock_guard lock(mutex_);
  for (auto& [queue, copies] : waiting_) Finish(queue);
}

void Queues::Release(Bytes card, c10::StreamId queue) {
  const std::lock_guard lock(mutex_);
  const auto* begin = static_cast<const char*>(card.begin);
  const auto overlaps = [&](const Bytes& other) {
    const auto* other_begin = static_cast<const char*>(other.begin);
    return begin < other_begin + other.size && other_begin < begin + card.size;
  };
  for (const auto& [name, copies] : waiting_) {
    for (const Copy& copy : copies) {
      if (!overlaps(copy.card)) continue;
      if (name != queue) {
        std::fputs("simulated GPU: memory is given back that another queue still copies\n", stderr);
        std::abort();
      }
      return Finish(queue);
    }
  }
}

Queues& TheQueues() {
  static Queues& queues = *new Queues;  // tensors may live longer than statics
  return queues;
}

}  // namespace simulated_gpu
