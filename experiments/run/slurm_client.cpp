#include "experiments/run/slurm_client.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "experiments/run/run_process.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace roundlab {
namespace {

struct ToolResult {
  int code = -1;  ///< -1: it could not be started, or a signal ended it
  std::string out;
  std::string err;

  /// What it said, with its name in front, else its exit code.
  std::string Problem(const std::string& name) const {
    std::string text = err.empty() ? out : err;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.empty()) text = "exit code " + std::to_string(code);
    return text.rfind(name + ": ", 0) == 0 ? text : name + ": " + text;
  }
};

/// Reads both files to their ends and closes them.
void ReadBoth(int out, int err, ToolResult* result) {
  std::array<pollfd, 2> files = {pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  const std::array<std::string*, 2> texts = {&result->out, &result->err};
  while (files[0].fd >= 0 || files[1].fd >= 0) {
    ::poll(files.data(), files.size(), -1);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (files[i].fd < 0 || files[i].revents == 0) continue;
      std::array<char, 4096> bytes{};
      const ssize_t count = ::read(files[i].fd, bytes.data(), bytes.size());
      if (count > 0) {
        texts[i]->append(bytes.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        ::close(files[i].fd);
        files[i].fd = -1;
      }
    }
  }
}

/// Runs a command of PATH in a process group of its own: Ctrl-C is for us, not for it.
ToolResult RunTool(const std::vector<std::string>& words) {
  const std::vector<char*> arguments = Arguments(words);
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
    throw Error("cannot make a pipe: " + std::string(std::strerror(errno)));
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int failure =
      posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(out[1]);
  ::close(err[1]);
  ToolResult result;
  ReadBoth(out[0], err[0], &result);
  if (failure != 0) {
    result.err = std::strerror(failure);
    return result;
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  return result;
}

bool OnPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

/// What the engine sets itself, or what would take the job away from it.
const std::set<std::string>& ReservedOptions() {
  static const std::set<std::string> kOptions = {
      "--array", "-a", "--output",    "-o",       "--error", "-e",         "--wait",
      "-W",      "-M", "--clusters",  "-D",       "--chdir", "--parsable", "--wrap",
      "-h",      "-V", "--test-only", "-Q",       "--help",  "--usage",    "--version",
      "--quiet", "-u", "--open-mode", "--cluster"};
  return kOptions;
}

/// "3|PENDING|Resources": a task's number, its state and why. False for other lines.
bool ParseTask(std::string_view line, int* task, SlurmTaskState* state) {
  const std::size_t first = line.find('|');
  const std::size_t second = first == std::string_view::npos ? first : line.find('|', first + 1);
  if (second == std::string_view::npos) return false;
  const char* end = line.data() + first;
  const auto [stop, problem] = std::from_chars(line.data(), end, *task);
  if (problem != std::errc() || stop != end) return false;
  state->name = line.substr(first + 1, second - first - 1);
  state->reason = line.substr(second + 1);
  if (state->reason == "None") state->reason.clear();
  return true;
}

}  // namespace

bool SlurmTaskState::Live() const {
  static const std::set<std::string> kEnded = {
      "",          "BOOT_FAIL",     "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED",
      "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",   "TIMEOUT"};
  return kEnded.count(name) == 0;
}

std::string SlurmTaskState::Text() const {
  return name + (reason.empty() ? "" : " (" + reason + ")");
}

void RequireSlurm() {
  for (const char* name : {"sbatch", "squeue", "scancel"}) {
    if (OnPath(name)) continue;
    throw Error("command line: --engine slurm needs Slurm's command '" + std::string(name) +
                "', which is not on PATH; --engine local runs on this machine");
  }
}

std::vector<std::string> SplitSlurmOptions(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  const std::string place = "command line: --slurm-options '" + text + "': ";
  if (words.empty()) throw Error(place + "no options; for example '--partition=NAME --time=60'");
  if (words.front().front() != '-') {
    throw Error(place + "'" + words.front() + "' is not an option; they begin with '-'");
  }
  for (const std::string& word : words) {
    const bool named = word.rfind("--", 0) == 0;
    const std::string name = named ? word.substr(0, word.find('=')) : word.substr(0, 2);
    if (ReservedOptions().count(name) != 0) {
      throw Error(place + "'" + name + "' is not allowed, the engine sets it or can't do with it");
    }
  }
  return words;
}

std::string SubmitSlurmJob(const std::vector<std::string>& words) {
  std::vector<std::string> command = {"sbatch", "--parsable"};
  command.insert(command.end(), words.begin(), words.end());
  const ToolResult answer = RunTool(command);
  if (answer.code != 0) throw Error(answer.Problem("sbatch"));
  const std::string job = answer.out.substr(0, answer.out.find_first_of("\n;"));
  if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos) {
    throw Error("sbatch: expected the number of a job, got '" + job + "'");
  }
  return job;
}

std::optional<SlurmTaskStates> AskSlurm(const std::string& job, std::string* problem) {
  const ToolResult answer = RunTool(
      {"squeue", "--noheader", "--array", "--states=all", "--jobs=" + job, "--format=%K|%T|%r"});
  if (answer.code != 0) {
    if (answer.err.find("Invalid job id") != std::string::npos) return SlurmTaskStates();
    *problem = answer.Problem("squeue");
    return std::nullopt;
  }
  SlurmTaskStates states;
  for (const std::string_view line : Lines(answer.out)) {
    int task = 0;
    SlurmTaskState state;
    if (ParseTask(line, &task, &state)) states[task] = state;
  }
  return states;
}

SlurmTaskState AskSlurmAccounting(const std::string& job, int task) {
  const ToolResult answer =
      RunTool({"sacct", "--noheader", "--parsable2", "--allocations",
               "--jobs=" + job + "_" + std::to_string(task), "--format=State"});
  if (answer.code != 0) return {};
  return {answer.out.substr(0, answer.out.find_first_of(" \n")), ""};
}

void CancelSlurmJob(const std::string& job) {
  const ToolResult answer = RunTool({"scancel", job});
  if (answer.code != 0) throw Error(answer.Problem("scancel"));
}

std::string ShellWord(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace roundlab
