#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "core/config/fields.h"
#include "core/metrics/provenance.h"
#include "core/metrics/run_record.h"
#include "core/model/loader.h"
#include "rounding/pipeline.h"
#include "tests/support/sanitized.h"
#include "tests/support/source_folder.h"
#include "tests/support/tiny_model.h"

// What a pipeline makes of one tiny model, compared with committed hashes: a change of code that is
// not meant to change results must leave them. Sums of matrix products differ in their last bits
// between kinds of processors, and with them the codes of what is tuned: pinned_codes.txt has a
// section a kind, and `any` for what needs no sums.

namespace roundlab {
namespace {

using testing::TinyModel;

const char* const kFile = "/tests/rounding/pinned_codes.txt";

struct PinnedCase {
  std::string scheme;
  std::string unit;
  std::string inputs;
  std::string dtype;

  std::string Name() const { return scheme + " " + unit + " " + inputs + " " + dtype; }
};

/// The processor as far as it decides about the order of sums.
std::string ProcessorKind() {
  std::ifstream info("/proc/cpuinfo");
  std::string vendor = "unknown";
  std::string units;
  for (std::string line; std::getline(info, line) && units.empty();) {
    if (line.starts_with("vendor_id")) vendor = line.substr(line.find(':') + 2);
    if (!line.starts_with("flags")) continue;
    units = at::get_cpu_capability();
    for (const char* flag : {"amx_bf16", "avx512_bf16", "avx512_fp16", "avx512_vnni"}) {
      if ((line + " ").find(std::string(" ") + flag + " ") != std::string::npos) {
        units += std::string("+") + flag;
      }
    }
  }
  return vendor + "/" + units;
}

std::string CodesOf(const PinnedCase& c, const ModelFiles& files) {
  const std::string unit = c.unit == "2" ? "{blocks: 2}" : c.unit;
  const std::string text =
      "type: round\nscheme: {type: " + c.scheme + "}\nunit: " + unit + "\ninputs: " + c.inputs +
      "\noptimizer: sign_sgd\nschedule: linear\nloss: mse\nsteps: 3\nbatch: 2\n"
      "lr_times_steps: 0.3\nselect: last\nnever_worse: false\n";
  QuantOptions quant;
  quant.spec.bits = 3;
  quant.spec.group_size = 16;
  PipelineInputs inputs;
  inputs.source = &files;
  at::Generator generator = at::detail::createCPUGenerator(5);
  inputs.tokens = at::randint(0, 256, {4, 12}, generator, at::TensorOptions(at::kLong));
  inputs.dtype = c.dtype == "float32"   ? at::kFloat
                 : c.dtype == "float16" ? at::kHalf
                                        : at::kBFloat16;
  inputs.seed = 11;
  RunRecord record;
  Log log("", true);
  return QuantizeModel(inputs, quant, {Stages().FromText(text)}, &record, &log).CodesSha256();
}

std::vector<PinnedCase> Cases(const std::string& kind) {
  std::vector<PinnedCase> cases;
  if (kind == "any") {
    for (const char* scheme : {"rtn", "stochastic"})
      cases.push_back({scheme, "block", "fp", "float32"});
    return cases;
  }
  for (const char* scheme : {"signround", "adaround"}) {
    for (const char* unit : {"linear", "block", "2"}) {
      for (const char* inputs : {"quantized", "fp"}) {
        for (const char* dtype : {"float32", "float16", "bfloat16"}) {
          cases.push_back({scheme, unit, inputs, dtype});
        }
      }
    }
  }
  return cases;
}

/// Lines "kind | case | hash".
std::map<std::string, std::string> Pinned(const std::string& kind) {
  std::map<std::string, std::string> pinned;
  std::ifstream file(testing::SourceFolder() + kFile);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kind + " | ")) continue;
    const std::size_t hash = line.rfind(" | ");
    const std::size_t begin = kind.size() + 3;
    pinned[line.substr(begin, hash - begin)] = line.substr(hash + 3);
  }
  return pinned;
}

void CheckKind(const std::string& kind) {
  const std::string folder = ::testing::TempDir() + "/pinned_" + std::to_string(::getpid());
  TinyModel().Write(folder);
  const ModelFiles files(folder);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto pinned = Pinned(kind);
  std::string lines;
  for (const PinnedCase& c : Cases(kind)) {
    const std::string hash = CodesOf(c, files);
    lines += kind + " | " + c.Name() + " | " + hash + "\n";
    if (pinned.empty()) continue;
    const auto found = pinned.find(c.Name());
    EXPECT_TRUE(found != pinned.end()) << c.Name() << " is not pinned";
    if (found == pinned.end()) continue;
    EXPECT_EQ(hash, found->second) << "the codes of '" << c.Name() << "' moved";
  }
  at::set_num_threads(threads);
  std::filesystem::remove_all(folder);
  if (pinned.empty()) {
    GTEST_SKIP() << "tests/rounding/pinned_codes.txt has nothing for this processor; its lines:\n"
                 << lines;
  }
}

TEST(PinnedCodesTest, WithoutSums) { CheckKind("any"); }
TEST(PinnedCodesTest, OnThisKindOfProcessor) {
  if (testing::kSanitized) GTEST_SKIP() << "instrumented code adds up in another order";
  CheckKind(ProcessorKind());
}

}  // namespace
}  // namespace roundlab
