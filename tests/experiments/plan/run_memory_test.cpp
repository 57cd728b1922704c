#include "experiments/plan/run_memory.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "core/model/families/llama.h"
#include "core/model/shapes.h"
#include "tests/experiments/load_run.h"

namespace roundlab {
namespace {

using testing::LoadRun;

ModelDescription Llama(std::int64_t layers, std::int64_t hidden, std::int64_t intermediate,
                       std::int64_t heads, std::int64_t kv_heads, std::int64_t vocab) {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = layers;
  m.hidden = hidden;
  m.intermediate = intermediate;
  m.heads = heads;
  m.kv_heads = kv_heads;
  m.head_dim = hidden / heads;
  m.vocab = vocab;
  return m;
}

RunConfig Tuned(const std::string& stage, int samples = 4, int seqlen = 10) {
  return LoadRun("model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: " +
                 std::to_string(samples) + ", seqlen: " + std::to_string(seqlen) +
                 "}\npipeline: [{type: round, " + stage + "}]\n");
}

TEST(RunMemoryTest, CountsByHand) {
  // A block has 7 x 8 x 8 = 448 weights; a step takes 2 x 10 tokens.
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  const RunMemory memory = RunMemoryOf(Tuned("scheme: signround, batch: 2"), m, 4);
  EXPECT_EQ(memory.weights, 448 * 8);
  EXPECT_EQ(memory.gradients, 448 * 4);
  EXPECT_EQ(memory.learned, 448 * 12);  // now, as it started, the best
  EXPECT_EQ(memory.activations, 20 * 4 * (6 * 8 + 2 * 8 + 2 * 8 + 5 * 8));
  EXPECT_EQ(memory.Unit(), 20352);
  EXPECT_EQ(memory.chains, 2 * 40 * 8 * 4);
  EXPECT_EQ(memory.captured, 0);
  EXPECT_EQ(memory.codes, 2 * 448);
  EXPECT_EQ(memory.ahead, 448 * 4);
  EXPECT_EQ(memory.ends, (2 * 16 * 8 + 5 * 8) * 4);
  EXPECT_EQ(memory.evaluated, 0);
}

// Peaks measured on a CPU with three blocks of gemma2 and two of bloom, 4 heads each, less what the
// program holds: 2.51 GiB with 8 x 2048 tokens of the first, 0.49 with 8 x 1024 of the second.
TEST(RunMemoryTest, ScoresWithACapSlopesOrSinksAreKept) {
  const ModelDescription plain = Llama(2, 8, 8, 2, 2, 16);
  const auto with = [&](const std::function<void(AttentionPlan*)>& change) {
    ModelDescription m = plain;
    m.block_plan = [plain, change](const ModelDescription&, std::int64_t block) {
      BlockPlan plan = plain.Plan(block);
      change(&plan.attention);
      return plan;
    };
    return m;
  };
  const ModelDescription capped = with([](AttentionPlan* plan) { plan->soft_cap = 30; });
  const ModelDescription sloped = with([](AttentionPlan* plan) { plan->alibi = true; });
  const ModelDescription sunk = with([](AttentionPlan* plan) { plan->sinks = "sinks"; });
  for (const auto& [device, bytes] : {std::pair{"", 4}, {"compute: {device: cuda}\n", 2}}) {
    const RunConfig run = LoadRun(
        std::string(
            "model: m/\nquant: {bits: 4}\npipeline: [{type: round, scheme: signround, batch: "
            "2}]\ncalibration: {data: {path: x}, samples: 4, seqlen: 10}\n") +
        device);
    const auto more = [&](const ModelDescription& m) {
      return RunMemoryOf(run, m, 2).activations - RunMemoryOf(run, plain, 2).activations;
    };
    EXPECT_EQ(more(capped), 2 * 2 * 10 * 10 * 5 * bytes);  // sequences, heads
    EXPECT_EQ(more(sloped), 2 * 2 * 10 * 10 * 4 * bytes);
    EXPECT_EQ(more(sunk), more(sloped));
  }
}

TEST(RunMemoryTest, WhatATuningKeepsCounts) {
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  const auto of = [&](const std::string& stage) { return RunMemoryOf(Tuned(stage), m, 2); };
  const RunMemory adam =
      of("scheme: signround, batch: 4, accumulate: 2, optimizer: {type: adam, lr: 0.01}, "
         "select: last, on_nan: rollback, inputs: fp");
  EXPECT_EQ(adam.gradients, 448 * (2 + 4));
  EXPECT_EQ(adam.learned, 448 * 4 * (1 + 2 + 2));
  // Two sequences a micro-batch; a pass takes all four, without gradients.
  EXPECT_EQ(adam.activations, 2 * std::max(20 * (6 + 2 + 2 + 5) * 8, 40 * (4 + 3) * 8));
  EXPECT_EQ(adam.chains, 2 * 40 * 8 * 2);  // inputs, and targets beside them
  EXPECT_EQ(of("scheme: signround, unit: {blocks: 2}, batch: 2").weights, 2 * 448 * 6);
  EXPECT_EQ(of("scheme: signround, unit: {blocks: 2}, batch: 2").ahead, 0);
  EXPECT_EQ(RunMemoryOf(LoadRun("model: m/\nquant: {bits: 4}\npipeline: [{type: round, scheme: "
                                "rtn}]\n"),
                        m, 4)
                .Chains(),
            0);
}

TEST(RunMemoryTest, WhatATransformLearnsDoesNotDependOnTheSchemeBehindIt) {
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  const auto with = [&](const std::string& scheme) {
    return RunMemoryOf(LoadRun("model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, "
                               "samples: 4, seqlen: 10}\npipeline: [let, {type: round, scheme: " +
                               scheme + "}]\n"),
                       m, 2);
  };
  EXPECT_EQ(with("rtn").learned, 0);  // a number a channel
  EXPECT_EQ(with("omniquant").gradients, with("rtn").gradients);
  EXPECT_GE(with("omniquant").Unit(), with("rtn").Unit());
}

TEST(RunMemoryTest, ALearnedTurnAndALossOfLogitsHoldTheWholeModel) {
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  const RunMemory turned = RunMemoryOf(
      LoadRun("model: {path: m/, rotate: {learn: {steps: 7, batch: 2}}}\nquant: {bits: 4}\n"
              "calibration: {data: {path: x}, samples: 4, seqlen: 10}\npipeline: [{type: round, "
              "scheme: rtn}]\n"),
      m, 4);
  // Two blocks of 448 weights, twice; embeddings and head; 20 tokens, the backward pass in one.
  EXPECT_EQ(turned.before, 4 * (2 * 896 + 2 * 16 * 8 + 2 * 20 * (4 + 2 + 2 + 3) * 8 +
                                20 * (2 + 2) * 8 + 4 * 20 * 16));
  EXPECT_EQ(PeakBytes(turned, {true}), turned.before);
  const std::string whole = "scheme: signround, unit: {blocks: 2}, batch: 2";
  const auto activations = [&](const std::string& stage) {
    return RunMemoryOf(Tuned(stage), m, 2).activations;
  };
  EXPECT_EQ(activations(whole + ", loss: soft_labels") - activations(whole), 6 * 20 * 16 * 4);
}

// results/gpu.md: peaks on an H200, 8 x 2048 tokens a step, bfloat16 products.
TEST(RunMemoryTest, AGpusPeakIsWithinATwentiethOfWhatWasMeasured) {
  const auto gib = [](const char* shape, const char* more, int samples, double room_gib) {
    const RunConfig run = Tuned(std::string("scheme: signround, batch: 8") + more, samples, 2048);
    MemoryRoom room;
    room.gpu = true;
    room.bytes = room_gib * kGib;
    return PeakBytes(RunMemoryOf(run, DescribeShape(shape), 2), room) / kGib;
  };
  // 16 sequences of both chains
  EXPECT_NEAR(gib("llama3-8b", ", never_worse: false", 16, 80), 7.63, 0.05 * 7.63);
  EXPECT_NEAR(gib("llama2-70b", ", never_worse: false", 16, 80), 23.11, 0.05 * 23.11);
  EXPECT_NEAR(gib("llama3-8b", ", never_worse: false", 128, 80), 11.2, 0.05 * 11.2);
  // chains in the machine's memory
  EXPECT_NEAR(gib("llama3-8b", "", 128, 8), 7.57, 0.05 * 7.57);
  EXPECT_NEAR(gib("llama2-70b", "", 512, 24), 23.73, 0.05 * 23.73);
}

// SmolLM2-135M, 128 x 512 tokens, batch 8 where it tunes (results/estimates.md).
TEST(RunMemoryTest, OnTheCpuItIsWithinATenthOfWhatWasMeasured) {
  ModelDescription m = Llama(30, 576, 1536, 9, 3, 49152);
  m.tied_head = true;
  const std::string head = "model: m/\neval: [{type: perplexity, data: {path: x}}]\n";
  for (const auto& [scheme, measured] : std::map<std::string, double>{
           {"rtn", 0.983}, {"gptq", 0.993}, {"signround, batch: 8", 1.089}}) {
    const RunConfig run =
        LoadRun(head +
                "quant: {bits: 4}\ncalibration: {data: {path: x}, samples: 128, seqlen: 512}\n"
                "pipeline: [{type: round, scheme: " +
                scheme + "}]\n");
    EXPECT_NEAR(PeakBytes(RunMemoryOf(run, m, 4), {}) / kGib, measured, measured / 10) << scheme;
  }
}

// Peaks that a simulated GPU has counted (tests/simulated_gpu), GiB, of 8 x 256 tokens in bfloat16.
TEST(RunMemoryTest, IsWhatAGpuHolds) {
  const ModelDescription m = Llama(2, 768, 2048, 12, 4, 1536);
  for (const auto& [stage, measured] : std::map<std::string, double>{
           {"scheme: signround", 0.1862},
           {"scheme: signround, optimizer: {type: adam, lr: 0.01}", 0.2440},
           {"scheme: signround, accumulate: 4", 0.1956},
           {"scheme: signround, unit: {blocks: 2}", 0.3377},
           {"scheme: flexround", 0.3549},
           {"scheme: lrq", 0.4009},
           {"scheme: tesseraq", 0.3075},
           {"scheme: omniquant", 0.1408},
           {"scheme: aquant", 0.2587},
           {"scheme: adaround", 0.4220},
           {"scheme: rtn", 0.0654},
           {"scheme: gptq", 0.1671}}) {
    const bool data = stage != "scheme: rtn";
    const bool tuned = data && stage != "scheme: gptq";
    const RunConfig run = LoadRun(
        "model: {path: m/, dtype: bfloat16}\nquant: {bits: 4, group_size: 64}\ncompute: {device: "
        "cuda}\n" +
        std::string(data ? "calibration: {data: {path: x}, samples: 8, seqlen: 256}\n" : "") +
        "pipeline: [{type: round, " + stage + (tuned ? ", steps: 2, batch: 8" : "") + "}]\n");
    const double planned = PeakBytes(RunMemoryOf(run, m, 2), {true}) / kGib;
    EXPECT_NEAR(planned, measured, 0.075 * measured) << stage;
  }
}

TEST(RunMemoryTest, IsWhatAGpuHoldsOfOtherStages) {
  const ModelDescription m = Llama(2, 768, 2048, 12, 4, 1536);
  const std::string round = "{type: round, scheme: rtn}";
  const std::string tuned = "{type: round, scheme: signround, steps: 2, batch: 8}";
  const std::string learned = "ranges: static, per: tensor, learn: {steps: 2, batch: 8}";
  for (const auto& [pipeline, measured] : std::map<std::string, double>{
           {"{type: activations, bits: 8}, " + tuned, 0.2243},
           {round + ", {type: activations, bits: 8, " + learned + "}", 0.3583},
           {"{type: let, steps: 2, batch: 8}, " + round, 0.2232},
           {"{type: teq, steps: 2, batch: 8}, " + round, 0.1317},
           {tuned + ", {type: lorc, rank: 8}", 0.1847},
           {"awq_scale, " + round, 0.1173},
           {round + ", scale_refit", 0.1007},
           {round + ", bias_correction", 0.1088}}) {
    const RunConfig run = LoadRun(
        "model: {path: m/, dtype: bfloat16}\nquant: {bits: 4, group_size: 64}\ncompute: {device: "
        "cuda}\ncalibration: {data: {path: x}, samples: 8, seqlen: 256}\npipeline: [" +
        pipeline + "]\n");
    const double planned = PeakBytes(RunMemoryOf(run, m, 2), {true}) / kGib;
    EXPECT_NEAR(planned, measured, 0.085 * measured) << pipeline;
  }
}

TEST(RunMemoryTest, GradientsOfTheWholeModelAreTakenOnTheProcessor) {
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  const auto before = [&](const std::string& device) {
    const RunConfig run = LoadRun(
        "model: m/\ncompute: {device: " + device +
        "}\nquant: {bits: 4, group_size: -1}\ncalibration: {data: {path: x}, samples: 4, seqlen: "
        "10}\npipeline: [{type: round, scheme: squeezellm}]\n");
    return RunMemoryOf(run, m, 4).before;
  };
  EXPECT_GT(before("cpu"), 0);
  EXPECT_EQ(before("cuda"), 0);
}

TEST(RunMemoryTest, LayerByLayerKeepsTheInputsOfTheWidestLayer) {
  const ModelDescription m = Llama(32, 4096, 11008, 32, 32, 32000);
  const RunMemory memory = RunMemoryOf(Tuned("scheme: adaround, unit: linear", 512, 2048), m, 4);
  // down_proj: inputs of both chains and its outputs.
  EXPECT_EQ(memory.captured, 512.0 * 2048 * (2 * 11008 + 4096) * 4);
}

TEST(RunMemoryTest, TheHeaviestBlockCounts) {
  const ModelDescription m = DescribeShape("nemotron3-nano-30b-a3b");
  const double experts = 128 * 2 * 1856.0 * 2688 + 2 * 3712.0 * 2688;
  EXPECT_EQ(RunMemoryOf(Tuned("scheme: signround"), m, 4).weights, experts * (4 + 4));
}

TEST(RunMemoryTest, WhatOneShotStagesKeepCounts) {
  const ModelDescription m = Llama(2, 8, 24, 2, 2, 16);
  const auto of = [&](const std::string& pipeline) {
    return RunMemoryOf(
        LoadRun("model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: 4, "
                "seqlen: 10}\npipeline: " +
                pipeline),
        m, 2);
  };
  const RunMemory awq = of("[awq_scale, {type: round, scheme: rtn}]");
  EXPECT_EQ(awq.chains, 2 * 40 * 8 * 2);           // what flows in, and what comes out
  EXPECT_EQ(awq.captured, 40 * (8 + 8 + 24) * 2);  // into o, the MLP and down
  EXPECT_EQ(awq.statistics, 0);
  const RunMemory few = of("[{type: awq_scale, sequences: 2}, {type: round, scheme: rtn}]");
  EXPECT_EQ(few.chains, 40 * 8 * 2);
  EXPECT_EQ(few.captured, awq.captured / 2);
  const double moments = 3 * 8 * 8 + 24 * 24;  // q, o, gate, down
  EXPECT_EQ(of("[{type: round, scheme: gptq}]").statistics, moments * 4);
  EXPECT_EQ(of("[{type: round, scheme: {type: gptq, asymmetric: true}}]").statistics,
            2 * moments * 4);
  EXPECT_EQ(of("[{type: round, scheme: {type: gptq, in_double: true}}]").statistics, moments * 8);
  EXPECT_EQ(of("[{type: round, scheme: gptq}]").captured, 0);
  // Five squares of down's second moment, and its weight twice.
  const RunMemory solved = of("[{type: round, scheme: gptq}]");
  EXPECT_EQ(solved.solving, (5 * 24 * 24 + 2 * 8 * 24) * 4);
  EXPECT_EQ(solved.Unit(), solved.weights + solved.solving + moments * 4);
  EXPECT_EQ(awq.solving, 7 * 4 * 8 * 24);
}

TEST(RunMemoryTest, ASpareChainIsThereWhereItFitsBesideTheOthers) {
  RunMemory m;
  m.weights = 10 * kGib;
  m.chains = 6 * kGib;
  m.chain = m.spare = 3 * kGib;
  EXPECT_TRUE(PlaceChains(m, {true, 19 * kGib}).spare);
  EXPECT_EQ(PeakBytes(m, {true, 19 * kGib}), 19 * kGib);
  EXPECT_FALSE(PlaceChains(m, {true, 18.9 * kGib}).spare);
  EXPECT_EQ(PeakBytes(m, {true, 18.9 * kGib}), 16 * kGib);
  EXPECT_TRUE(PlaceChains(m, {true, 15 * kGib, 12 * kGib}).spare);  // 3 x 4 pinned
  const ChainsPlaced tight = PlaceChains(m, {true, 15 * kGib, 11.9 * kGib});
  EXPECT_EQ(tight.place, ChainPlace::kHost);
  EXPECT_FALSE(tight.spare);
  EXPECT_FALSE(PlaceChains(m, {true, 15 * kGib, 7.9 * kGib}).spare);  // in a file
  const ModelDescription small = Llama(2, 64, 128, 4, 4, 256);
  const double chain = 512.0 * 2048 * 64 * 4;
  EXPECT_EQ(RunMemoryOf(Tuned("scheme: signround", 512, 2048), small, 4).spare, chain);
  for (const char* other :
       {"scheme: signround, never_worse: false", "scheme: signround, inputs: fp",
        "scheme: adaround, unit: linear", "scheme: rtn"}) {
    EXPECT_EQ(RunMemoryOf(Tuned(other, 512, 2048), small, 4).spare, 0) << other;
  }
}

TEST(RunMemoryTest, ChainsLieWhereTheyFit) {
  RunMemory m;
  m.weights = 10 * kGib;
  m.codes = kGib;
  m.chains = 6 * kGib;
  m.chain = 3 * kGib;
  const auto place = [&m](const MemoryRoom& room) { return PlaceChains(m, room).place; };
  EXPECT_EQ(place({false, 17 * kGib}), ChainPlace::kDevice);
  EXPECT_EQ(place({false, 16.9 * kGib}), ChainPlace::kFile);
  EXPECT_EQ(place({true, 16 * kGib}), ChainPlace::kDevice);
  EXPECT_EQ(place({true, 15.9 * kGib, 9 * kGib}), ChainPlace::kHost);  // 2 x 4 pinned
  EXPECT_EQ(place({true, 15.9 * kGib, 8.9 * kGib}), ChainPlace::kFile);
  m.chain = 2 * kGib;  // three of them
  EXPECT_EQ(place({true, 15.9 * kGib, 7 * kGib}), ChainPlace::kHost);
  EXPECT_EQ(place({true, 15.9 * kGib, 6.9 * kGib}), ChainPlace::kFile);
  EXPECT_EQ(PeakBytes(m, {true, 16 * kGib}), 16 * kGib);
  EXPECT_EQ(PeakBytes(m, {true, 15.9 * kGib}), 10 * kGib);
  EXPECT_EQ(PeakBytes(m, {false, 16.9 * kGib}), 11 * kGib);
  m.evaluated = 12 * kGib;
  m.streamed = kGib;
  EXPECT_EQ(PeakBytes(m, {true, 15.9 * kGib}), 12 * kGib);
  EXPECT_EQ(PeakBytes(m, {true, 11 * kGib}), 10 * kGib);
  EXPECT_EQ(PeakBytes(m, {}), 17 * kGib);
  EXPECT_EQ(PeakBytes(m, {false, 16.9 * kGib}), 11 * kGib);
}

TEST(RunMemoryTest, GradientsOfTheWholeModelCountBeforeAllElse) {
  const ModelDescription m = Llama(2, 8, 8, 2, 2, 16);
  // As loaded, as it runs, the gradient, and what is asked for; a sequence of 10 tokens at a time.
  const double bytes =
      4 * (4 * 896 + 2 * 16 * 8 + 10 * ((2 * (4 + 2 + 2 + 3) + 2 + 2) * 8 + 4 * 16));
  EXPECT_EQ(RunMemoryOf(Tuned("scheme: squeezellm"), m, 2).before, bytes);
  const auto spent = [&](const std::string& score) {
    return RunMemoryOf(LoadRun("model: m/\nquant: {budget: {bits: 4, score: " + score +
                               "}}\ncalibration: {data: {path: x}, samples: 4, seqlen: 10}\n"
                               "pipeline: [{type: round, scheme: rtn}]\n"),
                       m, 2)
        .before;
  };
  EXPECT_EQ(spent("delta_loss"), bytes);
  EXPECT_EQ(spent("fisher"), bytes);
  EXPECT_EQ(spent("output_snr"), 0);
}

TEST(RunMemoryTest, TheOriginalIsBesideTheModelThatIsComparedWithIt) {
  RunMemory m;
  m.evaluated = 12 * kGib;
  m.streamed = 2 * kGib;
  m.states = 8 * kGib;  // half of them the original's
  m.compared = 0.5 * kGib;
  EXPECT_EQ(PeakBytes(m, {true}), (12 + 0.5 + 12.0 / 8) * kGib);
  EXPECT_EQ(PeakBytes(m, {false}), (12 + 0.5 + 12.0 / 8 + 2.0 / 32) * kGib);  // a portion, twice
  m.states = kGib / 64;
  EXPECT_EQ(PeakBytes(m, {false}), (12 + 0.5 + 3.0 / 128) * kGib);
  EXPECT_EQ(PeakBytes(m, {true, 11 * kGib}), (2 + 1.0 / 64) * kGib);
}

TEST(RunMemoryTest, StatesBetweenStreamedBlocksTakeHalfOfWhatIsLeft) {
  RunMemory m;
  m.evaluated = 12 * kGib;
  m.streamed = 2 * kGib;
  m.read = kGib;
  m.states = 5 * kGib;
  EXPECT_EQ(PeakBytes(m, {true, 11 * kGib}), 6 * kGib);
  EXPECT_EQ(PeakBytes(m, {false, 11 * kGib}), 7 * kGib);  // the next block is there, too
  m.states = 3 * kGib;
  EXPECT_EQ(PeakBytes(m, {true, 11 * kGib}), 5 * kGib);
  EXPECT_EQ(PeakBytes(m, {true, 3 * kGib}), 2.125 * kGib);  // 128 MiB at the least
  const ModelDescription small = Llama(2, 64, 128, 4, 4, 256);
  const RunConfig run =
      LoadRun("model: m/\neval: [{type: perplexity, data: {path: t.txt}, seqlen: 64}]\n");
  EXPECT_EQ(RunMemoryOf(run, small, 2, 1000).states, 1000.0 * 64 * 2);
}

TEST(RunMemoryTest, AUnitThatDoesNotFitSaysWhatToSet) {
  RunMemory m;
  m.weights = 10.25 * kGib;
  m.chains = 6 * kGib;
  EXPECT_EQ(UnitProblem(m, {true, 10.25 * kGib}), "");
  EXPECT_EQ(UnitProblem(m, {true, 8 * kGib}),
            "rounding a unit takes about 10.2 GiB of memory on the GPU, its hidden states not "
            "counted, and there are 8 GiB: set a larger compute.memory_limit, a smaller batch or, "
            "with the same steps, a larger accumulate");
}

TEST(RunMemoryTest, PlacesAreTold) {
  const at::Device gpu(at::kCUDA, 1);
  EXPECT_EQ(PlaceText(ChainPlace::kDevice, gpu), "on cuda:1");
  EXPECT_EQ(PlaceText(ChainPlace::kHost, gpu), "in pinned memory");
  EXPECT_EQ(PlaceText(ChainPlace::kFile, gpu), "in a file");
  EXPECT_EQ(PlaceText(ChainPlace::kDevice, at::kCPU), "in memory");
}

}  // namespace
}  // namespace roundlab
