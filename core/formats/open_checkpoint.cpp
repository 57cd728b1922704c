#include "core/formats/open_checkpoint.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/formats/gguf_checkpoint.h"
#include "core/formats/hf_checkpoint.h"

namespace roundlab {

std::unique_ptr<Checkpoint> OpenCheckpoint(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    throw Error(path + ": cannot open: " + (error ? error.message() : "No such file or directory"));
  }
  if (std::filesystem::is_directory(status)) return OpenHfFolder(path);
  if (std::filesystem::path(path).extension() == ".gguf") return OpenGgufCheckpoint(path);
  throw Error(path + ": not a model: expected a folder with safetensors or a .gguf file");
}

}  // namespace roundlab
