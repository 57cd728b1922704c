#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config/registry.h"
#include "core/quant/quantized_weight.h"
#include "rounding/layer_context.h"
#include "rounding/scheme_traits.h"
#include "rounding/work.h"

namespace roundlab {

/// Tensors that are tuned together. `lr_factor` multiplies the stage's learning rate.
struct ParameterGroup {
  std::string name;
  std::vector<at::Tensor> tensors;  ///< leaves that require grad
  double lr_factor = 1;
};

/// Named numbers or histograms of a layer after rounding: "offset_histogram" -> counts.
using Diagnostics = std::map<std::string, std::vector<double>>;

/// What a straight-through layer rounds, differentiable in its parameters:
/// code = clamp(round(position), 0, code_max), w^ = scale (code - zero).
struct Latent {
  at::Tensor position;  ///< [groups, width] float32, zero point included; undefined: not told
  AffineGrid grid;
  double code_max = 0;
};

/// The state of rounding one weight [out, in]: what can be tuned, and what it rounds to. All state
/// that tuning changes is in Parameters() and State(), so that a copy of those is a snapshot.
class LayerRounding {
 public:
  virtual ~LayerRounding() = default;
  /// In a fixed order; empty where there is nothing to tune.
  virtual std::vector<ParameterGroup> Parameters() = 0;
  /// The weight that the block runs with while tuning, [out, in], float32 or rounded to
  /// LayerContext::products; differentiable in Parameters().
  virtual at::Tensor SoftWeight() = 0;
  /// A term to add to the loss at `progress` = step / steps; scalar, or undefined for none.
  virtual at::Tensor Penalty(double /*progress*/) { return {}; }
  /// Moves Parameters() back into their domain and does what is due at `progress` = steps taken /
  /// steps; called before the first optimizer step and after each. True where the optimizer must
  /// start anew, without memory of the steps before.
  virtual bool Project(double /*progress*/) { return false; }
  /// Tensors without gradient that Project changes besides Parameters(), in a fixed order.
  virtual std::vector<at::Tensor> State() { return {}; }
  virtual Diagnostics Diagnose() const { return {}; }
  /// Of straight-through schemes: what stages that watch or hold codes need (oscillation).
  virtual Latent Latents() const { return {}; }
  /// The codes chosen so far. Does not change the state.
  virtual QuantizedWeight Finish() const = 0;
};

/// A way to choose integer codes for weights: round to nearest, AdaRound, SignRound, ... Immutable
/// and shareable between threads; all state of a layer is in its LayerRounding.
class RoundingScheme {
 public:
  virtual ~RoundingScheme() = default;
  virtual std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const = 0;
  /// Throws Error, beginning with the layer's name, for one that can't be rounded whatever its
  /// weights are. Begin does so too.
  virtual void Check(const LayerShape& /*layer*/) const {}
  virtual SchemeTraits Traits() const { return {}; }
  virtual GridTraits OnGrid(const QuantSpec& spec) const { return {.takes = IsUniform(spec.grid)}; }
  virtual LayerTraits OnLayer(const LayerShape& /*layer*/) const { return {}; }
  /// What Begin does to a layer beyond a few passes over its weights, statistics not counted.
  virtual Work WorkOn(const LayerShape& /*layer*/) const { return {}; }
};

using RoundingRegistry = Registry<RoundingScheme>;
using RoundingRecipe = Recipe<RoundingScheme>;

/// adaround, aqlm, aquant, easyquant, flexround, gptq, hqq, llm_int8, llm_qat, lrq, nupes,
/// omniquant, powerquant, quip, rtn, signround, signround_v2, squeezellm, stochastic, tesseraq.
RoundingRegistry& RoundingSchemes();

/// A layer whose codes are decided already, and what is to be said of it.
std::unique_ptr<LayerRounding> FixedRounding(QuantizedWeight weight, Diagnostics diagnostics = {});

/// layer.Finish(). Throws Error, beginning with `name`, for a weight that does not fit together or
/// is no [out, in] of `weight`.
QuantizedWeight FinishedWeight(const LayerRounding& layer, const std::string& name,
                               const at::Tensor& weight);

/// Throws Error for a layer with a weight that is not finite.
void RequireFiniteWeight(const LayerContext& layer);

/// With its defaults; null where it requires an option.
std::shared_ptr<const RoundingScheme> SchemeByName(const std::string& name);
/// Names of those that, with their defaults, are so; for messages.
std::vector<std::string> SchemesThat(const std::function<bool(const RoundingScheme&)>& are);

}  // namespace roundlab
