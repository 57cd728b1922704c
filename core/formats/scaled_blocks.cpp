#include "core/formats/scaled_blocks.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/formats/half.h"

namespace roundlab {
namespace {

std::int64_t Blocks(std::int64_t size) { return (size + kScaledBlock - 1) / kScaledBlock; }

const std::array<float, 256>& Values() {
  static const std::array<float, 256> kValues = [] {
    std::array<float, 256> all{};
    for (std::size_t code = 0; code < all.size(); ++code) {
      all[code] = E4M3ToFloat(static_cast<std::uint8_t>(code));
    }
    return all;
  }();
  return kValues;
}

}  // namespace

void DecodeScaledBlocks(const TensorView& values, const TensorView& factors, std::span<float> out) {
  const std::string place =
      values.file + ": tensor '" + values.name + "' of 8 bits has shape " + ShapeText(values.shape);
  if (values.shape.size() != 2) throw Error(place + ", expected a matrix");
  const std::int64_t rows = values.shape[0];
  const std::int64_t columns = values.shape[1];
  const std::vector<std::int64_t> expected = {Blocks(rows), Blocks(columns)};
  if (factors.shape != expected) {
    throw Error(place + " and '" + factors.name + "' " + ShapeText(factors.shape) + ", expected " +
                ShapeText(expected) + ": a factor for each block of 128 x 128");
  }
  ROUNDLAB_CHECK(std::cmp_equal(out.size(), rows * columns) &&
                     std::cmp_equal(values.bytes.size(), rows * columns),
                 "values and out have the tensor's size");
  std::vector<float> scale(static_cast<std::size_t>(factors.ElementCount()));
  DecodeToFloat(factors, scale);
  const std::array<float, 256>& decoded = Values();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t block = 0; block < expected[1]; ++block) {
      const auto factor = scale[static_cast<std::size_t>(row / kScaledBlock * expected[1] + block)];
      const std::int64_t end = std::min(columns, (block + 1) * kScaledBlock);
      for (std::int64_t column = block * kScaledBlock; column < end; ++column) {
        const auto i = static_cast<std::size_t>(row * columns + column);
        out[i] = decoded[std::to_integer<std::size_t>(values.bytes[i])] * factor;
      }
    }
  }
}

}  // namespace roundlab
