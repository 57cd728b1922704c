#pragma once

#include <cstdint>

#include "rounding/scheme.h"

namespace roundlab {

/// LRQ (arXiv 2407.11534, equation 2; onliwad101/FlexRound_LRQ at 59d4665, mode lrq): FlexRound
/// whose divisor of each weight is of low rank,
///   w^ = s1 (clamp(round(w / (s1 exp(L U + r + c))) + z, 0, 2^b - 1) - z)
/// with L [out, rank], r [out, 1] and c [1, in] starting at 0, U [rank, in] drawn uniformly from
/// +-1 / sqrt(in) (Kaiming with a = sqrt(5)).
/// The reference's rank is 1024, or 2048 where out and in are at least 8192; FFN matrices of its
/// models fall back to FlexRound: one side at most 4096 and the other above, or 8192 x 8192. Rank 0
/// means that rule; smaller matrices, which the reference can't take, get min(out, in). Groups as
/// in FlexRound.
class Lrq : public RoundingScheme {
 public:
  struct Options {
    std::int64_t rank = 0;
    bool full_rank_fallback = true;
    bool tune_scale = true;
    bool tune_row = true;
    bool tune_column = true;
    void Fields(FieldVisitor& f);
  };
  explicit Lrq(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// Tuned as Llama 2 7B.
  SchemeTraits Traits() const override {
    return {.tells_latents = true,
            .any_device = true,
            .draws = true,
            .tuning =
                "optimizer: {type: adam, lr: 0.0009}\nschedule: cosine\nloss: sum_tokens\n"
                "steps: 5000\nbatch: 2\nselect: last\n"};
  }

  /// What rank 0 means for a matrix [out, in], and whether the reference tunes it with FlexRound.
  static std::int64_t PublishedRank(std::int64_t out, std::int64_t in);
  static bool FallsBack(std::int64_t out, std::int64_t in);
  LayerTraits OnLayer(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
