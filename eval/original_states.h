#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluator.h"

namespace roundlab {

/// What the checkpoint itself makes of an evaluation's inputs. Where there is a cache, what is not
/// in it goes through the checkpoint at once and is put there, in portions; what the cache does not
/// keep (no cache, a full disk, a broken file, states that are not finite) is made when its portion
/// is wanted. Of hidden states one portion is held, and a copy while it is put there or taken from
/// there.
class OriginalStates {
 public:
  /// Of a portion at the most, one input at least.
  static constexpr std::int64_t kPortionBytes = std::int64_t{32} << 20;
  /// inputs: int64 [batch, seq] each. The context must outlive it.
  OriginalStates(const EvalContext& context, std::vector<ScorerInput> inputs);
  /// Of input i, on the CPU; cheapest in order.
  const ScorerStates& Of(std::size_t i);

 private:
  using States = std::vector<ScorerStates>;
  /// Places of inputs.
  struct Portion {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t size() const { return end - begin; }
  };

  std::vector<Portion> Portions() const;
  void KeepMissing() const;
  /// Puts what becomes of each portion into the cache and hands it on.
  void Make(const std::vector<Portion>& portions, const std::function<void(States)>& use) const;
  std::string Key(const Portion& portion) const;
  std::optional<States> Kept(const Portion& portion) const;
  std::int64_t Width() const;

  const EvalContext& context_;
  const std::vector<ScorerInput> inputs_;
  const std::vector<Portion> portions_;
  std::size_t held_;  ///< the portion whose states are held
  States states_;
};

}  // namespace roundlab
