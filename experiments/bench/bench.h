#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/kernels/linear.h"
#include "core/quant/spec.h"
#include "rounding/hidden_states.h"

namespace roundlab {

/// A part of the work beside the bare matrix products it can't do without, both timed in this
/// process.
struct Benchmark {
  std::string name;          ///< "signround_step/llama3-8b"
  double seconds = 0;        ///< median
  double floor_seconds = 0;  ///< of the products, each alone
  /// Of the device's memory; on the CPU what is resident, the program itself with it.
  std::int64_t peak_bytes = 0;
  /// What else was timed: parts of the floor and of the work, in seconds.
  std::vector<std::pair<std::string, double>> parts = {};
  /// What else was found: losses, bytes a second.
  std::vector<std::pair<std::string, double>> figures = {};

  double Part(const std::string& part) const;  ///< seconds; throws where there is none
  double Ratio() const { return floor_seconds > 0 ? seconds / floor_seconds : 0; }
};

enum class BenchProducts { kBFloat16, kFloat16, kFloat32 };

struct BenchOptions {
  at::Device device = at::kCPU;
  BenchProducts products = BenchProducts::kBFloat16;
  std::int64_t batch = 8;
  std::int64_t seqlen = 2048;
  std::int64_t steps = 20;
  std::int64_t blocks = 0;  ///< of BenchModel; 0: not run
  std::int64_t samples = 128;
  std::int64_t tune_steps = 200;
  GridKind grid = GridKind::kAsym;  ///< of BenchBlock's step and BenchModel
  GradientPrecision gradient_precision = GradientPrecision::kProducts;  ///< of BenchBlock's step
  ChainPlace chains = ChainPlace::kDevice;                              ///< of BenchModel
  bool deterministic = true;     ///< as compute.deterministic
  void Fields(FieldVisitor& f);  ///< all but the device
};

/// Options with KEY=VALUE assignments. Throws ConfigError with all that is wrong.
BenchOptions ReadBenchOptions(const std::vector<std::string>& assignments);

/// One SignRound step (W4G128, or the next smaller group size
/// that divides all columns; asymmetric, float32 scales) and one forward pass, as evaluation
/// makes it, of a block of random weights, with the scheme, the tuner and the block that runs use.
/// `shape`: see DescribeShape, which throws Error for another name. The floors: forward product of
/// each linear layer and the two of attention over the causal half; for the step also the weight
/// gradient of each, the input gradient where a tuned layer lies before it in the block, and the
/// five products of attention's backward pass.
std::vector<Benchmark> BenchBlock(const std::string& shape, const BenchOptions& options);

/// Likelihoods of tokens from hidden states by a head of random weights, as perplexity takes them
/// (on the CPU of options.seqlen tokens). The floor: the head's product.
Benchmark BenchHead(const std::string& shape, const BenchOptions& options);

/// SignRound of the first options.blocks blocks of a model of random weights, with the pipeline
/// that runs use: seconds of a block (the median of those after the first, all that is done for
/// one: its weights made, both chains, tuning, diagnostics), beside the bare products of its tuning
/// steps.
Benchmark BenchModel(const std::string& shape, const BenchOptions& options);

/// GPTQ's solve of all linear layers of a block, float32, W4, random weights and second moments of
/// random inputs, one layer after the other. The floor: its Cholesky factors and matrix products.
Benchmark BenchSolver(const std::string& shape, const BenchOptions& options);

/// {"benchmarks": [{"name", "seconds", "floor_seconds", "ratio", "peak_bytes" where it was watched,
/// "parts": {...}, "figures": {...}}, ...]}
std::string BenchJson(const std::vector<Benchmark>& benchmarks);

}  // namespace roundlab
