#pragma once

#include <optional>
#include <string>

#include "core/quant/spec.h"
#include "rounding/layer_context.h"

namespace roundlab {

/// Grids of equal steps around an integer zero point.
inline bool IsUniform(GridKind grid) {
  return grid != GridKind::kFloatZero && grid != GridKind::kPower;
}

/// Which keys of `quant` have a say, besides range (GridTraits::own_range).
struct QuantUse {
  bool bits = true;
  bool group_size = true;
  bool grid = true;
};

/// What a scheme is, whatever it is given.
struct SchemeTraits {
  bool tunable = true;  ///< there is something to tune, hence calibration data are needed
  /// SoftWeight() equals Finish().Dequantize() bit for bit at any time. A scheme that is soft while
  /// it tunes (AdaRound) says no.
  bool straight_through = true;
  bool tells_latents = false;  ///< its layers tell their Latents()
  /// Its states can live on a GPU. One-shot schemes that can't get their layers on the CPU.
  bool any_device = false;
  bool draws = false;     ///< Begin draws
  bool on_grid = true;    ///< its codes are steps of a grid (QuantizedWeight::OnGrid)
  LayerNeeds needs = {};  ///< of Begin; any of inputs needs calibration data
  QuantUse quant = {};
  /// How its authors tune it, as options of a round stage in YAML ("steps: 2500\n..."): what a
  /// config leaves out is taken from here, and what this leaves out is the stage's own default.
  const char* tuning = "";
};

/// What it does with weights on a grid.
struct GridTraits {
  bool takes = true;               ///< Begin is not called with a grid that it does not take
  bool own_range = false;          ///< it makes its own ranges and passes over LayerContext::range
  bool steps_in_backward = false;  ///< its layers are BackwardSteppers, where kernels are fused
  std::string in_place = "";       ///< the scheme that it is there; empty: itself
};

/// What is known of a layer's codes and memory before its weights are.
struct LayerTraits {
  bool plain_codes = true;   ///< codes are no more than RequirePlainStart takes, whatever comes
  double working_bytes = 0;  ///< that Begin holds at a time, beside its inputs and the codes
  double trained = 1;  ///< numbers a weight that are tuned, but for those of groups beside them
  /// Float32 numbers a weight that SoftWeight keeps for its backward pass, as measured
  /// (results/gpu.md).
  double kept = 0;
  std::optional<double> kept_on_cpu = {};  ///< the same where the CPU alone has a kernel for it
};

}  // namespace roundlab
