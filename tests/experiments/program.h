#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

/// Whether `told` is `error` and a line's end. A "*" in it stands for the names of all parts of a
/// kind, which become more.
inline bool Tells(const std::string& told, const std::string& error) {
  const std::size_t star = error.find('*');
  if (star == std::string::npos) return told == error + "\n";
  return told.starts_with(error.substr(0, star)) && told.ends_with(error.substr(star + 1) + "\n");
}

struct ProgramResult {
  int code = -1;  ///< of a normal end; -1 where a signal ended it
  std::string out;
  std::string err;
};

/// The built program as a user runs it, in a process group of its own, so that a signal reaches the
/// processes that it starts as Ctrl-C would. Works in `folder`, where stdout and stderr go to
/// files.
class Program {
 public:
  Program(const std::string& folder, std::vector<std::string> words) : folder_(folder) {
    words.insert(words.begin(), ROUNDLAB_PROGRAM);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) Become(words);
    ::setpgid(pid_, pid_);  // the child does so too: whoever comes first
  }
  ~Program() {
    if (pid_ > 0) {
      Signal(SIGKILL);
      Wait();
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  /// To the program and all that it started, where it has not ended: group 0 is the caller's own.
  void Signal(int signal) const {
    if (pid_ > 0) ::kill(-pid_, signal);
  }

  bool Running() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }
  ProgramResult Wait() {
    if (pid_ > 0) ::waitpid(pid_, &status_, 0);
    pid_ = 0;
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1, ReadAll(folder_ + "/stdout.txt"),
            ReadAll(folder_ + "/stderr.txt")};
  }

 private:
  [[noreturn]] void Become(const std::vector<std::string>& words) const {
    ::setpgid(0, 0);
    if (::chdir(folder_.c_str()) != 0) ::_exit(125);
    // Neither models nor data but those a test makes, whatever the caller's environment says.
    for (const char* name : {"ROUNDLAB_MODELS", "ROUNDLAB_DATA", "ROUNDLAB_CATALOGUE"}) {
      ::unsetenv(name);
    }
    for (const auto& [file, to] : {std::pair{"stdout.txt", 1}, std::pair{"stderr.txt", 2}}) {
      ::dup2(::open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644), to);
    }
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments.front(), arguments.data());
    ::_exit(126);
  }

  std::string folder_;
  pid_t pid_ = 0;
  int status_ = 0;
};

inline ProgramResult RunProgram(const std::string& folder, const std::vector<std::string>& words) {
  return Program(folder, words).Wait();
}

/// Looks every millisecond whether `condition` holds; false where the program ended before.
template <class Condition>
bool WaitUntil(Program* program, const Condition& condition) {
  while (!condition()) {
    if (!program->Running()) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace roundlab::testing
