#include <cstdio>

#include "core/base/gib.h"
#include "core/kernels/cuda/load.h"
#include "core/kernels/device.h"
#include "core/model/shapes.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/timing.h"
#include "experiments/cli/commands.h"

namespace roundlab {
namespace {

void Print(const Benchmark& b) {
  std::printf("%s: %.2f ms, products %.2f ms, ratio %.3f", b.name.c_str(), 1e3 * b.seconds,
              1e3 * b.floor_seconds, b.Ratio());
  if (b.peak_bytes > 0) std::printf(", peak %.1f GiB", static_cast<double>(b.peak_bytes) / kGib);
  std::printf("\n");
  for (const auto& [name, seconds] : b.parts) {
    std::printf("  %-28s %9.3f ms\n", name.c_str(), 1e3 * seconds);
  }
  for (const auto& [name, value] : b.figures) {
    std::printf("  %-28s %12.6g\n", name.c_str(), value);
  }
}

void TellDevice(const at::Device& device) {
  std::string text = DeviceName(device);
  if (device.is_cuda() && cuda::KernelsOn(device) == nullptr) {
    const std::string why = cuda::KernelsProblem();
    text += ", without fused kernels: " + (why.empty() ? "the card is older than sm_80" : why);
  }
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

int BenchCommand(const CommandLine& line) {
  BenchOptions options = ReadBenchOptions(line.set);
  std::vector<std::string> shapes = line.arguments;
  for (const std::string& shape : shapes) DescribeShape(shape);  // before any takes its minutes
  options.device = FindDevice(ParseDevice(line.device.empty() ? "auto" : line.device));
  CheckDtype(options.device, TorchType(options.products));
  if (options.gradient_precision == GradientPrecision::kFloat8)
    CheckDtype(options.device, at::kFloat8_e4m3fn);
  if (!options.deterministic) AllowAnyOrder();
  if (shapes.empty() && options.device.is_cuda()) shapes = {"llama3-8b", "llama2-70b"};
  if (shapes.empty()) shapes = {"smollm2-135m"};
  if (!line.quiet) TellDevice(options.device);
  std::vector<Benchmark> all;
  for (const std::string& shape : shapes) {
    std::vector<Benchmark> of_shape = BenchBlock(shape, options);
    of_shape.push_back(BenchHead(shape, options));
    of_shape.push_back(BenchSolver(shape, options));
    if (options.blocks > 0) of_shape.push_back(BenchModel(shape, options));
    for (Benchmark& b : of_shape) {
      if (!line.json) Print(b);
      all.push_back(std::move(b));
    }
  }
  if (line.json) std::printf("%s\n", BenchJson(all).c_str());
  return 0;
}

}  // namespace roundlab
