#include "rounding/scheme.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/quant/weight_form.h"

namespace roundlab {
namespace {

class FixedLayer : public LayerRounding {
 public:
  FixedLayer(QuantizedWeight weight, Diagnostics diagnostics)
      : weight_(std::move(weight)), diagnostics_(std::move(diagnostics)) {}
  std::vector<ParameterGroup> Parameters() override { return {}; }
  at::Tensor SoftWeight() override { return weight_.Dequantize(); }
  Diagnostics Diagnose() const override { return diagnostics_; }
  QuantizedWeight Finish() const override { return weight_; }

 private:
  QuantizedWeight weight_;
  Diagnostics diagnostics_;
};

}  // namespace

std::unique_ptr<LayerRounding> FixedRounding(QuantizedWeight weight, Diagnostics diagnostics) {
  return std::make_unique<FixedLayer>(std::move(weight), std::move(diagnostics));
}

QuantizedWeight FinishedWeight(const LayerRounding& layer, const std::string& name,
                               const at::Tensor& weight) {
  const auto fail = [&](const std::string& problem) {
    throw Error(name + ": the scheme's result can't be: " + problem);
  };
  QuantizedWeight finished;
  try {
    finished = layer.Finish();
  } catch (const Diverged& error) {
    throw Diverged(name + ": " + error.what());
  } catch (const Error& error) {
    fail(error.what());
  }
  const std::string problem = FormProblem(finished);
  if (!problem.empty()) fail(problem);
  if (finished.Rows() != weight.size(0) || finished.Columns() != weight.size(1)) {
    fail("it has another shape than the weight");
  }
  return finished;
}

void RequireFiniteWeight(const LayerContext& layer) {
  if (layer.weight.isfinite().all().item<bool>()) return;
  throw Error(layer.name + ": a weight is not finite");
}

std::shared_ptr<const RoundingScheme> SchemeByName(const std::string& name) {
  try {
    return RoundingSchemes().FromText("type: " + name).make();
  } catch (const ConfigError&) {
    return nullptr;
  }
}

std::vector<std::string> SchemesThat(const std::function<bool(const RoundingScheme&)>& are) {
  std::vector<std::string> names;
  for (const std::string& name : RoundingSchemes().Names()) {
    const auto scheme = SchemeByName(name);
    if (scheme && are(*scheme)) names.push_back(name);
  }
  return names;
}

}  // namespace roundlab
