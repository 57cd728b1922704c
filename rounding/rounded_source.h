#pragma once

#include <memory>
#include <string>

#include "core/model/source.h"
#include "rounding/quantized_model.h"

namespace roundlab {

/// A model with the layers of another as they were rounded.
class RoundedSource : public ModelSource {
 public:
  RoundedSource(std::shared_ptr<const ModelSource> original, QuantizedModel rounded)
      : original_(std::move(original)), rounded_(std::move(rounded)) {}

  const ModelDescription& description() const override { return original_->description(); }
  const std::string& path() const override { return original_->path(); }
  std::string Fingerprint() const override;
  at::Device device() const override { return original_->device(); }
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override;
  ModelEnds LoadEnds() const override { return original_->LoadEnds(); }

  const QuantizedModel& rounded() const { return rounded_; }

 private:
  std::shared_ptr<const ModelSource> original_;
  QuantizedModel rounded_;
};

}  // namespace roundlab
