#include "core/quant/spec.h"

#include <sstream>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr const char* kSymQuirk = "gptq_sym_quirk";
constexpr const char* kAxis0 = "axis_0";

}  // namespace

const EnumNames<GridKind>& GridNames() {
  static const EnumNames<GridKind> kNames = {{GridKind::kAsym, "asym"},
                                             {GridKind::kSym, "sym"},
                                             {GridKind::kSymFull, "sym_full"},
                                             {GridKind::kSymRestricted, "sym_restricted"},
                                             {GridKind::kFloatZero, "float_zero"},
                                             {GridKind::kPower, "power"}};
  return kNames;
}

const EnumNames<ScaleType>& ScaleTypeNames() {
  static const EnumNames<ScaleType> kNames = {{ScaleType::kFloat32, "float32"},
                                              {ScaleType::kFloat16, "float16"},
                                              {ScaleType::kBFloat16, "bfloat16"}};
  return kNames;
}

void QuantSpec::Fields(FieldVisitor& f) {
  f.Int("bits", &bits, Between(2, 8), "bits per weight", Presence::kRequired);
  FieldsButBits(f);
}

void QuantSpec::FieldsButBits(FieldVisitor& f) {
  f.Int("group_size", &group_size, AtLeast(-1),
        "weights that share one scale along the input; -1 a row, 0 the whole tensor");
  EnumField grid_field(&grid, GridNames());
  f.Value(
      "grid", grid_field,
      "asym: min to max with an integer zero point; sym: +-max, zero in the middle; "
      "sym_full: the largest weight lands on the lowest code; sym_restricted: +-max on all codes "
      "but the lowest; float_zero: min to max with a real zero point (scheme hqq); power: codes of "
      "sign(w)|w|^a, a an exponent of the layer (schemes powerquant, nupes)");
  EnumField scale_field(&scale_dtype, ScaleTypeNames());
  f.Value("scale_dtype", scale_field,
          "scales are rounded to it before weights are divided by them");
  f.Bool("gptq_sym_quirk", &gptq_sym_quirk,
         "sym only: a group without negative weights keeps half the range, as the GPTQ code does");
  f.Rule([this]() -> std::string {
    return gptq_sym_quirk && grid != GridKind::kSym
               ? "gptq_sym_quirk needs grid: sym, got '" + EnumName(grid, GridNames()) + "'"
               : "";
  });
}

double QuantSpec::CodeMax() const { return static_cast<double>((std::int64_t{1} << bits) - 1); }

double QuantSpec::ScaleBits() const { return scale_dtype == ScaleType::kFloat32 ? 32 : 16; }

double QuantSpec::ZeroBits() const {
  if (grid == GridKind::kFloatZero) return ScaleBits();
  return grid == GridKind::kAsym ? static_cast<double>(bits) : 0;
}

std::string SpecText(const QuantSpec& spec) {
  return std::to_string(spec.bits) + " " + std::to_string(spec.group_size) + " " +
         EnumName(spec.grid, GridNames()) + " " + EnumName(spec.scale_dtype, ScaleTypeNames()) +
         (spec.gptq_sym_quirk ? std::string(" ") + kSymQuirk : "") +
         (spec.axis == 0 ? std::string(" ") + kAxis0 : "");
}

QuantSpec ReadQuantSpec(const std::string& text, const std::string& place) {
  std::istringstream in(text);
  QuantSpec spec;
  std::string grid_name;
  std::string scale_name;
  in >> spec.bits >> spec.group_size >> grid_name >> scale_name;
  const auto grid = EnumValue(grid_name, GridNames());
  const auto scale = EnumValue(scale_name, ScaleTypeNames());
  bool read = in && grid && scale && spec.bits >= 1 && spec.bits <= 8 && spec.group_size >= -1;
  for (std::string flag; read && in >> flag;) {
    if (flag == kSymQuirk) {
      spec.gptq_sym_quirk = true;
    } else if (flag == kAxis0) {
      spec.axis = 0;
    } else {
      read = false;
    }
  }
  if (!read) throw Error(place + ": bad spec '" + text + "'");
  spec.grid = *grid;
  spec.scale_dtype = *scale;
  return spec;
}

}  // namespace roundlab
