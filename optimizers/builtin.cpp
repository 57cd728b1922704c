#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <sstream>
#include <string>
#include <tuple>
#include <utility>

#include "optimizers/group_options.h"
#include "optimizers/lion.h"
#include "optimizers/momentum.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "optimizers/sign_sgd.h"

namespace roundlab {
namespace {

class Sgd : public torch::optim::SGD {
 public:
  struct Options {
    double lr = 1e-2;
    MomentumOptions momentum;
    double weight_decay = 0;
    void Fields(FieldVisitor& f) {
      f.Real("lr", &lr, StepSizes(), "step size");
      momentum.Fields(f);
      f.Real("weight_decay", &weight_decay, Decays(),
             "share of the parameter added to the gradient");
    }
  };
  Sgd(const Options& options, ParamGroups groups)
      : torch::optim::SGD(std::move(groups), torch::optim::SGDOptions(options.lr)
                                                 .momentum(options.momentum.momentum)
                                                 .dampening(options.momentum.dampening)
                                                 .nesterov(options.momentum.nesterov)
                                                 .weight_decay(options.weight_decay)) {}
};

struct AdamFields {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;

  void Fields(FieldVisitor& f, const char* decay_help) {
    f.Real("lr", &lr, StepSizes(), "step size, in units of the parameter");
    f.Real("beta1", &beta1, Between(0, 1), "decay of the gradient's average, below 1");
    f.Real("beta2", &beta2, Between(0, 1), "decay of the squared gradient's average, below 1");
    f.Real("eps", &eps, Above(0), "added to the root of the squared gradient's average");
    f.Real("weight_decay", &weight_decay, Decays(), decay_help);
    f.Bool("amsgrad", &amsgrad, "divide by the largest average of squares so far");
    f.Rule([this] { return Problem(); });
  }
  std::string Problem() const {
    if (beta1 < 1 && beta2 < 1) return "";
    std::ostringstream text;
    text << "beta1 and beta2 must be below 1, got " << beta1 << " and " << beta2;
    return text.str();
  }
  template <class TorchOptions>
  TorchOptions ToTorch() const {
    return TorchOptions(lr)
        .betas(std::make_tuple(beta1, beta2))
        .eps(eps)
        .weight_decay(weight_decay)
        .amsgrad(amsgrad);
  }
};

class Adam : public torch::optim::Adam {
 public:
  struct Options : AdamFields {
    void Fields(FieldVisitor& f) {
      AdamFields::Fields(f, "share of the parameter added to the gradient");
    }
  };
  Adam(const Options& options, ParamGroups groups)
      : torch::optim::Adam(std::move(groups), options.ToTorch<torch::optim::AdamOptions>()) {}
};

class AdamW : public torch::optim::AdamW {
 public:
  struct Options : AdamFields {
    Options() { weight_decay = 1e-2; }
    void Fields(FieldVisitor& f) {
      AdamFields::Fields(f, "lr times this share is taken off the parameter");
    }
  };
  AdamW(const Options& options, ParamGroups groups)
      : torch::optim::AdamW(std::move(groups), options.ToTorch<torch::optim::AdamWOptions>()) {}
};

}  // namespace

OptimizerRegistry& Optimizers() {
  static OptimizerRegistry registry = [] {
    OptimizerRegistry r("optimizer");
    r.Add<Adam>("adam", "torch::optim::Adam");
    r.Add<AdamW>("adamw", "torch::optim::AdamW");
    r.Add<Lion>("lion", "sign of an average of gradients");
    r.Add<Sgd>("sgd", "torch::optim::SGD");
    r.Add<SignSgd>("sign_sgd", "steps of fixed size along the gradient's sign");
    return r;
  }();
  return registry;
}

ScheduleRegistry& Schedules() {
  static ScheduleRegistry registry = [] {
    ScheduleRegistry r("schedule");
    r.Add<ConstantSchedule>("constant", "the base learning rate throughout");
    r.Add<CosineSchedule>("cosine", "half a cosine wave from 1 to end_factor");
    r.Add<LinearSchedule>("linear", "a straight line from 1 to end_factor");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
