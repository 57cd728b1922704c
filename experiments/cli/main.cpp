#include <fcntl.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>

#include "core/base/allocator.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/config/enum_names.h"
#include "core/kernels/host_allocator.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/flags.h"
#include "experiments/run/commit.h"
#include "experiments/run/plugins.h"

namespace roundlab {
namespace {

namespace po = boost::program_options;

struct Command {
  int (*run)(const CommandLine&);
  const char* usage;
  const char* help;
  std::vector<std::string> flags;  ///< that it takes
};

const std::map<std::string, Command>& Commands() {
  static const std::vector<std::string> kRun = {
      "set",           "only",         "out",        "jobs",   "device", "engine",
      "slurm-options", "retry-failed", "max-memory", "format", "json",   "quiet"};
  static const std::map<std::string, Command> kCommands = {
      {"run",
       {RunCommand, "run FILE", "all runs of a file; again = continue; prints the tables", kRun}},
      {"plan",
       {PlanCommand,
        "plan FILE",
        "what would run, with ids and what is done",
        {"set", "only", "out", "device", "hardware", "format", "json"}}},
      {"quickstart",
       {QuickstartCommand,
        "quickstart",
        "the built-in laboratory: all methods in minutes",
        {"out", "jobs", "max-memory", "quiet"}}},
      {"reproduce",
       {ReproduceCommand, "reproduce FILE", "run, then compare with published figures", kRun}},
      {"table",
       {TableCommand,
        "table FILE",
        "the tables of what is done so far; runs nothing",
        {"set", "only", "out", "format", "json"}}},
      {"validate",
       {ValidateCommand, "validate FILE", "checks a file and runs nothing", {"set", "only"}}},
      {"compare",
       {CompareCommand,
        "compare A B",
        "is run A better than run B? A and B are folders of runs",
        {"seed", "json"}}},
      {"report",
       {ReportCommand,
        "report DIR",
        "a page with tables and plots of OUT/EXPERIMENT",
        {"out", "quiet"}}},
      {"list", {ListCommand, "list [KIND]", "all parts a config can choose", {}}},
      {"describe",
       {DescribeCommand,
        "describe KIND NAME",
        "the options of a part; describe all, models or methods: of all",
        {}}},
      {"bench",
       {BenchCommand,
        "bench [SHAPE]...",
        "a tuning step, a forward pass, GPTQ's solve and the head of a shape, beside their bare "
        "matrix products",
        {"set", "device", "json", "quiet"}}},
      {"prompts",
       {PromptsCommand,
        "prompts TASK...",
        "what tasks ask: their first --documents as a model gets them; --set shots=5 and its like",
        {"set", "documents", "json"}}},
      {"sample",
       {SampleCommand,
        "sample --model M",
        "text from the model itself, a JSON line a document: --documents, --tokens, --seed",
        {"model", "documents", "tokens", "seed"}}},
      {"score",
       {ScoreCommand,
        "score --model M",
        "nll of each token of --text or --ids FILE, in nats",
        {"model", "text", "ids", "json"}}},
      {"tokenize",
       {TokenizeCommand,
        "tokenize --model M",
        "token ids of --text or --file",
        {"model", "text", "file", "no-special", "json"}}},
      {"train",
       {TrainCommand,
        "train FILE",
        "trains a small model; --out: its folder; again = continue",
        {"set", "out", "json", "quiet"}}},
      {"world",
       {WorldCommand,
        "world",
        "text of the built-in laboratory: --split, --documents, --seed",
        {"split", "documents", "seed", "quiet"}}},
      {"slurm-task",
       {SlurmTaskCommand,
        "slurm-task DIR N",
        "one run, as Slurm starts it",
        {"retry-failed", "max-memory", "quiet"}}},
      {"execute",
       {ExecuteCommand,
        "execute FOLDER",
        "one run, as `run` starts it",
        {"runner", "line-seconds", "max-memory", "quiet"}}}};
  return kCommands;
}

Engine ReadEngine(const std::string& name) {
  static const EnumNames<Engine> kEngines = {{Engine::kLocal, "local"}, {Engine::kSlurm, "slurm"}};
  const auto engine = EnumValue(name, kEngines);
  if (engine) return *engine;
  throw Error("command line: --engine: no engine '" + name + "'" +
              SuggestionSuffix(name, NamesOf(kEngines)));
}

po::options_description Options(CommandLine* line) {
  po::options_description options("options");
  options.add_options()("help,h", "this text")("version", "version and commit")(
      "set", po::value(&line->set)->composing(), "KEY.PATH=VALUE over the file's own; repeatable")(
      "only", po::value(&line->only)->composing(), "AXIS=LABEL[,LABEL]: these runs; repeatable")(
      "out", po::value(&line->out)->default_value(line->out),
      "folder of results; of `report`: of its files, default DIR/report")(
      "jobs", po::value(&line->jobs), "runs at a time, which share the cores; default 1")(
      "max-memory", po::value(&line->max_memory),
      "GiB for the model that a run evaluates; a larger one is read block by block; default what "
      "the machine has left")("device", po::value(&line->device),
                              "where to compute: auto (the default), cpu, cuda or cuda:N")(
      "engine",
      po::value<std::string>()->notifier([line](const auto& s) { line->engine = ReadEngine(s); }),
      "what runs them: local (the default) or slurm")(
      "slurm-options",
      po::value<std::string>()->notifier([line](const std::string& s) { line->slurm_options = s; }),
      "more words for sbatch, as one argument")(
      "retry-failed", po::bool_switch(&line->retry_failed), "try runs again that have failed")(
      "hardware", po::value(&line->hardware),
      "of `plan`: name in configs/hardware or a file; default this machine")(
      "format", po::value<std::string>()->notifier([line](const auto& s) {
        line->format = ReadTableFormat(s);
      }),
      "of tables: markdown, csv, latex or html")("model", po::value(&line->model),
                                                 "name of the catalogue, folder or .gguf file")(
      "text", po::value<std::string>()->notifier([line](const std::string& s) { line->text = s; }),
      "text to score or tokenize")("file", po::value(&line->file), "file to tokenize")(
      "ids", po::value(&line->ids), "JSON file with an array of arrays of token ids")(
      "seed", po::value(&line->seed), "of the bootstrap of `compare`, default 0, or of `world`, 1")(
      "split", po::value(&line->split), "train, calibration, test or a task's name; default train")(
      "documents", po::value(&line->documents),
      "so many documents of `world`, `sample` or `prompts`; default 3")(
      "tokens", po::value(&line->tokens), "of a document of `sample`; default 128")(
      "no-special", po::bool_switch(&line->no_special), "without the tokenizer's special tokens")(
      "plugin", po::value(&line->plugins)->composing(),
      "shared library with parts of your own (docs/plugins.md); repeatable")(
      "json", po::bool_switch(&line->json), "one JSON object on stdout")(
      "quiet", po::bool_switch(&line->quiet), "no messages, no progress");
  return options;
}

void PrintHelp(const po::options_description& options) {
  std::cout << "roundlab: a laboratory for post-training quantization of language models\n\n"
               "usage: roundlab COMMAND [ARGUMENTS] [OPTIONS]\n\n";
  for (const auto& [name, command] : Commands()) {
    const std::string usage = command.usage;
    std::cout << "  " << usage << std::string(usage.size() < 22 ? 22 - usage.size() : 1, ' ')
              << command.help << "\n";
  }
  std::cout << "\n" << options;
}

/// "table FILE [--set ...] [--json]".
std::string UsageOf(const Command& command, const po::options_description& options) {
  std::string text = command.usage;
  for (const std::string& flag : command.flags) {
    if (text.find("--" + flag) != std::string::npos) continue;
    const bool takes_value = options.find(flag, false).semantic()->max_tokens() > 0;
    text += " [--" + flag + (takes_value ? " ..." : "") + "]";
  }
  return text;
}

int Dispatch(int argc, char** argv) {
  CommandLine line;
  const po::options_description options = Options(&line);
  po::options_description all;
  all.add(options).add_options()("words", po::value<std::vector<std::string>>())(
      "runner", po::value(&line.runner))("line-seconds", po::value(&line.line_seconds));
  po::positional_options_description positional;
  positional.add("words", -1);
  po::variables_map values;
  std::vector<std::string> given;
  try {
    const auto parsed =
        po::command_line_parser(argc, argv).options(all).positional(positional).run();
    for (const auto& option : parsed.options) {
      if (option.position_key < 0) given.push_back(option.string_key);
    }
    po::store(parsed, values);
    po::notify(values);
  } catch (const po::error& e) {
    throw Error(std::string("command line: ") + e.what());
  }
  if (values.count("version") != 0) {
    std::cout << "roundlab 0.1.0 " << Commit() << "\n";
    return 0;
  }
  std::vector<std::string> words;
  if (values.count("words") != 0) words = values["words"].as<std::vector<std::string>>();
  if (values.count("help") != 0 || words.empty()) {
    PrintHelp(options);
    return values.count("help") != 0 ? 0 : 2;
  }
  const auto found = Commands().find(words.front());
  if (found == Commands().end()) {
    throw Error("unknown command '" + words.front() + "'" +
                SuggestionSuffix(words.front(), Keys(Commands())));
  }
  line.command = words.front();
  line.usage = UsageOf(found->second, all);
  line.jobs_given = values.count("jobs") != 0;
  line.out_given = !values["out"].defaulted();
  if (line.out.empty()) throw Error("command line: --out is empty; give a folder");
  for (const auto& [flag, text] :
       {std::pair{"device", &line.device}, {"hardware", &line.hardware}}) {
    if (values.count(flag) != 0 && text->empty()) {
      throw Error(std::string("command line: --") + flag + " is empty");
    }
  }
  std::map<std::string, std::vector<std::string>> takes;
  for (const auto& [name, command] : Commands()) {
    takes[name] = command.flags;
    takes[name].emplace_back("plugin");
  }
  CheckFlags(line.command, takes, given);
  if (values.count("seed") == 0 && line.command == "world") line.seed = 1;
  line.arguments.assign(words.begin() + 1, words.end());
  line.program = std::filesystem::canonical("/proc/self/exe").string();
  OpenPlugins(line.plugins);
  return found->second.run(line);
}

/// Files that are opened later get no number of a standard stream that the caller has closed, and
/// so no message.
void HoldStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", O_RDONLY);
  }
}

}  // namespace
}  // namespace roundlab

int main(int argc, char** argv) {
  roundlab::HoldStandardStreams();
  roundlab::KeepFreedMemory();
  roundlab::TakeTensorsFromMalloc();
  try {
    const int code = roundlab::Dispatch(argc, argv);
    std::cout.flush();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    std::fprintf(stderr, "what was to be told could not be written: %s\n", std::strerror(errno));
    return code == 0 ? 1 : code;
  } catch (const roundlab::Interrupted& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 130;
  } catch (const roundlab::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "roundlab: internal error: %s\n", e.what());
    return 3;
  }
}
