#pragma once

#include <c10/core/Stream.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>

// Part of the simulated GPU (README.md): its queues of work.

namespace simulated_gpu {

/// Bytes that a copy reads or writes on the card.
struct Bytes {
  const void* begin = nullptr;
  std::size_t size = 0;
};

/// A place in a queue, and when it was marked.
struct Mark {
  c10::StreamId queue = 0;
  std::uint64_t last = 0;  ///< of the copies queued before it
  std::chrono::steady_clock::time_point when;
};

/// Copies between pinned memory and the card wait here until something is to wait for them: as late
/// as a card may make them. All else is done at once, as early as a card may. A place where the
/// program forgets to wait thereby gives wrong numbers every time.
class Queues {
 public:
  void Add(c10::StreamId queue, Bytes card, std::function<void()> copy);
  Mark Now(c10::StreamId queue);
  /// Makes the copies before the mark.
  void Await(const Mark& mark);
  void Finish(c10::StreamId queue);
  void FinishAll();
  /// To be called when memory of the card is given back that was taken in `queue`: what that queue
  /// has is made first, as its order says. Aborts where another queue still needs these bytes.
  void Release(Bytes card, c10::StreamId queue);

 private:
  struct Copy {
    std::uint64_t number;
    Bytes card;
    std::function<void()> make;
  };
  void MakeUntil(c10::StreamId queue, std::uint64_t last);

  std::recursive_mutex mutex_;
  std::uint64_t number_ = 0;
  std::map<c10::StreamId, std::list<Copy>> waiting_;
};

Queues& TheQueues();

}  // namespace simulated_gpu
