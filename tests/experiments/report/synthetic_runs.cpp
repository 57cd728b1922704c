#include "tests/experiments/report/synthetic_runs.h"

#include <cmath>
#include <fstream>

#include "core/base/files.h"
#include "core/metrics/hdf5_file.h"
#include "experiments/plan/experiment.h"
#include "experiments/run/run_file.h"

namespace roundlab::testing {
namespace {

std::string ExperimentYaml(const SyntheticRuns& runs) {
  std::string yaml =
      "name: synthetic\nmodel: m/\nquant: {bits: 4, group_size: 16}\n"
      "calibration: {data: {path: t}, protocol: plain, samples: 8, seqlen: 16}\n"
      "eval: [{type: perplexity, name: t, data: {path: t}, seqlen: 16}]\n"
      "axes:\n  - name: width\n    values:\n";
  for (std::size_t i = 0; i < runs.widths; ++i) {
    // Distinct configs: 4 to 2 bits, then other group sizes.
    yaml += "      W" + std::to_string(i) + ": {quant.bits: " + std::to_string(4 - i % 3) +
            ", quant.group_size: " + std::to_string(16 * (1 + i / 3)) + "}\n";
  }
  yaml +=
      "  - name: method\n    values:\n      fp: {}\n"
      "      rtn: {pipeline: [{type: round, scheme: {type: rtn}}]}\n"
      "      signround: {pipeline: [{type: round, scheme: {type: signround}}]}\n"
      "      \"<b>&bold</b>\": {pipeline: [{type: round, scheme: {type: adaround}}]}\nseeds: [0";
  for (std::size_t i = 1; i < runs.seeds; ++i) yaml += ", " + std::to_string(i);
  return yaml + "]\ntables:\n  - {rows: method, columns: width, value: t/perplexity}\n";
}

RunRecord Record(std::size_t blocks, const RunConfig& config) {
  RunRecord record;
  const double bits = static_cast<double>(config.quant->spec.bits);
  const auto seed = static_cast<double>(config.seed);
  for (std::size_t b = 0; b < blocks; ++b) {
    const auto block = static_cast<double>(b);
    const std::string unit = "tune/block_" + std::to_string(b) + "/loss";
    for (int step = 0; step < 200; ++step) {
      const double noise = 1 + 0.1 * std::sin(step * (seed + 2) + block);
      record.Record(unit, step,
                    (1 + block) * std::exp2(-bits) * noise * (0.3 + 60.0 / (60 + step)));
    }
    for (const char* kind : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      const std::string layer = "layers/model.layers." + std::to_string(b) + "." + kind + "/";
      record.Array(layer + "flip_rate", {1}, {0.1 + 0.01 * block + 0.001 * seed});
      record.Array(layer + "output_snr_db", {1}, {6 * bits - block + seed});
      record.Array(layer + "offset_histogram", {22}, std::vector<double>(22, 1 + block));
    }
  }
  return record;
}

void WriteRun(const std::string& folder, std::size_t blocks, const PlannedRun& run) {
  MakeFolder(folder);
  const RunConfig& config = run.config;
  const bool quantized = !config.pipeline.empty();
  const auto seed = static_cast<double>(config.seed);
  RunResult result;
  result.id = run.id;
  result.status = "complete";
  result.config = config.Canonical();
  result.provenance = {{"commit", "0123456789ab"},
                       {"config", result.config},
                       {"cpu", "a cpu"},
                       {"seed", std::to_string(config.seed)}};
  const double bits = static_cast<double>(config.quant->spec.bits);
  result.metrics["t/perplexity"] = quantized ? 30 + 200 * std::exp2(-bits) + 0.25 * seed : 30;
  if (quantized) {
    result.metrics["model/bits_per_weight"] =
        bits + 32 / static_cast<double>(config.quant->spec.group_size);
  }
  result.timing = {{"total", 10 + seed + (quantized ? 20 : 0)}};
  std::ofstream(folder + "/config.yaml") << result.config;
  std::ofstream(folder + "/log.txt") << "made up\n";
  const bool tuned = config.Needs().tunes;
  WriteRunFile(folder + "/run.h5", tuned ? Record(blocks, config) : RunRecord(),
               {{"status", "complete"}});
  WriteRunResult(folder + "/run.json", result);
}

}  // namespace

void SyntheticRuns::Write(const std::string& folder) const {
  MakeFolder(folder);
  WriteFileAtomically(folder + "/experiment.yaml", ExperimentYaml(*this));
  const Experiment experiment = LoadExperiment(folder + "/experiment.yaml", {});
  for (const PlannedRun& run : experiment.runs) {
    WriteRun(folder + "/" + run.id, blocks, run);
  }
}

}  // namespace roundlab::testing
