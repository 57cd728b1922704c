#include "core/formats/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "core/base/error.h"
#include "core/formats/mxfp4.h"
#include "core/formats/scaled_blocks.h"

namespace roundlab {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000;  // all ones: NaN or infinity

bool AllFinite(std::span<const float> values) {
  std::uint32_t bad = 0;
  for (const float value : values) {
    bad |= (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
  }
  return bad == 0;
}

void CheckFinite(const TensorView& tensor, std::span<const float> values) {
  if (AllFinite(values)) return;
  const auto bad = std::find_if_not(values.begin(), values.end(),
                                    [](float value) { return std::isfinite(value); });
  throw Error(tensor.file + ": tensor '" + tensor.name + "' holds " +
              (std::isnan(*bad) ? "NaN" : "infinity") + " at element " +
              std::to_string(bad - values.begin()));
}

}  // namespace

void ReadFinite(const TensorView& tensor, std::span<float> out) {
  if (tensor.type == ElementType::kMxFp4) {
    DecodeMxFp4(tensor, out);
  } else if (tensor.factors != nullptr) {
    DecodeScaledBlocks(tensor, *tensor.factors, out);
  } else {
    DecodeToFloat(tensor, out);
  }
  CheckFinite(tensor, out);
}

const TensorView& Checkpoint::Get(std::string_view name, const std::string& file) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) throw Error(file + ": tensor '" + std::string(name) + "' is missing");
  return *tensor;
}

void Checkpoint::Read(std::string_view name, std::vector<std::int64_t>* shape,
                      std::vector<float>* out) const {
  const TensorView* tensor = Find(name);
  out->resize(tensor == nullptr ? 0 : static_cast<std::size_t>(tensor->ElementCount()));
  Read(name, std::span<float>(*out));
  *shape = tensor->shape;
}

}  // namespace roundlab
