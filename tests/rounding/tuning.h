#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rounding/tuner/tuner.h"
#include "tests/rounding/scheme_cases.h"

namespace roundlab::testing {

inline const QuantSpec kThreeBits = {3, 32, GridKind::kAsym, ScaleType::kFloat32, false};

/// Of what tuning comes to by itself, for better or worse.
inline TuneOptions TuneSteps(std::int64_t steps) {
  TuneOptions options;
  options.never_worse = false;
  options.steps = steps;
  options.batch = 4;
  options.lr_times_steps = 1;
  return options;
}

/// Keeps what it is given.
class Recorder : public MetricSink {
 public:
  void Record(std::string_view series, std::int64_t step, double value) override {
    steps[std::string(series)].push_back(step);
    values[std::string(series)].push_back(value);
  }
  void Array(std::string_view name, std::vector<std::int64_t> /*shape*/,
             std::vector<double> array) override {
    values[std::string(name)] = std::move(array);
  }

  std::map<std::string, std::vector<std::int64_t>> steps;
  std::map<std::string, std::vector<double>> values;
};

/// A linear layer as a unit, with inputs, exact targets, and an eye on the batches it is tuned on.
class LinearUnit {
 public:
  LinearUnit(at::Tensor weight, at::Tensor inputs) {
    slot_.name = "linear";
    slot_.weight = std::move(weight);
    data.inputs = std::move(inputs);
    data.targets = at::linear(data.inputs.values(), slot_.weight);
    unit.name = "unit";
    unit.slots = {&slot_};
    unit.forward = [this](const at::Tensor& x) {
      at::Tensor y = slot_.Forward(x);
      if (!c10::GradMode::is_enabled()) return y;
      batches.push_back(x);
      const auto call = static_cast<int>(batches.size()) - 1;
      return broken_calls.count(call) == 0 ? y : y * broken_value;
    };
  }
  LinearUnit(const LinearUnit&) = delete;
  LinearUnit& operator=(const LinearUnit&) = delete;

  LinearSlot& slot() { return slot_; }

  Reconstruction unit;
  UnitData data;
  std::vector<at::Tensor> batches;  ///< inputs of each forward pass with gradients, in order
  std::set<int> broken_calls;       ///< of those, the ones that put out `broken_value`
  double broken_value = std::numeric_limits<double>::quiet_NaN();

 private:
  LinearSlot slot_;
};

using Layers = std::vector<std::unique_ptr<LayerRounding>>;

inline Layers OneLayer(const std::string& recipe, const at::Tensor& weight, const QuantSpec& spec) {
  Layers layers;
  layers.push_back(RoundingSchemes().FromText(recipe).make()->Begin(MakeLayer(weight, spec)));
  return layers;
}

/// A layer whose one weight p is the parameter itself: gradients by hand. It starts at 0 and has
/// the penalty `slope` p.
class FreeWeight : public LayerRounding {
 public:
  explicit FreeWeight(double slope = 0) : slope_(slope) {}
  std::vector<ParameterGroup> Parameters() override { return {{"p", {p_}, 1}}; }
  at::Tensor SoftWeight() override { return p_ * 1; }
  at::Tensor Penalty(double /*progress*/) override {
    return slope_ == 0 ? at::Tensor() : (p_ * slope_).sum();
  }
  QuantizedWeight Finish() const override {
    return {at::ones({1, 1}, at::kByte), p_.detach().clone(), at::zeros({1, 1}), {8, -1}};
  }

 private:
  double slope_;
  at::Tensor p_ = at::zeros({1, 1}).requires_grad_(true);
};

}  // namespace roundlab::testing
