#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <filesystem>

#include "core/base/log.h"
#include "core/kernels/device.h"
#include "core/metrics/run_record.h"
#include "core/model/random_source.h"
#include "core/model/shapes.h"
#include "experiments/bench/timing.h"
#include "rounding/pipeline.h"

namespace roundlab {

Benchmark BenchModel(const std::string& shape, const BenchOptions& options) {
  ModelDescription model = DescribeShape(shape);
  const auto layers = static_cast<double>(model.layers);
  const BareProducts bare = TimeProducts(model, options);
  model.layers = options.blocks;
  model.vocab = std::min<std::int64_t>(model.vocab, 1024);  // the ends are not what is measured
  const RandomSource source(model, "random:" + shape, 0, options.device);
  QuantOptions quant;
  quant.spec.bits = 4;
  quant.spec.grid = options.grid;
  quant.spec.group_size = GroupSize(model.Plan(0));
  at::Generator generator = at::detail::createCPUGenerator(1);
  PipelineInputs inputs;
  inputs.source = &source;
  inputs.tokens = at::randint(0, model.vocab, {options.samples, options.seqlen}, generator,
                              at::TensorOptions(at::kLong));
  inputs.dtype = TorchType(options.products);
  inputs.device = options.device;
  inputs.chain_place = options.chains;
  inputs.spare_chain = options.chains != ChainPlace::kFile;
  inputs.chain_folder = std::filesystem::temp_directory_path().string();
  DeviceTimer timer(options.device);
  inputs.unit_kept = [&] { timer.Mark(); };
  const std::string stage = "type: round\nscheme: signround\nlr_times_steps: 1\nsteps: " +
                            std::to_string(options.tune_steps) +
                            "\nbatch: " + std::to_string(options.batch) + "\n";
  RunRecord record;
  Log log("", true);
  ReleaseMemory(options.device);
  WatchPeak(options.device);
  timer.Mark();
  const QuantizedModel made =
      QuantizeModel(inputs, quant, {Stages().FromText(stage)}, &record, &log);
  Benchmark result{"signround_block_of_model/" + shape};
  std::vector<double> seconds = timer.Seconds();
  result.parts.emplace_back("first_block_and_embedding", seconds.front());
  if (seconds.size() > 1) seconds.erase(seconds.begin());
  std::sort(seconds.begin(), seconds.end());
  result.seconds = seconds[seconds.size() / 2];
  result.floor_seconds = static_cast<double>(options.tune_steps) *
                         (bare.linear_forward + bare.weight_gradient + bare.input_gradient +
                          bare.attention_forward + bare.attention_backward);
  result.peak_bytes = PeakBytes(options.device);
  result.figures = {{"blocks", static_cast<double>(options.blocks)},
                    {"samples", static_cast<double>(options.samples)},
                    {"tune_steps", static_cast<double>(options.tune_steps)},
                    {"minutes_of_all_blocks", result.seconds * layers / 60},
                    {"bits_per_weight", made.BitsPerWeight()}};
  return result;
}

}  // namespace roundlab
