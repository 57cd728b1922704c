#include "experiments/bench/timing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/model/shapes.h"

namespace roundlab {
namespace {

std::vector<std::string> OperationsOf(const char* shape) {
  BenchOptions options = ReadBenchOptions({"products=float32", "batch=1", "seqlen=4", "steps=3"});
  Benchmark timed;
  TimeOperations(DescribeShape(shape), options, &timed);
  std::vector<std::string> names;
  for (const auto& [name, seconds] : timed.parts) names.push_back(name);
  return names;
}

TEST(TimingTest, OnlyWhatABlockDoesIsTimed) {
  EXPECT_EQ(OperationsOf("llama2-7b"),
            (std::vector<std::string>{"attention_forward_backward", "rope_forward_backward",
                                      "swiglu_forward_backward", "norm_forward_backward",
                                      "mse_forward_backward", "residual_add"}));
  EXPECT_EQ(OperationsOf("opt-125m"),  // learned positions, no gate
            (std::vector<std::string>{"attention_forward_backward", "norm_forward_backward",
                                      "mse_forward_backward", "residual_add"}));
}

TEST(TimingTest, ChainsCanLieElsewhere) {
  EXPECT_EQ(ReadBenchOptions({}).chains, ChainPlace::kDevice);
  EXPECT_EQ(ReadBenchOptions({"chains=host"}).chains, ChainPlace::kHost);
  EXPECT_EQ(ReadBenchOptions({"chains=file"}).chains, ChainPlace::kFile);
}

}  // namespace
}  // namespace roundlab
