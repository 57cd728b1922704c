#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/folder_claim.h"

namespace roundlab {

/// Words as execve and posix_spawn take them, with a null pointer at the end; into `words`, which
/// they do not change.
std::vector<char*> Arguments(const std::vector<std::string>& words);

/// A run's process. It holds the run's claim too: where only the runner was killed, the claim lasts
/// until the run has stopped.
class RunProcess {
 public:
  /// Starts `words` (program first). `watched`: stdout and stderr come here through a pipe; else
  /// they are the runner's own. Throws Error where it can't be started.
  RunProcess(const std::vector<std::string>& words, const FolderClaim& claim, bool watched);
  RunProcess(RunProcess&& other) noexcept;
  RunProcess& operator=(RunProcess&& other) noexcept;
  ~RunProcess();

  /// Asks it to stop at a place from which it can be continued; may be asked again.
  void AskToStop() const;
  /// The wait status once it has ended. Takes up what it has written before.
  std::optional<int> Ended();
  /// File to poll for output; -1 where it is not watched.
  int output() const { return output_; }
  /// The last whole line that it has written.
  const std::string& status() const { return status_; }

 private:
  void Drain();

  pid_t pid_ = 0;
  int output_ = -1;
  std::string unfinished_;
  std::string status_;
};

/// Why a process ended with this wait status: the signal, or what it left in `folder`/error.txt.
std::string FailureReason(const std::string& folder, int status);

}  // namespace roundlab
