#pragma once

#include "core/config/fields.h"
#include "optimizers/group_options.h"
#include "optimizers/optimizers.h"

namespace roundlab {

/// Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2), with m = 0 at a parameter's first step:
///   c = beta1 m + (1 - beta1) g;   p <- p - lr (sign(c) + weight_decay p);
///   m <- beta2 m + (1 - beta2) g
/// A parameter without a gradient is left alone.
class Lion : public torch::optim::Optimizer {
 public:
  struct Options {
    double lr = 1e-4;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double weight_decay = 0;
    void Fields(FieldVisitor& f);
  };
  Lion(const Options& options, ParamGroups groups);

  torch::Tensor step(LossClosure closure = nullptr) override;

  /// The averages m and the groups' options; the other options are the recipe's.
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 private:
  void Update(const at::Tensor& parameter, const GroupOptions& group);

  Options options_;
};

}  // namespace roundlab
