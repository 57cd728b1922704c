#include <nlohmann/json.hpp>

#include "core/config/enum_field.h"
#include "core/config/node.h"
#include "experiments/bench/bench.h"
#include "rounding/scheme.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {
namespace {

const EnumNames<BenchProducts> kProducts = {{BenchProducts::kBFloat16, "bfloat16"},
                                            {BenchProducts::kFloat16, "float16"},
                                            {BenchProducts::kFloat32, "float32"}};

const EnumNames<ChainPlace> kPlaces = {
    {ChainPlace::kDevice, "device"}, {ChainPlace::kHost, "host"}, {ChainPlace::kFile, "file"}};

const EnumNames<GridKind>& TunedGrids() {
  static const auto names = [] {
    const auto scheme = RoundingSchemes().FromText("type: signround").make();
    EnumNames<GridKind> tuned = GridNames();
    std::erase_if(tuned,
                  [&](const auto& name) { return !scheme->OnGrid({.grid = name.first}).takes; });
    return tuned;
  }();
  return names;
}

}  // namespace

void BenchOptions::Fields(FieldVisitor& f) {
  EnumField products_field(&products, kProducts);
  f.Value("products", products_field, "dtype of matrix products and hidden states");
  f.Int("batch", &batch, AtLeast(1), "sequences of a step");
  f.Int("seqlen", &seqlen, AtLeast(2), "tokens of a sequence");
  f.Int("steps", &steps, AtLeast(3), "steps timed; parts are timed half as often");
  f.Int("blocks", &blocks, AtLeast(0), "blocks of a model to round, too; 0: none");
  f.Int("samples", &samples, AtLeast(1), "of that model's calibration, each seqlen tokens");
  f.Int("tune_steps", &tune_steps, AtLeast(1), "of each of its blocks");
  EnumField grid_field(&grid, TunedGrids());
  f.Value("grid", grid_field, "of the codes that steps tune");
  EnumField gradient_field(&gradient_precision, GradientPrecisionNames());
  f.Value("gradient_precision", gradient_field, "of the weights' gradients in a step");
  f.Bool("deterministic", &deterministic,
         "on a GPU: attention's backward pass has one order of sums");
  EnumField chains_field(&chains, kPlaces);
  f.Value("chains", chains_field, "where the hidden states of all its samples lie");
}

BenchOptions ReadBenchOptions(const std::vector<std::string>& assignments) {
  BenchOptions options;
  ReadAssignments(assignments, FieldsOf(&options));
  return options;
}

std::string BenchJson(const std::vector<Benchmark>& benchmarks) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Benchmark& b : benchmarks) {
    nlohmann::ordered_json entry = {{"name", b.name},
                                    {"seconds", b.seconds},
                                    {"floor_seconds", b.floor_seconds},
                                    {"ratio", b.Ratio()}};
    if (b.peak_bytes > 0) entry["peak_bytes"] = b.peak_bytes;
    for (const auto& [name, value] : b.parts) entry["parts"][name] = value;
    for (const auto& [name, value] : b.figures) entry["figures"][name] = value;
    list.push_back(entry);
  }
  return nlohmann::ordered_json{{"benchmarks", list}}.dump(1);
}

}  // namespace roundlab
