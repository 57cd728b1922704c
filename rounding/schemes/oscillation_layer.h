#pragma once

#include <memory>

#include "rounding/scheme.h"
#include "rounding/schemes/oscillation.h"

namespace roundlab {

/// `layer` of a straight-through scheme, with codes that go up and down held or damped:
///   a frozen element runs and finishes as s (fixed code - z), with gradient to s and z alone;
///   the distance of the latent weight s (position - z), position clipped to the grid, from w^ is
///   added to the loss, with gradient through the latent weight
/// (arXiv 2203.11086, equations 9 to 12, where the latent weight is the trained weight itself).
/// Throws Error where the layer does not say what it rounds (LayerRounding::Latents).
///
/// Diagnoses: what the layer does, and oscillating (part of the weights whose frequency is above
/// 0.005) and frozen.
std::unique_ptr<LayerRounding> WithOscillation(std::unique_ptr<LayerRounding> layer,
                                               const OscillationOptions& options);

}  // namespace roundlab
