#pragma once

#include <cmath>
#include <cstdint>

namespace roundlab {

/// The draws of the lab world: SplitMix64 (Steele, Lea and Flood 2014), the same numbers with every
/// compiler and library. It adds up what its draws tell: Nats() is the sum of -log p of all choices
/// so far, hence an upper bound of -log p of the text they made, given the world's facts.
class LabRandom {
 public:
  explicit LabRandom(std::uint64_t seed) : state_(seed) {}

  /// From [0, count), count > 0, all alike (to 2^-32: the product's high half, Lemire 2019, without
  /// his rejection).
  std::uint32_t Below(std::uint32_t count) {
    nats_ += Log(count);
    return Draw(count);
  }

  /// True in `part` of `whole` cases, 0 < part < whole.
  bool Chance(std::uint32_t part, std::uint32_t whole) {
    const bool yes = Draw(whole) < part;
    nats_ += Log(whole) - Log(yes ? part : whole - part);
    return yes;
  }

  template <class List>
  const auto& Pick(const List& list) {
    return list[Below(static_cast<std::uint32_t>(list.size()))];
  }

  double Nats() const { return nats_; }

 private:
  std::uint32_t Draw(std::uint32_t count) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return static_cast<std::uint32_t>(((z >> 32) * count) >> 32);
  }

  /// Logarithms of small numbers are looked up: a text of 20 MB takes millions of them.
  static double Log(std::uint32_t count) {
    struct Table {
      Table() {
        for (std::uint32_t i = 1; i < kSize; ++i) values[i] = std::log(static_cast<double>(i));
      }
      double values[kSize] = {};
    };
    static const Table kTable;
    return count < kSize ? kTable.values[count] : std::log(static_cast<double>(count));
  }

  static constexpr std::uint32_t kSize = 512;
  std::uint64_t state_;
  double nats_ = 0;
};

}  // namespace roundlab
