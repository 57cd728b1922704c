#include "core/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <stdexcept>
#include <string>

#include "core/base/hash.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Numbers = std::vector<std::uint64_t>;

/// hashlib.sha256(",".join(map(str, numbers)).encode()).hexdigest()
std::string Digest(const Numbers& numbers) {
  std::string text;
  for (const std::uint64_t number : numbers) {
    text += (text.empty() ? "" : ",") + std::to_string(number);
  }
  return Sha256Hex(text);
}

void Append(const Numbers& more, Numbers* all) {
  all->insert(all->end(), more.begin(), more.end());
}

// The windows of GPTQ's calibration: random.seed(s), randint(0, 99999).
TEST(PythonRandomTest, RandIntAsPython) {
  const auto five = [](std::uint64_t seed) {
    PythonRandom random(seed);
    std::vector<std::int64_t> drawn(5);
    for (std::int64_t& value : drawn) value = random.RandInt(0, 99999);
    return drawn;
  };
  EXPECT_THAT(five(0), ElementsAre(50494, 99346, 55125, 5306, 33936));
  EXPECT_THAT(five(2), ElementsAre(7412, 12004, 11124, 47324, 22162));
  EXPECT_THAT(five(42), ElementsAre(83810, 14592, 3278, 97196, 36048));
}

struct Start {
  std::uint64_t seed;
  Numbers words;  ///< getrandbits(32), three times
  double real;    ///< then random()
  std::uint64_t bits64;
  std::uint64_t bits7;
  std::uint64_t below;    ///< randrange(10**12)
  std::int64_t rand_int;  ///< randint(-5, 5)
};

// Python 3.11.7.
TEST(PythonRandomTest, AllDrawsAsPython) {
  const std::vector<Start> starts = {{0,
                                      {3626764237, 1654615998, 3255389356},
                                      0x1.c7ce0d1aeaa51p-1,
                                      4776171008201404212U,
                                      123,
                                      534771852898,
                                      1},
                                     {1,
                                      {577090037, 2444712010, 3639700191},
                                      0x1.9ac27c70e1aefp-1,
                                      4705193143269049553U,
                                      15,
                                      835351532923,
                                      2},
                                     {42,
                                      {2746317213, 478163327, 107420369},
                                      0x1.7bac81d19a149p-1,
                                      4117511471858006928U,
                                      17,
                                      114832269481,
                                      5},
                                     {1ULL << 32,
                                      {485306839, 1508871100, 1794561286},
                                      0x1.de93c9811139cp-1,
                                      11284269182920140557U,
                                      112,
                                      840978850304,
                                      0},
                                     {(1ULL << 63) + 12345,
                                      {1308997459, 1668775168, 912389232},
                                      0x1.3d56f3a9fdc2cp-3,
                                      4423225624971244930U,
                                      125,
                                      6719671893,
                                      0}};
  for (const Start& start : starts) {
    SCOPED_TRACE(start.seed);
    PythonRandom random(start.seed);
    for (const std::uint64_t word : start.words) EXPECT_EQ(random.Bits(32), word);
    EXPECT_EQ(random.Real(), start.real);
    EXPECT_EQ(random.Bits(64), start.bits64);
    EXPECT_EQ(random.Bits(7), start.bits7);
    EXPECT_EQ(random.Below(1000000000000), start.below);
    EXPECT_EQ(random.RandInt(-5, 5), start.rand_int);
  }
}

TEST(PythonRandomTest, ShuffleAndSampleAsPython) {
  std::vector<int> values(10);
  std::iota(values.begin(), values.end(), 0);
  PythonRandom(7).Shuffle(&values);
  EXPECT_THAT(values, ElementsAre(8, 3, 1, 4, 7, 0, 9, 6, 2, 5));
  PythonRandom random(7);
  EXPECT_THAT(random.Sample(10, 4), ElementsAre(5, 2, 6, 9));
  EXPECT_THAT(random.Sample(1000, 4), ElementsAre(49, 74, 840, 548));
  EXPECT_THAT(random.Sample(85, 6), ElementsAre(12, 46, 74, 7, 64, 27));
  EXPECT_THAT(random.Sample(86, 6), ElementsAre(4, 11, 55, 53, 8, 30));
  EXPECT_THAT(random.Sample(5, 5), ElementsAre(0, 3, 4, 2, 1));
  EXPECT_THAT(random.Sample(3, 0), IsEmpty());
}

// 50 seeds of up to 64 bits, 11,550 numbers of all kinds, in Python 3.11.7:
//   r = random.Random(s * s * s * 12345678901 % 2**64)
//   parts += [r.randrange(n) for n in (1, 2, 3, ...)]; x = list(range(50)); r.shuffle(x) ...
TEST(PythonRandomTest, ManySeedsAsPython) {
  Numbers parts;
  for (std::uint64_t s = 0; s < 50; ++s) {
    PythonRandom random(s * s * s * 12345678901ULL);
    for (const std::uint64_t n :
         Numbers{1, 2, 3, 10, 33, 1000, 65537, 1ULL << 32, (1ULL << 40) + 1}) {
      parts.push_back(random.Below(n));
    }
    Numbers values(50);
    std::iota(values.begin(), values.end(), 0U);
    random.Shuffle(&values);
    Append(values, &parts);
    const std::vector<std::pair<std::uint64_t, std::uint64_t>> samples = {
        {30, 6}, {86, 6}, {85, 6}, {277, 20}, {278, 20}, {5000, 100}, {1, 1}, {21, 5}, {22, 5}};
    for (const auto& [population, count] : samples) {
      Append(random.Sample(population, count), &parts);
    }
    parts.push_back(static_cast<std::uint64_t>(random.Real() * 0x1p53));
    parts.push_back(random.Bits(63));
    parts.push_back(random.Bits(33));
  }
  EXPECT_EQ(parts.size(), 11550U);
  EXPECT_EQ(Digest(parts), "d1bc7c0cb5b350c7c72d7b63f6a404d8ff5d92f3aaaf5dca432e340eb1b40e81");
}

TEST(PythonRandomTest, BordersOfTheArguments) {
  PythonRandom random(3);
  PythonRandom fresh(3);
  EXPECT_EQ(random.Bits(0), 0U);
  EXPECT_EQ(random.Bits(32), fresh.Bits(32)) << "getrandbits(0) draws nothing";
  EXPECT_EQ(random.RandInt(-7, -7), -7);
  EXPECT_THROW(random.Bits(65), std::logic_error);
  EXPECT_THROW(random.Bits(-1), std::logic_error);
  EXPECT_THROW(random.Below(0), std::logic_error);
  EXPECT_THROW(random.RandInt(1, 0), std::logic_error);
  EXPECT_THROW(random.RandInt(INT64_MIN, INT64_MAX), std::logic_error);
  EXPECT_THROW(random.Sample(3, 4), std::logic_error);
  const std::int64_t widest = random.RandInt(INT64_MIN, INT64_MAX - 1);
  EXPECT_LT(widest, INT64_MAX);
  std::vector<int> none;
  random.Shuffle(&none);
  EXPECT_THAT(none, IsEmpty());
}

// NumPy 2.4.6.
TEST(NumpyPermutationTest, SmallAsNumpy) {
  EXPECT_THAT(NumpyPermutation(42, 10), ElementsAre(5, 6, 0, 7, 3, 2, 4, 9, 1, 8));
  EXPECT_THAT(NumpyPermutation(0, 5), ElementsAre(2, 4, 3, 0, 1));
  EXPECT_THAT(NumpyPermutation((1ULL << 40) + 3, 8), ElementsAre(7, 2, 6, 5, 3, 0, 1, 4));
  EXPECT_THAT(NumpyPermutation(1, 1), ElementsAre(0));
  EXPECT_THAT(NumpyPermutation(1, 0), IsEmpty());
}

TEST(NumpyPermutationTest, LargeAsNumpy) {
  EXPECT_EQ(Digest(NumpyPermutation(42, 10000)),
            "a2aee60a1f59b441ae622ad0ed12ea72fd6a4df017089546ecf04bc968c6f321");
  EXPECT_EQ(Digest(NumpyPermutation(42, 70000)),
            "1cd607cfe5a8b555e6906ea948ec1b8a88eae6b8bccf172b870219e4aa98eeaf");
  EXPECT_EQ(Digest(NumpyPermutation(7, 200003)),
            "bd29b1a58c7b4a98bc6b4a40f7d726dce7b055582f39290eacf3aa087066e714");
  EXPECT_EQ(Digest(NumpyPermutation((1ULL << 63) + 5, 65536)),
            "986e5d9eb8607fde96732ba4cc0ea070959c8fe489910fc2f5dad4e80e5e4468");
  EXPECT_EQ(Digest(NumpyPermutation(0, 65537)),
            "92259eacdba7f22f5ab56bc5b4c37aee3d5134a64d6c92227ad8c7d5aafd1d1e");
}

// default_rng(s**5).permutation(n) for 60 seeds s, n = 0 ... 39, 255, 256, 257, 1000.
TEST(NumpyPermutationTest, ManySeedsAsNumpy) {
  Numbers parts;
  for (std::uint64_t s = 0; s < 60; ++s) {
    for (std::uint64_t n = 0; n < 40; ++n) Append(NumpyPermutation(s * s * s * s * s, n), &parts);
    for (const std::uint64_t n : Numbers{255, 256, 257, 1000}) {
      Append(NumpyPermutation(s * s * s * s * s, n), &parts);
    }
  }
  EXPECT_EQ(parts.size(), 152880U);
  EXPECT_EQ(Digest(parts), "445eac0411e50477de9d6f50c73ccfe9a577e2b98130afd1d4781b6f707a2aab");
}

// int.from_bytes(hashlib.sha256(struct.pack("<Q", seed) + name).digest()[:8], "little")
TEST(StreamSeedTest, IsFixedForever) {
  EXPECT_EQ(StreamSeed(0, ""), 8794265229978523055U);
  EXPECT_EQ(StreamSeed(0, "calib/rows"), 11200875075216867005U);
  EXPECT_EQ(StreamSeed(42, "calib/rows"), 10043487106277764374U);
  EXPECT_EQ(StreamSeed(~0ULL, "tune/batches"), 6769697034126948301U);
}

TEST(StreamSeedTest, SeedsAndNamesGiveDistinctStreams) {
  std::set<std::uint64_t> streams;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const char* name : {"calib/rows", "calib/windows", "tune/batches", ""}) {
      streams.insert(StreamSeed(seed, name));
    }
  }
  EXPECT_EQ(streams.size(), 400U);
}

}  // namespace
}  // namespace roundlab
