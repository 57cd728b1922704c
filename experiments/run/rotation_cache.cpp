#include "experiments/run/rotation_cache.h"

#include <ATen/ATen.h>

#include <cstring>
#include <string_view>

#include "core/config/fields.h"

namespace roundlab {

at::Tensor CachedRotation(const RotationTask& task, const std::string& key,
                          const ContentCache& cache, Log* log) {
  RotationLearning options = task.options;
  const std::string whole = key + "\n" + WriteFields(FieldsOf(&options));
  const std::int64_t n = task.start->description().hidden;
  at::Tensor narrow = at::empty({n, n}, at::kFloat);
  const auto kept = cache.Find(whole);
  if (kept && kept->size() == narrow.nbytes()) {
    std::memcpy(narrow.mutable_data_ptr(), kept->data(), kept->size());
    return narrow.to(at::kDouble);
  }
  narrow = LearnRotation(task, log).rotation.to(at::kFloat).contiguous();
  cache.Keep(whole, {static_cast<const char*>(narrow.const_data_ptr()), narrow.nbytes()});
  return narrow.to(at::kDouble);
}

}  // namespace roundlab
