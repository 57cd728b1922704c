#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tests/experiments/program.h"

namespace roundlab {
namespace {

using testing::ProgramResult;
using testing::RunProgram;
using testing::Tells;
using testing::TempFolder;

/// A command line that is wrong, and what the program says of it; c.yaml is a good config.
struct BadCommand {
  const char* name;
  std::vector<std::string> words;
  const char* error;
};

void PrintTo(const BadCommand& bad, std::ostream* out) { *out << bad.name; }

class BadCommandTest : public ::testing::TestWithParam<BadCommand> {};

TEST_P(BadCommandTest, IsToldWithExitCode2) {
  const TempFolder folder;
  folder.Write("c.yaml", "model: m/\n");
  const ProgramResult run = RunProgram(folder.path(), GetParam().words);
  EXPECT_TRUE(Tells(run.err, GetParam().error)) << run.err;
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "results"));
}

const BadCommand kBadCommands[] = {
    {"UnknownCommand",
     {"rum", "c.yaml"},
     "unknown command 'rum'; did you mean 'run'? (known: bench, compare, describe, execute, list, "
     "plan, prompts, quickstart, report, reproduce, run, sample, score, slurm-task, table, "
     "tokenize, train, validate, world)"},
    {"UnknownFlag", {"run", "c.yaml", "--owt", "x"}, "command line: unrecognised option '--owt'"},
    {"FlagWithoutValue",
     {"run", "c.yaml", "--out"},
     "command line: the required argument for option '--out' is missing"},
    {"NoFile",
     {"run"},
     "usage: roundlab run FILE [--set ...] [--only ...] [--out ...] [--jobs ...] [--device ...] "
     "[--engine ...] [--slurm-options ...] [--retry-failed] [--max-memory ...] [--format ...] "
     "[--json] [--quiet]"},
    {"FlagOfAnotherCommand",
     {"plan", "c.yaml", "--jobs", "2"},
     "command line: --jobs belongs to quickstart, reproduce and run"},
    {"SeedOfARun",
     {"validate", "c.yaml", "--seed", "1"},
     "command line: --seed belongs to compare, sample and world; a run's seed is --set seed=N"},
    {"NoJobs", {"run", "c.yaml", "--jobs", "0"}, "command line: --jobs 0 is below 1"},
    {"UnknownEngine",
     {"run", "c.yaml", "--engine", "slrum"},
     "command line: --engine: no engine 'slrum'; did you mean 'slurm'? (known: local, slurm)"},
    {"SlurmOptionsWithoutSlurm",
     {"run", "c.yaml", "--slurm-options", "--time=5"},
     "command line: --slurm-options needs --engine slurm"},
    {"SlurmOptionsWithoutWords",
     {"run", "c.yaml", "--engine", "slurm", "--slurm-options", ""},
     "command line: --slurm-options '': no options; for example '--partition=NAME --time=60'"},
    {"SlurmTaskWithoutANumber",
     {"slurm-task", ".", "1x"},
     "command line: slurm-task: '1x' is not the number of a task"},
    {"UnknownFormat",
     {"run", "c.yaml", "--format", "cvs"},
     "unknown table format 'cvs'; did you mean 'csv'? (known: csv, html, latex, markdown)"},
    {"MissingFile", {"run", "d.yaml"}, "d.yaml: cannot open: No such file or directory"},
    {"FileIsAFolder", {"run", "."}, ".: cannot open: is a folder"},
    {"SetWithoutEquals",
     {"run", "c.yaml", "--set", "quant.bits"},
     "--set quant.bits: expected KEY.PATH=VALUE"},
    {"SetOfAnUnknownKey",
     {"run", "c.yaml", "--set", "seeed=3"},
     "--set seeed=3: unknown key 'seeed'; did you mean 'seed'? (known: ablate, axes, "
     "calibration, compute, eval, except, extends, keep_weights, model, name, pipeline, plots, "
     "quant, seed, "
     "seeds, "
     "tables, targets, threads, where)"},
    {"SetOfAWrongValue",
     {"run", "c.yaml", "--set", "seed=-3"},
     "--set seed=-3: seed: -3 is out of range [0, inf)"},
    {"SetOfWhatAnAxisSets",
     {"plan", "c.yaml", "--set", "axes=[{key: quant.bits, values: [2, 3]}]", "--set",
      "quant.bits=4"},
     "--set quant.bits: axis 'quant.bits' sets it in every run; --only chooses among its labels"},
    {"SetOfExtends",
     {"run", "c.yaml", "--set", "extends=d.yaml"},
     "--set extends: only a file can extend others"},
    {"OnlyOfAnUnknownLabel",
     {"plan", "c.yaml", "--set",
      "axes=[{name: size, zip: {quant.bits: [4, 2], quant.group_size: [32, 16]}}]", "--only",
      "size=4, 32,2"},
     "--only size=4, 32,2: axis 'size' has no '2' (known: 2, 16, 4, 32)"},
    {"TokenizeNothing", {"tokenize", "--model", "."}, "tokenize: give either --text or --file"},
    {"NoDocuments", {"world", "--documents", "0"}, "--documents: expected a number from 1, got 0"},
    {"SetBeyondASequence",
     {"run", "c.yaml", "--set", "eval=[]", "--set", "eval.0.seqlen=8"},
     "--set eval.0.seqlen=8: '0' is no index into a sequence of 0"},
    {"UnknownKind",
     {"list", "schemes"},
     "unknown kind 'schemes'; did you mean 'scheme'? (known: eval, loss, optimizer, range, "
     "schedule, "
     "scheme, stage)"},
    {"UnknownPart",
     {"describe", "scheme", "rnt"},
     "unknown scheme 'rnt'; did you mean 'rtn'? (known: *)"},
    {"ScoreWithoutModel",
     {"score", "--text", "x"},
     "usage: roundlab score --model M [--text ...] [--ids ...] [--json]"},
    {"ScoreOfNothing",
     {"score", "--model", "tinystories-656k"},
     "model 'tinystories-656k' is not at models/TinyStories-656K; put raincandy-u/TinyStories-656K "
     "there (config.json, model.safetensors, tokenizer.json)"},
    {"UnknownModel",
     {"tokenize", "--model", "smollm", "--text", "x"},
     "model: unknown name 'smollm'; did you mean 'smollm2'? (known: babyllama-tok105, bloom-3b, "
     "builtin:lab, falcon-7b, gemma-2b, gemma-7b, gemma-7b-it, gpt-j-6b, llama-13b, llama-2-13b, "
     "llama-2-70b, llama-2-7b, llama-2-7b-chat, llama-3-8b-instruct, llama-30b, llama-65b, "
     "llama-7b, mistral-7b-instruct-v0.2, mistral-7b-v0.1, mixtral-8x7b-instruct-v0.1, "
     "mixtral-8x7b-v0.1, neural-chat-7b-v3-1, neural-chat-7b-v3-3, opt-1.3b, opt-125m, "
     "opt-2.7b, opt-6.7b, phi-2, smollm2, stories260k, tinystories-656k); no such file or folder "
     "either"},
};

INSTANTIATE_TEST_SUITE_P(Commands, BadCommandTest, ::testing::ValuesIn(kBadCommands),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace roundlab
