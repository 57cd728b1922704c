#include "rounding/rounded_source.h"

#include "core/base/hash.h"

namespace roundlab {

std::string RoundedSource::Fingerprint() const {
  return Sha256Hex(original_->Fingerprint() + " " + rounded_.CodesSha256());
}

std::unique_ptr<DecoderBlock> RoundedSource::LoadBlock(std::int64_t index) const {
  auto block = original_->LoadBlock(index);
  rounded_.ApplyTo(block.get(), block->Slot(0).weight.device());
  return block;
}

}  // namespace roundlab
