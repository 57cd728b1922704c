#include <ATen/ATen.h>
#include <torch/optim/sgd.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "core/base/plugin.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/scheme.h"

namespace {

using namespace roundlab;

/// Round to nearest with a fault of one's choice.
class Faulty : public RoundingScheme {
 public:
  struct Options {
    std::string fault;
    void Fields(FieldVisitor& f) { f.String("fault", &fault, "what goes wrong"); }
  };
  explicit Faulty(Options options) : options_(std::move(options)) {}
  SchemeTraits Traits() const override { return {.tunable = false}; }

  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override {
    const std::string& fault = options_.fault;
    if (fault == "exception") throw std::runtime_error("of my own");
    if (fault == "number") throw 42;
    if (fault == "libtorch") (void)at::zeros({2}).view({3});
    const GroupLayout layout = layer.Layout();
    const AffineGrid grid = MakeGrid(layer.range, layer.spec);
    const at::Tensor groups = layout.Split(layer.weight);
    if (fault == "half") {
      return FixedRounding(FromCodes(at::full_like(groups, 0.5), grid, layout, layer.spec));
    }
    QuantizedWeight weight = QuantizeAffine(groups, {}, grid, layout, layer.spec);
    if (fault == "code") weight.codes.fill_(1 << layer.spec.bits);
    if (fault == "shape") weight.scale = weight.scale.slice(0, 1);
    if (fault == "type") weight.scale = weight.scale.to(at::kDouble);
    return FixedRounding(std::move(weight));
  }

 private:
  Options options_;
};

/// Plain gradient descent.
class Descent : public torch::optim::SGD {
 public:
  struct Options {
    double lr = 0.1;
    void Fields(FieldVisitor& f) { f.Real("lr", &lr, Above(0), "step size"); }
  };
  Descent(const Options& options, ParamGroups groups)
      : torch::optim::SGD(std::move(groups), torch::optim::SGDOptions(options.lr)) {}
};

class Halved : public Schedule {
 public:
  struct Options {
    void Fields(FieldVisitor& /*f*/) {}
  };
  explicit Halved(const Options& /*options*/) {}
  double Factor(std::int64_t /*step*/, std::int64_t /*steps*/) const override { return 0.5; }
};

void AddParts() {
  RoundingSchemes().Add<Faulty>("faulty", "round to nearest, but for its fault");
  Optimizers().Add<Descent>("descent", "plain gradient descent");
  Schedules().Add<Halved>("halved", "half the learning rate");
}

}  // namespace

ROUNDLAB_PLUGIN(AddParts)
