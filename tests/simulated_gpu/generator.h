#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>

namespace simulated_gpu {

/// A stream of random numbers that libtorch takes for a card's. It draws as the CPU does, from
/// another seed, since a card does not draw what the CPU draws.
struct CardGenerator : c10::GeneratorImpl {
  explicit CardGenerator(c10::DeviceIndex index)
      : GeneratorImpl(c10::Device(c10::DeviceType::CUDA, index),
                      c10::DispatchKeySet(c10::DispatchKey::CUDA)),
        host(at::detail::createCPUGenerator()) {}

  void set_current_seed(std::uint64_t seed) override {
    host.set_current_seed(seed ^ 0x9e3779b97f4a7c15U);
  }
  void set_offset(std::uint64_t /*offset*/) override {}
  std::uint64_t get_offset() const override { return 0; }
  std::uint64_t current_seed() const override { return host.current_seed() ^ 0x9e3779b97f4a7c15U; }
  std::uint64_t seed() override { return host.seed(); }
  void set_state(const c10::TensorImpl& state) override {
    host.unsafeGetGeneratorImpl()->set_state(state);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return host.unsafeGetGeneratorImpl()->get_state();
  }

  at::Generator host;

 protected:
  GeneratorImpl* clone_impl() const override {
    auto* copy = new CardGenerator(device_.index());
    copy->host = host.clone();
    return copy;
  }
};

}  // namespace simulated_gpu
