#include "core/model/random_source.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "core/base/hash.h"
#include "core/base/random.h"
#include "core/kernels/device.h"
#include "core/model/shapes.h"
#include "core/model/stored_names.h"

namespace roundlab {
namespace {

constexpr double kEmbedding = 0.02;
constexpr double kVector = 0.1;

double Gain(std::int64_t in) { return 1 / std::sqrt(static_cast<double>(in)); }

}  // namespace

RandomSource::RandomSource(ModelDescription description, std::string name, std::uint64_t seed,
                           const at::Device& device)
    : description_(std::move(description)), name_(std::move(name)), seed_(seed), device_(device) {}

RandomSource::RandomSource(const std::string& shape, std::uint64_t seed, const at::Device& device)
    : RandomSource(DescribeShape(shape), "random:" + shape, seed, device) {}

std::string RandomSource::Fingerprint() const {
  Sha256 hash;
  hash.Update("random weights 1 " + std::to_string(seed_) + " " + description_.family + "\n");
  for (const std::int64_t size : {description_.vocab, description_.hidden, description_.layers}) {
    hash.Update(std::to_string(size) + "\n");
  }
  for (std::int64_t i = 0; i < description_.layers; ++i) {
    for (const LinearPlan& linear : description_.Plan(i).linears) {
      hash.Update(linear.name + " " + std::to_string(linear.out) + " " + std::to_string(linear.in) +
                  "\n");
    }
  }
  for (const StoredPlan& tensor : StoredPlans(description_)) hash.Update(tensor.name + "\n");
  if (device_.is_cuda()) hash.Update("drawn on a GPU\n");
  return hash.HexDigest();
}

at::Tensor RandomSource::Draw(const std::string& name, const std::vector<std::int64_t>& shape,
                              double deviation) const {
  return at::empty(shape, at::TensorOptions(device_).dtype(at::kFloat))
      .normal_(0, deviation, MakeGenerator(device_, StreamSeed(seed_, "random/" + name)));
}

void RandomSource::FillNorm(NormSlot* norm) const {
  const std::int64_t width = norm->plan.Weights();
  norm->weight = norm->plan.stored
                     ? Draw(norm->name + ".weight", {width}, kVector) + (1 - norm->plan.offset)
                     : at::ones({width}, at::TensorOptions(device_).dtype(at::kFloat));
  if (norm->plan.bias) norm->bias = Draw(norm->name + ".bias", {width}, kVector);
}

std::unique_ptr<DecoderBlock> RandomSource::LoadBlock(std::int64_t index) const {
  auto block = std::make_unique<DecoderBlock>(description_, index);
  const BlockPlan& plan = block->plan();
  for (NormSlot* norm : block->Norms()) FillNorm(norm);
  for (std::size_t i = 0; i < plan.linears.size(); ++i) {
    const LinearPlan& linear = plan.linears[i];
    LinearSlot& slot = block->Slot(i);
    slot.weight = Draw(linear.name + ".weight", {linear.out, linear.in}, Gain(linear.in));
    if (linear.bias) slot.bias = Draw(linear.name + ".bias", {linear.out}, kVector);
  }
  if (const auto& experts = plan.mlp.experts) {
    block->router = Draw(experts->router + ".weight", {experts->RouterRows(), description_.hidden},
                         Gain(description_.hidden));
    if (experts->router_bias) {
      block->router_bias = Draw(experts->router + ".bias", {experts->count}, kVector);
    }
    if (!experts->expert_factors.empty()) {
      block->expert_factors = Draw(experts->expert_factors, {experts->count}, kVector) + 1;
    }
  }
  if (plan.mixer) {
    for (const MixerTensor& tensor : TensorsOf(*plan.mixer)) {
      const double deviation =
          tensor.place == &MixerWeights::taps ? Gain(plan.mixer->convolution.taps) : kVector;
      Keep(tensor, Draw(tensor.name, tensor.shape, deviation), &block->mixer);
    }
  }
  if (!plan.output_factor.empty()) {
    block->output_factor = Draw(plan.output_factor, {1}, kVector) + 1;
  }
  const AttentionPlan& attention = plan.attention;
  if (!attention.sinks.empty()) {
    block->SetSinks(Draw(attention.sinks, {attention.heads}, kVector));
  }
  return block;
}

ModelEnds RandomSource::LoadEnds() const {
  const ModelDescription& d = description_;
  ModelEnds ends(d);
  const EndsPlan& plan = ends.plan();
  const std::int64_t width = plan.embedding_width;
  ends.embedding = Draw(plan.embedding + ".weight", {d.vocab, width}, kEmbedding);
  if (!plan.positions.empty()) {
    ends.positions = Draw(plan.positions + ".weight", {plan.position_rows, d.hidden}, kEmbedding);
  }
  if (!plan.project_in.empty()) {
    ends.project_in = Draw(plan.project_in + ".weight", {d.hidden, width}, Gain(width));
    ends.project_out = Draw(plan.project_out + ".weight", {width, d.hidden}, Gain(d.hidden));
  }
  if (ends.embedding_norm) FillNorm(&*ends.embedding_norm);
  if (ends.final_norm) FillNorm(&*ends.final_norm);
  ends.SetHead(
      d.tied_head ? ends.embedding : Draw(plan.head + ".weight", {d.vocab, width}, Gain(width)),
      plan.head_bias ? Draw(plan.head + ".bias", {d.vocab}, kVector) : at::Tensor());
  return ends;
}

}  // namespace roundlab
