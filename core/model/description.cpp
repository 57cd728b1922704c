#include "core/model/description.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/model/mixer.h"

namespace roundlab {
namespace {

std::int64_t NormWeights(const NormPlan& norm) {
  const int kept = (norm.stored ? 1 : 0) + (norm.bias ? 1 : 0);
  return norm.Weights() * kept;
}

std::int64_t BlockWeights(const BlockPlan& plan, std::int64_t hidden) {
  std::int64_t sum = plan.mlp.experts ? plan.mlp.experts->RouterRows() * hidden : 0;
  if (plan.mlp.experts && !plan.mlp.experts->correction.empty()) sum += plan.mlp.experts->count;
  if (plan.mlp.experts && plan.mlp.experts->router_bias) sum += plan.mlp.experts->count;
  if (plan.mlp.experts && !plan.mlp.experts->router_scale.empty()) sum += hidden;
  if (plan.mlp.experts && !plan.mlp.experts->expert_factors.empty()) sum += plan.mlp.experts->count;
  if (!plan.output_factor.empty()) ++sum;
  if (!plan.mlp.activation_numbers.empty()) sum += 2;
  if (!plan.attention.sinks.empty()) sum += plan.attention.heads;
  if (plan.mixer) {
    for (const MixerTensor& tensor : TensorsOf(*plan.mixer)) sum += tensor.Count();
  }
  for (const LinearPlan& l : plan.linears) sum += l.out * l.in + (l.bias ? l.out : 0);
  for (const NormPlan& norm : plan.norms) sum += NormWeights(norm);
  return sum;
}

}  // namespace

BlockPlan ModelDescription::Plan(std::int64_t block) const {
  ROUNDLAB_CHECK(block_plan != nullptr, "the description of a model has no block plan");
  return block_plan(*this, block);
}

EndsPlan ModelDescription::Ends() const {
  ROUNDLAB_CHECK(ends_plan != nullptr, "the description of a model has no plan of its ends");
  EndsPlan ends = ends_plan(*this);
  if (ends.embedding_width == 0) ends.embedding_width = hidden;
  return ends;
}

std::vector<std::string> ModelDescription::LinearNames(std::int64_t block) const {
  std::vector<std::string> names;
  for (const LinearPlan& linear : Plan(block).linears) names.push_back(linear.name);
  return names;
}

std::vector<std::vector<std::int64_t>> ModelDescription::LinearShapes(std::int64_t block) const {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const LinearPlan& linear : Plan(block).linears) shapes.push_back({linear.out, linear.in});
  return shapes;
}

BlockPlan ModelDescription::RotaryPlan(std::optional<std::size_t> table) const {
  for (std::int64_t i = 0; i < layers; ++i) {
    BlockPlan plan = Plan(i);
    const AttentionPlan& attention = plan.attention;
    if (attention.rotary != RotaryStyle::kNone &&
        attention.rope == table.value_or(attention.rope)) {
      return plan;
    }
  }
  return table ? RotaryPlan() : Plan(0);
}

std::int64_t ModelDescription::LinearWeights() const {
  std::int64_t weights = 0;
  for (std::int64_t i = 0; i < layers; ++i) {
    for (const LinearPlan& linear : Plan(i).linears) weights += linear.out * linear.in;
  }
  return weights;
}

std::int64_t ModelDescription::TotalWeights() const {
  const EndsPlan ends = Ends();
  std::int64_t sum = vocab * ends.embedding_width * (tied_head ? 1 : 2);
  if (ends.head_bias) sum += vocab;
  if (!ends.sinusoidal) sum += ends.position_rows * hidden;
  if (!ends.project_in.empty()) sum += hidden * ends.embedding_width;
  if (!ends.project_out.empty()) sum += hidden * ends.embedding_width;
  for (const auto& norm : {ends.embedding_norm, ends.final_norm}) {
    if (norm) sum += NormWeights(*norm);
  }
  for (std::int64_t i = 0; i < layers; ++i) sum += BlockWeights(Plan(i), hidden);
  return sum;
}

}  // namespace roundlab
