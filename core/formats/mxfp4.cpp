#include "core/formats/mxfp4.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kBytes = kBlock / 2;
constexpr int kBias = 127;
constexpr unsigned kNan = 255;
constexpr std::array<float, 16> kValues = {0,     0.5F,  1,  1.5F,  2,  3,  4,  6,
                                           -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

}  // namespace

TensorView MxFp4View(const TensorView& blocks, const TensorView& scales, const std::string& name) {
  std::vector<std::int64_t> shape = blocks.shape;
  const std::string place =
      blocks.file + ": tensor '" + blocks.name + "' has shape " + ShapeText(blocks.shape);
  if (shape.size() < 3 || shape.back() != static_cast<std::int64_t>(kBytes)) {
    throw Error(place + ", expected [..., rows, columns / 32, 16]");
  }
  shape.pop_back();
  if (scales.shape != shape) {
    throw Error(place + " and '" + scales.name + "' " + ShapeText(scales.shape) + ", expected " +
                ShapeText(shape) + ": a factor for each block of 32");
  }
  shape.back() *= static_cast<std::int64_t>(kBlock);
  TensorView view = blocks;
  view.name = name;
  view.type = ElementType::kMxFp4;
  view.shape = shape;
  view.factors = &scales;
  return view;
}

void DecodeMxFp4(const TensorView& tensor, std::span<float> out) {
  const std::span<const std::byte> exponents = tensor.factors->bytes;
  ROUNDLAB_CHECK(std::cmp_equal(out.size(), tensor.ElementCount()) &&
                     out.size() == exponents.size() * kBlock &&
                     tensor.bytes.size() == exponents.size() * kBytes,
                 "values, factors and out have the tensor's size");
  for (std::size_t block = 0; block < exponents.size(); ++block) {
    const auto exponent = std::to_integer<unsigned>(exponents[block]);
    const float factor = exponent == kNan ? std::numeric_limits<float>::quiet_NaN()
                                          : std::ldexp(1.0F, static_cast<int>(exponent) - kBias);
    for (std::size_t i = 0; i < kBytes; ++i) {
      const auto pair = std::to_integer<std::size_t>(tensor.bytes[block * kBytes + i]);
      out[block * kBlock + 2 * i] = kValues[pair % 16] * factor;
      out[block * kBlock + 2 * i + 1] = kValues[pair / 16] * factor;
    }
  }
}

}  // namespace roundlab
