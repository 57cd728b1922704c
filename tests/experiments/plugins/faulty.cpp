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
    if (fault == "empty") return nullptr;
    if (fault == "weight") layer.weight.mul_(2);
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
    if (fault == "name") return FixedRounding(std::move(weight), {{"a/b", {1}}});
    if (fault == "ours") return FixedRounding(std::move(weight), {{"flip_rate", {1}}});
    return FixedRounding(std::move(weight), {{"of my own", {1}}});
  }

 private:
  Options options_;
};

/// Tunes the weight itself, which rounding to nearest then ends; it should say so.
class Soft : public RoundingScheme {
 public:
  struct Options {
    bool told = false;
    void Fields(FieldVisitor& f) {
      f.Bool("told", &told, "whether it says that it is not straight-through", Presence::kRequired);
    }
  };
  explicit Soft(const Options& options) : options_(options) {}
  SchemeTraits Traits() const override { return {.straight_through = !options_.told}; }

  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override {
    return std::make_unique<Layer>(layer);
  }

 private:
  class Layer : public LayerRounding {
   public:
    explicit Layer(const LayerContext& layer)
        : layer_(layer), weight_(layer.weight.clone().requires_grad_()) {}
    std::vector<ParameterGroup> Parameters() override {
      ParameterGroup group;
      group.tensors = {weight_};
      return {group};
    }
    at::Tensor SoftWeight() override { return weight_ * 1; }
    QuantizedWeight Finish() const override {
      return RoundToNearest(weight_.detach(), layer_.spec);
    }

   private:
    LayerContext layer_;
    at::Tensor weight_;
  };

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
  RoundingSchemes().Add<Soft>("soft", "the weight itself is tuned");
  Optimizers().Add<Descent>("descent", "plain gradient descent");
  Schedules().Add<Halved>("halved", "half the learning rate");
}

}  // namespace

ROUNDLAB_PLUGIN(AddParts)
