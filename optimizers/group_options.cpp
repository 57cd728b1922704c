#include "optimizers/group_options.h"

#include <torch/serialize/archive.h>

namespace roundlab {

void GroupOptions::serialize(torch::serialize::InputArchive& archive) {
  c10::IValue value;
  archive.read("lr", value);
  lr_ = value.toDouble();
  archive.read("weight_decay", value);
  weight_decay_ = value.toDouble();
}

void GroupOptions::serialize(torch::serialize::OutputArchive& archive) const {
  archive.write("lr", c10::IValue(lr_));
  archive.write("weight_decay", c10::IValue(weight_decay_));
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
