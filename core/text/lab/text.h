#pragma once

#include <cstdint>
#include <string>

#include "core/text/lab/world.h"

namespace roundlab {

/// Texts of one split of the lab world ("train", "calibration", "test"). Document i is drawn from a
/// stream of its own (seed, split, i): any of them can be made alone, there is no end of them, and
/// the same (seed, split, i) gives the same bytes everywhere.
class LabText {
 public:
  /// `world` must outlive it.
  LabText(const LabWorld& world, const std::string& split);

  /// 8 to 13 paragraphs, a line each: what is known of a person, town or animal, small stories, and
  /// the patterns of the tasks (lab_items.h). English, ASCII, about 1300 bytes. `nats`, where
  /// given, grows by the sum of -log p of the choices made in it.
  std::string Document(std::uint64_t index, double* nats = nullptr) const;

 private:
  const LabWorld& world_;
  std::uint64_t stream_;
};

/// What a perfect reader of the lab world would still be surprised by: a document is made by
/// choices whose probabilities the generator knows; different choices seldom give the same text, so
/// the sum of their -log p is an upper bound, and a close one, of the text's -log p given facts and
/// grammar. Nothing but chance has a lower cross-entropy than its mean, and a model that has
/// learned the world comes near. Mean over `documents` documents of the split.
struct LabFloor {
  double nats_per_byte = 0;
  double bytes_per_document = 0;
};
LabFloor EstimateLabFloor(const LabWorld& world, const std::string& split,
                          std::uint64_t documents = 1000);

}  // namespace roundlab
