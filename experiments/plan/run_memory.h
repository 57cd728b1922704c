#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/base/gib.h"
#include "core/model/description.h"
#include "experiments/plan/run_config.h"
#include "rounding/hidden_states.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

/// How the run's stages take steps, those that do.
std::vector<TuneOptions> TuningOf(const RunConfig& run);

/// Sequences that an optimizer step of a run that tunes takes; of one that does not, those of a
/// pass.
std::int64_t StepRows(const RunConfig& run);

/// Linear weights of a block, on average.
double BlockWeights(const ModelDescription& model);

/// Bytes of both ends and all norms: float32, but for a head on a GPU, which is multiplied in
/// products of `value` bytes.
double EndBytes(const ModelDescription& model, double value, bool gpu);
/// Those and the linear weights in `value` bytes: a model that is evaluated in memory as a whole.
double BytesInMemory(const ModelDescription& model, double value, bool gpu);

/// What a run holds at the most, bytes, by what it is of. With P linear weights in a unit, E bytes
/// a value of products and T tokens in a micro-batch.
struct RunMemory {
  double program = 0;  ///< this, ends, codes and ahead are in the machine's memory
  double ends = 0;     ///< embeddings and head
  double codes = 0;    ///< of all layers
  double ahead = 0;    ///< weights of the next unit
  /// 4 P as loaded and E P as rounded (4 P where nothing is tuned).
  double weights = 0;
  /// E P of the rounded weights, what their graph keeps (LayerTraits::kept), and as much as is
  /// learned unless the backward pass steps.
  double gradients = 0;
  /// 4 P times LayerTraits::trained; as much for each copy (as it started, best so far, last known
  /// as good) and each moment of the optimizer.
  double learned = 0;
  /// What the forward pass keeps of a micro-batch, E T (4 hidden + 2 heads head_dim + 2 kv_heads
  /// head_dim + 3 intermediate) a block (2 without a gate, 1 with ReLU), with 2 heads seqlen where
  /// scores have a cap, 1 where they have slopes; and in one block the backward pass, E T (2 hidden
  /// + 2 intermediate), 3 heads seqlen of such scores; or what a pass without gradients takes, if
  /// that is more.
  double activations = 0;
  double chain = 0;  ///< one of these, which are hidden states of all samples
  double chains = 0;
  /// One chain more, which saves a tuned unit a pass where there is room for it, beside the others.
  double spare = 0;
  /// Rows of a micro-batch of all chains, and of the next, where those lie elsewhere.
  double coming = 0;
  /// Of all samples, inputs and outputs of a layer that is tuned by itself, or of those that a
  /// stage looks at again (Stage::CapturedValues).
  double captured = 0;
  double statistics = 0;  ///< sums of products of layers' inputs
  double solving = 0;     ///< what a solver holds of one layer (Stage::WorkingBytes)
  double describing = 0;  ///< what DescribeLayer holds of the largest layer
  /// Of what looks at the whole model before all else: a rotation that is learned, gradients for
  /// quant.budget or Fisher information.
  double before = 0;
  double evaluated = 0;  ///< the model that is evaluated, in memory as a whole
  double streamed = 0;   ///< the same block by block
  double states = 0;     ///< hidden states of all that it scores, between its streamed blocks
  double compared = 0;   ///< blocks of the original, where an evaluator compares with it
  double read = 0;       ///< the next block, meanwhile, in the machine's memory

  /// Layers are solved and described when no pass is under way.
  double Unit() const {
    return weights + gradients + learned + std::max({activations, solving, describing}) +
           statistics;
  }
  double Chains() const { return chains + captured; }
};

/// bytes_per_value: E. eval_tokens: that evaluation scores. Where run.compute.device is left open,
/// of a CPU.
RunMemory RunMemoryOf(const RunConfig& run, const ModelDescription& model, double bytes_per_value,
                      std::int64_t eval_tokens = 0);

/// Where a run's memory is counted and how much there is; by default without a bound.
struct MemoryRoom {
  bool gpu = false;                                          ///< that computes, else the CPU
  double bytes = std::numeric_limits<double>::infinity();    ///< of what computes
  double machine = std::numeric_limits<double>::infinity();  ///< beside a GPU
};

struct ChainsPlaced {
  ChainPlace place = ChainPlace::kDevice;
  bool spare = false;  ///< whether the spare chain has room there
};
/// Where the chains lie: with what computes where they fit, else in the machine's memory, else in a
/// file.
ChainsPlaced PlaceChains(const RunMemory& memory, const MemoryRoom& room);

/// "on cuda:0", "in memory", "in pinned memory", "in a file".
std::string PlaceText(ChainPlace place, const at::Device& device);

/// Of the device that computes, with the chains where PlaceChains says. On a CPU what rounding has
/// freed counts as held where the evaluated model asks whether it fits, and is used again by it.
double PeakBytes(const RunMemory& memory, const MemoryRoom& room);

/// For hidden states of the original between its blocks, beside a model of so many bytes in memory.
std::int64_t StatesBesideModel(std::int64_t model_bytes);

/// What is wrong with a unit that does not fit by itself, and what to set, or "".
std::string UnitProblem(const RunMemory& memory, const MemoryRoom& room);

}  // namespace roundlab
