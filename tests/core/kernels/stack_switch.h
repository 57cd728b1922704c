#pragma once

#include <cstdint>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

// Threads of one processor that hand over to one another by themselves: see warp_on_host.h.

namespace roundlab::on_host {

#ifdef __x86_64__

/// Where one of them goes on: the registers that a call keeps lie on its stack.
struct Place {
  void* top = nullptr;
};

/// swapcontext would ask the kernel for the mask of signals each time.
__attribute__((naked, noinline)) inline void Switch(Place* /*from*/, const Place* /*to*/) {
  asm("push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
      "mov %rsp, (%rdi)\n mov (%rsi), %rsp\n"
      "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret");
}

/// What begins with `entry`, which does not return, on `stack`.
inline Place Begin(std::vector<char>* stack, void (*entry)()) {
  const auto end = reinterpret_cast<std::uintptr_t>(stack->data() + stack->size()) / 16 * 16;
  auto* const top = reinterpret_cast<void**>(end) - 8;  // six registers, entry, its return address
  top[6] = reinterpret_cast<void*>(entry);
  return {top};
}

#else

struct Place {
  ucontext_t context{};
};

inline void Switch(Place* from, const Place* to) { swapcontext(&from->context, &to->context); }

inline Place Begin(std::vector<char>* stack, void (*entry)()) {
  Place place;
  getcontext(&place.context);
  place.context.uc_stack.ss_sp = stack->data();
  place.context.uc_stack.ss_size = stack->size();
  makecontext(&place.context, entry, 0);
  return place;
}

#endif

}  // namespace roundlab::on_host
