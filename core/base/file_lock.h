#pragma once

#include <string>

namespace roundlab {

enum class IfLocked {
  kWait,   ///< where the file system has no locks, goes on without one
  kGiveUp  ///< fails there too
};

/// Opens the file, made where it is not there, with an exclusive lock (flock) on it, which ends
/// when the answer and its copies are closed. Whoever had the lock before may have renamed or
/// removed the file: the lock is on the one that `path` names once it is taken. Returns the file's
/// descriptor (closed on exec); else -errno, which is -EWOULDBLOCK where somebody else has the lock
/// and `if_locked` is kGiveUp.
int OpenLocked(const std::string& path, IfLocked if_locked);

}  // namespace roundlab
