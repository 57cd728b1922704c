#pragma once

#include <memory>
#include <string>

#include "core/model/source.h"

namespace roundlab::testing {

/// Another source as it is, which must outlive it: for those that watch or change one thing.
class SourceOver : public ModelSource {
 public:
  explicit SourceOver(const ModelSource* original) : original_(*original) {}
  const ModelDescription& description() const override { return original_.description(); }
  const std::string& path() const override { return original_.path(); }
  std::string Fingerprint() const override { return original_.Fingerprint(); }
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override {
    return original_.LoadBlock(index);
  }
  ModelEnds LoadEnds() const override { return original_.LoadEnds(); }

 private:
  const ModelSource& original_;
};

}  // namespace roundlab::testing
