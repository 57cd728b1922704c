#include "core/quant/spec.h"

namespace roundlab {

void QuantSpec::Fields(FieldVisitor& f) {
  f.Int("bits", &bits, Between(2, 8), "bits per weight", Presence::kRequired);
  f.Int("group_size", &group_size, AtLeast(-1),
        "weights that share one scale along the input; -1 a row, 0 the whole tensor");
  f.Choice("grid", &grid, {"asym", "sym", "sym_full"},
           "asym: min to max with an integer zero point; sym: +-max, zero in the middle; "
           "sym_full: the largest weight lands on the lowest code");
  f.Choice("scale_dtype", &scale_dtype, {"float32", "float16", "bfloat16"},
           "scales are rounded to it before weights are divided by them");
  f.Bool("gptq_sym_quirk", &gptq_sym_quirk,
         "sym only: a group without negative weights keeps half the range, as the GPTQ code does");
  f.Rule([this]() -> std::string {
    return gptq_sym_quirk && grid != "sym" ? "gptq_sym_quirk needs grid: sym, got '" + grid + "'"
                                           : "";
  });
}

double QuantSpec::CodeMax() const { return static_cast<double>((std::int64_t{1} << bits) - 1); }

}  // namespace roundlab
