#pragma once

#include <string>

#include "core/base/content_cache.h"
#include "core/text/data/calibration.h"

namespace roundlab {

/// MakeCalibration, from the cache where another run has left the same tokens there. They are known
/// by the options, the data file's content and the tokenizer's files beside `model_path`.
CalibrationTokens CachedCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer,
                                    const std::string& model_path, const ContentCache& cache);

}  // namespace roundlab
