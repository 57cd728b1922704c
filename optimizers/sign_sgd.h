#pragma once

#include "core/config/fields.h"
#include "optimizers/momentum.h"
#include "optimizers/optimizers.h"

namespace roundlab {

/// Steps of one size along the sign of the gradient (Bernstein et al. 2018, arXiv 1802.04434):
///   d = g + weight_decay p;   with momentum d = as MomentumOptions says;   p <- p - lr sign(d)
/// The decay is coupled: it goes under the sign, as in auto-round's SignSGD, not beside it as in
/// the paper. The paper's Signum, m = b m + (1 - b) g, is momentum b with dampening b; its first
/// buffer is g, not (1 - b) g, which the sign makes the same step, not the same state.
/// A parameter without a gradient is left alone; an element with d = 0 or NaN stays.
///
/// vote: majority (arXiv 1810.05291) makes g the sum over micro-batches of sign(g_m), so that
/// plain steps go along the majority and stay at a tie. Here micro-batches stand for the paper's
/// workers, and momentum and decay act on that sum; the paper's workers keep one momentum each.
class SignSgd : public torch::optim::Optimizer, public MicroBatchVoter, public SignDescent {
 public:
  enum class Ballot { kNone, kMajority };
  struct Options {
    double lr = 5e-3;
    MomentumOptions momentum;
    double weight_decay = 0;
    Ballot vote = Ballot::kNone;
    void Fields(FieldVisitor& f);
  };
  SignSgd(const Options& options, ParamGroups groups);

  /// With vote: majority the gradients are the votes since the last step, and it is a programmer's
  /// error (std::logic_error) to leave a gradient that was not voted. A closure's is voted here.
  torch::Tensor step(LossClosure closure = nullptr) override;

  bool Votes() const override { return options_.vote == Ballot::kMajority; }
  void Vote() override;
  bool Plain() const override;

  /// Momentum buffers, open votes and the groups' options; the other options are the recipe's.
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 private:
  at::Tensor TakeGradient(const at::Tensor& parameter);
  at::Tensor Direction(const at::Tensor& parameter, const at::Tensor& gradient,
                       double weight_decay);

  Options options_;
};

}  // namespace roundlab
