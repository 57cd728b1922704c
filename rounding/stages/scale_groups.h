#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "core/model/block.h"

namespace roundlab {

class Unit;
class UnitWork;

/// Linears of a block that share an input whose channels may be scaled: x / s and W diag(s) leave
/// the block's function as it is.
struct ScaleGroup {
  std::vector<LinearSlot*> slots;    ///< all that read the input
  std::vector<LinearSlot*> watched;  ///< whose outputs tell what rounding `slots` does
  std::string obstacle;              ///< why the input can't be scaled, or ""
  NormSlot* norm = nullptr;          ///< that gives the input, where one does
  /// Divides the input by s [in] where it comes from.
  std::function<void(const at::Tensor& s)> divide_input;
  /// Takes d [in] from the input where it comes from; empty where that has no place for it (a norm
  /// without a bias).
  std::function<void(const at::Tensor& d)> shift_input;
  LinearSlot* made_by = nullptr;  ///< whose rows divide_input divides, from `first_row` on
  std::int64_t first_row = 0;
};

/// Rows of q and k whose product attention takes: q / t and k t leave it as it is.
struct QueryKeyGroup {
  LinearSlot* query = nullptr;
  LinearSlot* key = nullptr;
  std::string obstacle;      ///< why rows can't be scaled, or ""
  std::int64_t factors = 0;  ///< that are free
  at::Tensor of_query;       ///< [rows of q] int64: the factor of each row, as of_key
  at::Tensor of_key;
};

/// That of the block's attention: a factor for each key head and dimension, one for both of two
/// dimensions that rotary positions turn into each other; query heads that share a key head share
/// its factors. Empty where there is no attention.
std::vector<QueryKeyGroup> QueryKeyGroups(DecoderBlock* block);

/// q / t and k t, biases too. t: [factors] float32, not 0.
void Fold(const QueryKeyGroup& group, const at::Tensor& t);

/// d is taken from the group's input and given back by the biases of its linears. d: [in] float32;
/// shift_input is there.
void Shift(const ScaleGroup& group, const at::Tensor& d);

/// The inputs that norms give: of q, k and v, of gate and up, or of all in parallel blocks.
std::vector<ScaleGroup> NormGroups(DecoderBlock* block);
std::vector<ScaleGroup> NormGroups(const Unit& unit);  ///< of all of its blocks
/// That of the attention's output layer, made by v. Empty where there is no attention.
std::vector<ScaleGroup> OutputGroups(DecoderBlock* block);
/// That of down, made by up. Empty where there are experts (their up and gate have the obstacle).
std::vector<ScaleGroup> DownGroups(DecoderBlock* block);

/// Those of a unit's groups whose input can be scaled. Of the others it is told why they are
/// `undone`
/// ("model.layers.0.mlp.up_proj: not smoothed, since it feeds experts"), and of the unit where
/// there are none at all.
std::vector<ScaleGroup> FreeGroups(const UnitWork& work, std::vector<ScaleGroup> groups,
                                   const std::string& undone);

std::vector<at::Tensor> Weights(const ScaleGroup& group);  ///< of its slots
/// The largest |w| that each channel of an input meets in `weights` [out, in] each: [in].
at::Tensor LargestByInput(const std::vector<at::Tensor>& weights);

/// W <- W diag(s) for the group's linears, and the input divided by s. s: [in] float32, > 0.
void Fold(const ScaleGroup& group, const at::Tensor& s);

}  // namespace roundlab
