#include "core/base/random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/hash.h"

namespace roundlab {
namespace {

/// Gives std::mt19937 the state of init_by_array(key) (Matsumoto and Nishimura, 2002), which is how
/// CPython seeds. The key is the seed's 32-bit words, lowest first, without leading zero words.
class InitByArray {
 public:
  using result_type = std::uint_least32_t;
  explicit InitByArray(std::uint64_t seed)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        length_(key_[1] != 0 ? 2 : 1) {}

  template <class Iterator>
  void generate(Iterator begin, Iterator end) {
    std::array<std::uint32_t, kWords> mt{};
    ROUNDLAB_CHECK(end - begin == kWords, "a seed for std::mt19937 only");
    mt[0] = 19650218U;
    for (std::uint32_t i = 1; i < kWords; ++i) mt[i] = 1812433253U * Fold(mt[i - 1]) + i;
    std::uint32_t i = 1;
    for (std::uint32_t k = 0; k < kWords; ++k) {
      const std::uint32_t j = k % length_;
      mt[i] = (mt[i] ^ (Fold(mt[i - 1]) * 1664525U)) + key_[j] + j;
      i = Advance(i, &mt);
    }
    for (std::uint32_t k = 0; k < kWords - 1; ++k) {
      mt[i] = (mt[i] ^ (Fold(mt[i - 1]) * 1566083941U)) - i;
      i = Advance(i, &mt);
    }
    mt[0] = 0x80000000U;
    std::copy(mt.begin(), mt.end(), begin);
  }

 private:
  static constexpr std::uint32_t kWords = std::mt19937::state_size;
  static std::uint32_t Fold(std::uint32_t word) { return word ^ (word >> 30); }
  static std::uint32_t Advance(std::uint32_t i, std::array<std::uint32_t, kWords>* mt) {
    if (i + 1 < kWords) return i + 1;
    (*mt)[0] = (*mt)[kWords - 1];
    return 1;
  }

  std::array<std::uint32_t, 2> key_;
  std::uint32_t length_;
};

__extension__ typedef unsigned __int128 Uint128;

/// NumPy's SeedSequence(seed).generate_state(4, uint64): O'Neill's seed_seq mixing in a pool of 4.
std::array<std::uint64_t, 4> NumpySeedState(std::uint64_t seed) {
  std::uint32_t hash_constant = 0x43b0d7e5U;
  const auto hash = [&hash_constant](std::uint32_t value, std::uint32_t multiplier) {
    value ^= hash_constant;
    hash_constant *= multiplier;
    value *= hash_constant;
    return value ^ (value >> 16);
  };
  std::array<std::uint32_t, 4> pool = {static_cast<std::uint32_t>(seed),
                                       static_cast<std::uint32_t>(seed >> 32), 0, 0};
  for (std::uint32_t& word : pool) word = hash(word, 0x931e8875U);
  for (std::size_t from = 0; from < pool.size(); ++from) {
    for (std::size_t to = 0; to < pool.size(); ++to) {
      if (from == to) continue;
      const std::uint32_t mixed =
          0xca01f9ddU * pool[to] - 0x4973f715U * hash(pool[from], 0x931e8875U);
      pool[to] = mixed ^ (mixed >> 16);
    }
  }
  hash_constant = 0x8b51f9ddU;
  std::array<std::uint64_t, 4> state{};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t word = hash(pool[i % 4], 0x58f38dedU);
    state[i / 2] |= word << (32 * (i % 2));
  }
  return state;
}

/// NumPy's PCG64: a 128-bit linear congruence with the XSL-RR output (O'Neill 2014).
class NumpyPcg64 {
 public:
  explicit NumpyPcg64(std::uint64_t seed) {
    const auto words = NumpySeedState(seed);
    increment_ = (((static_cast<Uint128>(words[2]) << 64) | words[3]) << 1) | 1;
    Step();
    state_ += (static_cast<Uint128>(words[0]) << 64) | words[1];
    Step();
  }

  /// random_interval: from [0, high], by masked rejection.
  std::uint64_t UpTo(std::uint64_t high) {
    if (high == 0) return 0;
    const std::uint64_t mask = ~std::uint64_t{0} >> std::countl_zero(high);
    const bool narrow = high <= std::numeric_limits<std::uint32_t>::max();
    std::uint64_t value = 0;
    do {
      value = (narrow ? Next32() : Next64()) & mask;
    } while (value > high);
    return value;
  }

 private:
  void Step() {
    constexpr Uint128 kMultiplier =
        (static_cast<Uint128>(2549297995355413924ULL) << 64) | 4865540595714422341ULL;
    state_ = state_ * kMultiplier + increment_;
  }
  std::uint64_t Next64() {
    Step();
    const std::uint64_t folded =
        static_cast<std::uint64_t>(state_ >> 64) ^ static_cast<std::uint64_t>(state_);
    return std::rotr(folded, static_cast<int>(state_ >> 122));
  }
  /// The low half of a 64-bit number first; the high half is kept for the next call.
  std::uint32_t Next32() {
    if (has_half_) {
      has_half_ = false;
      return half_;
    }
    const std::uint64_t whole = Next64();
    has_half_ = true;
    half_ = static_cast<std::uint32_t>(whole >> 32);
    return static_cast<std::uint32_t>(whole);
  }

  Uint128 state_ = 0;
  Uint128 increment_ = 0;
  std::uint32_t half_ = 0;
  bool has_half_ = false;
};

/// Whether random.sample keeps a set of what was drawn instead of a copy of the population: that
/// decides which numbers are drawn.
bool SampleUsesSet(std::uint64_t population, std::uint64_t count) {
  double set_size = 21;
  if (count > 5) {
    set_size +=
        std::pow(4.0, std::ceil(std::log(3.0 * static_cast<double>(count)) / std::log(4.0)));
  }
  return static_cast<double>(population) > set_size;
}

}  // namespace

PythonRandom::PythonRandom(std::uint64_t seed) {
  InitByArray sequence(seed);
  engine_.seed(sequence);
}

std::uint64_t PythonRandom::Bits(int count) {
  ROUNDLAB_CHECK(count >= 0 && count <= 64, "count is " + std::to_string(count));
  std::uint64_t bits = 0;
  for (int done = 0; done < count; done += 32) {
    const int dropped = std::max(0, 32 - (count - done));
    bits |= (static_cast<std::uint64_t>(engine_()) >> dropped) << done;
  }
  return bits;
}

std::uint64_t PythonRandom::Below(std::uint64_t count) {
  ROUNDLAB_CHECK(count > 0, "an empty range");
  const int width = static_cast<int>(std::bit_width(count));
  std::uint64_t value = Bits(width);
  while (value >= count) value = Bits(width);
  return value;
}

std::int64_t PythonRandom::RandInt(std::int64_t low, std::int64_t high) {
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  ROUNDLAB_CHECK(low <= high && span < std::numeric_limits<std::uint64_t>::max(),
                 "range [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + Below(span + 1));
}

double PythonRandom::Real() {
  const double high = static_cast<double>(Bits(27));
  const double low = static_cast<double>(Bits(26));
  return (high * 0x1p26 + low) * 0x1p-53;
}

std::vector<std::uint64_t> PythonRandom::Sample(std::uint64_t population, std::uint64_t count) {
  ROUNDLAB_CHECK(count <= population,
                 std::to_string(count) + " of a population of " + std::to_string(population));
  std::vector<std::uint64_t> chosen;
  chosen.reserve(static_cast<std::size_t>(count));
  if (SampleUsesSet(population, count)) {
    std::unordered_set<std::uint64_t> seen;
    while (chosen.size() < count) {
      const std::uint64_t drawn = Below(population);
      if (seen.insert(drawn).second) chosen.push_back(drawn);
    }
    return chosen;
  }
  std::vector<std::uint64_t> pool(static_cast<std::size_t>(population));
  std::iota(pool.begin(), pool.end(), std::uint64_t{0});
  while (chosen.size() < count) {
    const auto drawn = static_cast<std::size_t>(Below(pool.size()));
    chosen.push_back(pool[drawn]);
    pool[drawn] = pool.back();
    pool.pop_back();
  }
  return chosen;
}

std::vector<std::uint64_t> NumpyPermutation(std::uint64_t seed, std::uint64_t count) {
  NumpyPcg64 generator(seed);
  std::vector<std::uint64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  for (std::size_t i = order.size(); i-- > 1;) {
    std::swap(order[i], order[static_cast<std::size_t>(generator.UpTo(i))]);
  }
  return order;
}

std::uint64_t StreamSeed(std::uint64_t seed, std::string_view name) {
  std::array<char, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(static_cast<unsigned char>(seed >> (8 * i)));
  }
  Sha256 hash;
  hash.Update(std::string_view(bytes.data(), bytes.size()));
  hash.Update(name);
  const std::string hex = hash.HexDigest();
  std::uint64_t stream = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    stream |= std::stoull(hex.substr(2 * i, 2), nullptr, 16) << (8 * i);
  }
  return stream;
}

}  // namespace roundlab
