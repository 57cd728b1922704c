#pragma once

#include <string>

#include "core/base/content_cache.h"
#include "rounding/tuner/rotation_learning.h"

namespace roundlab {

/// LearnRotation's matrix, from the cache where another run has left it there. `key` names
/// everything that it depends on beside the task's options.
at::Tensor CachedRotation(const RotationTask& task, const std::string& key,
                          const ContentCache& cache, Log* log);

}  // namespace roundlab
