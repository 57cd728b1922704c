#include "experiments/run/run_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/interrupt.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace roundlab {
namespace {

/// What the process is started with.
class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  /// `from` is there as `to`; also where they are equal, although it is closed on exec here.
  void Give(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

std::vector<char*> Arguments(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  return arguments;
}

RunProcess::RunProcess(const std::vector<std::string>& words, const FolderClaim& claim,
                       bool watched) {
  const std::vector<char*> arguments = Arguments(words);
  SpawnActions actions;
  actions.Give(claim.file(), claim.file());
  int ends[2] = {-1, -1};
  if (watched) {
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw Error("cannot make a pipe: " + std::string(std::strerror(errno)));
    }
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    actions.Give(ends[1], STDOUT_FILENO);
    actions.Give(ends[1], STDERR_FILENO);
  }
  const int failure =
      posix_spawn(&pid_, words.front().c_str(), actions.get(), nullptr, arguments.data(), environ);
  if (watched) ::close(ends[1]);
  output_ = ends[0];
  if (failure == 0) return;
  if (watched) ::close(ends[0]);
  throw Error(words.front() + ": cannot start: " + std::strerror(failure));
}

RunProcess::RunProcess(RunProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      output_(std::exchange(other.output_, -1)),
      unfinished_(std::move(other.unfinished_)),
      status_(std::move(other.status_)) {}

RunProcess& RunProcess::operator=(RunProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(output_, other.output_);
  std::swap(unfinished_, other.unfinished_);
  std::swap(status_, other.status_);
  return *this;
}

RunProcess::~RunProcess() {
  if (output_ >= 0) ::close(output_);
  if (pid_ <= 0) return;
  AskToStop();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void RunProcess::AskToStop() const { ::kill(pid_, kStopSignal); }

std::optional<int> RunProcess::Ended() {
  int status = 0;
  const pid_t found = ::waitpid(pid_, &status, WNOHANG);
  if (found < 0 && errno != EINTR) throw Error("waitpid: " + std::string(std::strerror(errno)));
  Drain();
  if (found != pid_) return std::nullopt;
  pid_ = 0;
  return status;
}

void RunProcess::Drain() {
  char bytes[4096];
  ssize_t count = 0;
  while (output_ >= 0 && (count = ::read(output_, bytes, sizeof(bytes))) > 0) {
    for (const char* c = bytes; c != bytes + count; ++c) {
      if (*c != '\n') {
        unfinished_ += *c;
      } else {
        status_ = std::exchange(unfinished_, "");
      }
    }
  }
}

std::string FailureReason(const std::string& folder, int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return "killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")" +
           (signal == SIGKILL ? "; out of memory?" : "");
  }
  std::error_code none;
  const std::string file = folder + "/error.txt";
  if (std::filesystem::exists(file, none)) return ReadFile(file);
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace roundlab
