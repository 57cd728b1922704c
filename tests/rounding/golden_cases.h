#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <memory>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "rounding/tuner/loss.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab::testing {

/// On one thread: golden matrices are too small for more.
class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  void TearDown() override { at::set_num_threads(threads_); }

 private:
  int threads_ = at::get_num_threads();
};

/// A case of a golden file by its name, "w4g32", "w2grow", "w3.sym": bits, group size, grid.
inline QuantSpec SpecOf(const std::string& name) {
  QuantSpec spec;
  spec.scale_dtype = ScaleType::kFloat32;
  spec.group_size = -1;
  std::smatch match;
  ROUNDLAB_CHECK(std::regex_search(name, match, std::regex("w(\\d+)")), name + " has no bits");
  spec.bits = std::stoll(match[1]);
  if (std::regex_search(name, match, std::regex("w\\d+g(\\d+)"))) {
    spec.group_size = std::stoll(match[1]);
  }
  spec.grid = name.find("sym") != std::string::npos && name.find("asym") == std::string::npos
                  ? GridKind::kSym
                  : GridKind::kAsym;
  return spec;
}

/// The first group of `pattern` over the names of all tensors that match it whole; each once.
inline std::vector<std::string> CasesOf(const SafetensorsFile& file, const std::string& pattern) {
  std::set<std::string> cases;
  const std::regex compiled(pattern);
  std::smatch match;
  for (const TensorView& view : file.tensors()) {
    const std::string name(view.name);
    if (std::regex_match(name, match, compiled)) cases.insert(match[1]);
  }
  EXPECT_FALSE(cases.empty()) << "no case of " << pattern;
  return {cases.begin(), cases.end()};
}

inline bool Has(const SafetensorsFile& file, const std::string& name) {
  return file.Find(name) != nullptr;
}

/// Rows of step i of "step i uses samples (2i mod 8) and the next": batch 2 of 8 rows. Where the
/// file does not say, two of `rows`.
inline at::Tensor RowsOfStep(const SafetensorsFile& file, std::int64_t rows, std::int64_t step) {
  std::int64_t batch = 2;
  std::int64_t period = rows;
  const auto text = file.metadata().find("batch");
  std::smatch match;
  if (text != file.metadata().end() &&
      std::regex_search(text->second, match, std::regex("(\\d+)[a-z] mod (\\d+)"))) {
    batch = std::stoll(match[1]);
    period = std::stoll(match[2]);
  }
  return at::arange(batch, at::kLong) + (batch * step) % period;
}

inline double MetadataNumber(const SafetensorsFile& file, const std::string& key) {
  const auto text = file.metadata().find(key);
  ROUNDLAB_CHECK(text != file.metadata().end(), "golden file lacks metadata " + key);
  return std::stod(text->second);
}

/// Part of the elements that differ.
inline double Differing(const at::Tensor& a, const at::Tensor& b) {
  ROUNDLAB_CHECK(a.sizes() == b.sizes(), "tensors of one shape");
  return (a != b).to(at::kDouble).mean().item<double>();
}

inline LayerContext GoldenLayer(const at::Tensor& weight, const QuantSpec& spec,
                                const std::string& range = "minmax") {
  LayerContext context{"layer", weight, spec, {}, 0};
  context.range = RangeEstimators().FromText("type: " + range).make()->Estimate(context);
  return context;
}

/// What a trajectory on one linear layer is walked with.
struct LinearSteps {
  at::Tensor inputs;  ///< [rows, tokens, in]
  at::Tensor weight;  ///< [out, in]; targets are its own outputs
  std::string optimizer;
  std::string schedule = "type: constant";
  std::string loss;
  std::int64_t steps = 0;
};

/// Walks a layer of a scheme along a file's batches with our own optimizer, schedule and loss.
class LinearReplay {
 public:
  LinearReplay(const LinearSteps& how, std::unique_ptr<LayerRounding> layer)
      : how_(how),
        targets_(at::linear(how.inputs, how.weight)),
        layer_(std::move(layer)),
        schedule_(Schedules().FromText(how.schedule).make()),
        loss_(Losses().FromText(how.loss).make()) {
    MakeOptimizer();
    if (layer_->Project(0)) MakeOptimizer();
  }

  /// The loss on `rows`; its gradients, and those of the penalty, are left in the parameters.
  double Backward(const at::Tensor& rows, double progress = 0) {
    optimizer_->zero_grad();
    const at::Tensor y = at::linear(how_.inputs.index_select(0, rows), layer_->SoftWeight());
    at::Tensor loss = loss_->Of(y, targets_.index_select(0, rows));
    const double value = loss.item<double>();
    const at::Tensor penalty = layer_->Penalty(progress);
    if (penalty.defined()) loss = loss + penalty;
    loss.backward();
    return value;
  }
  void Move(std::int64_t step) {
    Step(step);
    Project(step);
  }
  void Step(std::int64_t step) {
    SetLearningRates(optimizer_.get(), base_lrs_, schedule_->Factor(step, how_.steps));
    optimizer_->step();
  }
  void Project(std::int64_t step) {
    const double progress = static_cast<double>(step + 1) / static_cast<double>(how_.steps);
    if (layer_->Project(progress)) MakeOptimizer();
  }
  double LearningRate() const { return LearningRates(*optimizer_).front(); }

  LayerRounding& Layer() { return *layer_; }
  /// Tensor i of a parameter group.
  at::Tensor Parameter(const std::string& group, std::size_t i = 0) {
    for (const ParameterGroup& g : layer_->Parameters()) {
      if (g.name == group) return g.tensors.at(i);
    }
    ROUNDLAB_CHECK(false, "no group " + group);
    return {};
  }

 private:
  void MakeOptimizer() {
    ParamGroups groups;
    for (const ParameterGroup& group : layer_->Parameters()) groups.emplace_back(group.tensors);
    optimizer_ = Optimizers().FromText(how_.optimizer).make(std::move(groups));
    base_lrs_ = LearningRates(*optimizer_);
  }

  LinearSteps how_;
  at::Tensor targets_;
  std::unique_ptr<LayerRounding> layer_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> base_lrs_;
};

}  // namespace roundlab::testing
