#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace roundlab {

/// CPython's random.Random(seed), number for number: the published calibration protocols (GPTQ,
/// OmniQuant) draw their windows with it. Checked against Python 3.11.
class PythonRandom {
 public:
  explicit PythonRandom(std::uint64_t seed);

  /// getrandbits(count), 0 <= count <= 64.
  std::uint64_t Bits(int count);

  /// randrange(count), from [0, count); count > 0.
  std::uint64_t Below(std::uint64_t count);

  /// randint(low, high), from [low, high]; low <= high.
  std::int64_t RandInt(std::int64_t low, std::int64_t high);

  /// random(): a multiple of 2^-53 from [0, 1).
  double Real();

  /// shuffle(values), in place.
  template <class T>
  void Shuffle(std::vector<T>* values) {
    for (std::size_t i = values->size(); i-- > 1;) {
      std::swap((*values)[i], (*values)[static_cast<std::size_t>(Below(i + 1))]);
    }
  }

  /// sample(range(population), count): distinct, in the order drawn; count <= population.
  std::vector<std::uint64_t> Sample(std::uint64_t population, std::uint64_t count);

 private:
  std::mt19937 engine_;
};

/// numpy.random.default_rng(seed).permutation(count): the order of Hugging Face datasets'
/// Dataset.shuffle(seed). Checked against NumPy 2.4.
std::vector<std::uint64_t> NumpyPermutation(std::uint64_t seed, std::uint64_t count);

/// The seed of a named stream such as "calib/rows", so that parts that draw numbers don't disturb
/// each other: the first 8 bytes, little-endian, of SHA-256(seed as 8 bytes little-endian, name).
/// Never to be changed: results on record rest on it.
std::uint64_t StreamSeed(std::uint64_t seed, std::string_view name);

}  // namespace roundlab
