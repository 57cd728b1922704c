#pragma once

#include <string>

#include "core/base/content_cache.h"
#include "core/text/data/calibration.h"

namespace roundlab {

/// Of the files beside a model's weights that a tokenizer and the forward pass are read from; of a
/// .gguf file all of it.
std::string ModelFilesSha256(const std::string& model_path);

/// MakeCalibration, from the cache where another run has left the same tokens there. They are known
/// by the options, the data file's content, how it is read, and the tokenizer's files_sha256, as
/// ModelFilesSha256 has it.
CalibrationTokens CachedCalibration(const CalibrationOptions& options, const Tokenizer& tokenizer,
                                    const std::string& files_sha256, const ContentCache& cache);

}  // namespace roundlab
