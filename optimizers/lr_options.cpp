#include "optimizers/lr_options.h"

#include <torch/serialize/archive.h>

namespace roundlab {

void LrOptions::serialize(torch::serialize::InputArchive& archive) {
  c10::IValue value;
  archive.read("lr", value);
  lr_ = value.toDouble();
}

void LrOptions::serialize(torch::serialize::OutputArchive& archive) const {
  archive.write("lr", c10::IValue(lr_));
}

void WriteState(const char* key, const at::Tensor& value,
                torch::serialize::OutputArchive* archive) {
  if (value.defined()) archive->write(key, c10::IValue(value));
}

at::Tensor ReadState(const char* key, torch::serialize::InputArchive* archive) {
  c10::IValue value;
  return archive->try_read(key, value) ? value.toTensor() : at::Tensor();
}

}  // namespace roundlab
