#include "core/model/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/formats/open_checkpoint.h"
#include "core/model/families.h"

namespace roundlab {
namespace {

void CheckFolder(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(path + ": no such model");
  if (fs::is_directory(path) && !fs::exists(path + "/config.json")) {
    throw Error(path + ": no config.json in this folder");
  }
}

/// What to say more where one of `names` is `name` as a wrapper around the model has it (PyTorch's
/// compile and parallel modules, adapters), else "".
std::string Wrapped(const std::vector<std::string>& names, const std::string& name) {
  for (const std::string& stored : names) {
    if (!stored.ends_with("." + name)) continue;
    const std::string wrapper = stored.substr(0, stored.size() - name.size());
    return "; there is '" + stored + "': take '" + wrapper + "' off the names of a wrapped model";
  }
  return "";
}

/// Whether the first block with experts has them stacked, under whatever prefix.
bool HasStacks(const Checkpoint& checkpoint, const ModelDescription& description) {
  for (std::int64_t i = 0; i < description.layers; ++i) {
    for (const LinearPlan& linear : description.Plan(i).linears) {
      if (linear.stack.empty()) continue;
      const std::string end = linear.stack.substr(linear.stack.find('.'));
      const auto& names = checkpoint.Names();
      return std::any_of(names.begin(), names.end(),
                         [&](const std::string& name) { return name.ends_with(end); });
    }
  }
  return false;
}

/// A tied head that the file has too must be the embedding. (transformers before 5 ties all the
/// same; 5.23 does not tie two that differ.)
void CheckTiedHead(const Checkpoint& checkpoint, const StoredNames& names, const EndsPlan& ends) {
  const TensorView* head = checkpoint.Find(names.Find(ends.head + ".weight"));
  const TensorView* embedding = checkpoint.Find(names.Find(ends.embedding + ".weight"));
  if (head == nullptr || embedding == nullptr) return;
  const bool same = head->type == embedding->type && head->shape == embedding->shape &&
                    std::equal(head->bytes.begin(), head->bytes.end(), embedding->bytes.begin(),
                               embedding->bytes.end());
  if (same) return;
  throw Error(head->file + ": tensor '" + head->name + "' differs from '" + embedding->name +
              "', but config.json has tie_word_embeddings: true");
}

}  // namespace

ModelFiles::ModelFiles(const std::string& path) : path_(path) {
  CheckFolder(path);
  // The description first: an unknown architecture is to be told even where weights are missing.
  if (std::filesystem::is_directory(path)) {
    description_ = DescribeHuggingFace(ReadFile(path + "/config.json"), path + "/config.json");
    checkpoint_ = OpenCheckpoint(path);
  } else {
    checkpoint_ = OpenCheckpoint(path);
    description_ = DescribeGguf(*checkpoint_->gguf());
  }
  if (description_.apart_plan && !HasStacks(*checkpoint_, description_)) {
    description_.block_plan = description_.apart_plan;
  }
  names_ = std::make_unique<StoredNames>(*checkpoint_, description_);
  if (description_.tied_head) CheckTiedHead(*checkpoint_, *names_, description_.Ends());
  for (const StoredPlan& tensor : StoredPlans(description_)) {
    if (tensor.optional && names_->Find(tensor.name).empty()) continue;
    const std::string& name = NameOf(tensor.name);
    tensor.shape.empty() ? Stored(name) : Stored(name, tensor.shape);
  }
  if (checkpoint_->gguf() != nullptr) ReadDivisors();
}

void ModelFiles::ReadDivisors() {
  const std::string name = "rope_freqs.weight";
  if (checkpoint_->Find(name) == nullptr) return;
  const at::Tensor divisors = ReadStored(name, {description_.head_dim / 2});
  if (!divisors.gt(0).all().item<bool>()) {
    throw Error(path_ + ": tensor '" + name + "': expected positive numbers");
  }
  description_.rope.divisors.assign(divisors.const_data_ptr<float>(),
                                    divisors.const_data_ptr<float>() + divisors.numel());
}

at::Tensor ModelFiles::Read(const std::string& name, const std::vector<std::int64_t>& shape) const {
  return ReadStored(NameOf(name), shape);
}

const std::string& ModelFiles::NameOf(const std::string& name) const {
  const std::string& stored = names_->Find(name);
  return stored.empty() ? name : stored;
}

const TensorView& ModelFiles::Stored(const std::string& name) const {
  const TensorView* view = checkpoint_->Find(name);
  if (view == nullptr) {
    throw Error(path_ + ": tensor '" + name + "' is missing" + Wrapped(checkpoint_->Names(), name));
  }
  if (view->factors == nullptr) RequireWeights(*view);
  return *view;
}

const TensorView& ModelFiles::Stored(const std::string& name,
                                     const std::vector<std::int64_t>& shape) const {
  const TensorView& view = Stored(name);
  if (view.shape == shape) return view;
  throw Error(view.file + ": tensor '" + name + "' has shape " + ShapeText(view.shape) +
              ", expected " + ShapeText(shape));
}

at::Tensor ModelFiles::ReadStored(const std::string& name,
                                  const std::vector<std::int64_t>& shape) const {
  Stored(name, shape);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  checkpoint_->Read(name,
                    {tensor.mutable_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
  return tensor;
}

std::string ModelFiles::Fingerprint() const {
  std::call_once(hashed_, [this] {
    Sha256 hash;
    for (const std::string& name : checkpoint_->Names()) {
      const TensorView* view = checkpoint_->Find(name);
      hash.Update(name + " " + ElementTypeName(view->type) + " " + ShapeText(view->shape) + "\n");
      hash.Update(view->bytes);
    }
    fingerprint_ = hash.HexDigest();
  });
  return fingerprint_;
}

void ModelFiles::ReadNorm(NormSlot* norm) const {
  const std::int64_t width = norm->plan.width;
  if (!norm->plan.stored) {
    norm->weight = at::ones({width}, at::kFloat);
    return;
  }
  if (norm->plan.stacked) {
    norm->weight = Read(norm->name + ".weight", {norm->plan.split, width}).flatten();
    return;
  }
  if (norm->plan.split > 0) {
    std::vector<at::Tensor> heads;
    for (std::int64_t head = 0; head < norm->plan.split; ++head) {
      heads.push_back(Read(norm->name + ".norms." + std::to_string(head) + ".weight", {width}));
    }
    norm->weight = at::cat(heads);
    return;
  }
  norm->weight = Read(norm->name + ".weight", {width});
  if (norm->plan.bias) norm->bias = Read(norm->name + ".bias", {width});
}

void ModelFiles::ReadLinear(const LinearPlan& plan, LinearSlot* slot) const {
  slot->weight = plan.transposed ? Read(plan.name + ".weight", {plan.in, plan.out}).t().contiguous()
                                 : Read(plan.name + ".weight", {plan.out, plan.in});
  if (plan.bias) slot->bias = Read(plan.name + ".bias", {plan.out});
}

/// One matrix of all experts, [count, out, in].
at::Tensor ModelFiles::ReadStack(const LinearPlan& plan, std::int64_t count) const {
  const std::vector<std::int64_t>& shape = Stored(NameOf(plan.stack)).shape;
  const bool upright = plan.either_way && shape == std::vector{count, plan.out, plan.in};
  const bool transposed = plan.transposed && !upright;
  const std::int64_t rows = transposed ? plan.in : plan.out;
  const std::int64_t columns = transposed ? plan.out : plan.in;
  const bool flat = shape.size() == 2;
  const at::Tensor all = Read(plan.stack, flat ? std::vector<std::int64_t>{count * rows, columns}
                                               : std::vector<std::int64_t>{count, rows, columns});
  const at::Tensor stack = all.view({count, rows, columns});
  return transposed ? stack.transpose(1, 2).contiguous() : stack;
}

at::Tensor ModelFiles::ReadRouter(const ExpertsPlan& plan) const {
  at::Tensor router = Read(plan.router + ".weight", {plan.count, description_.hidden});
  if (!plan.router_scale.empty()) {
    const double root = std::sqrt(static_cast<double>(description_.hidden));
    router.mul_(Read(plan.router_scale, {description_.hidden}) / root);
  }
  if (plan.shared_gate.empty()) return router;
  return at::cat({router, Read(plan.shared_gate + ".weight", {1, description_.hidden})});
}

/// beta and eps are constants, which some files have all the same.
void ModelFiles::ReadXielu(const std::string& name, at::Tensor* numbers) const {
  const auto put = [&](std::int64_t place, const std::string& number,
                       const std::vector<std::int64_t>& shape) {
    (*numbers)[place].copy_(Read(number, shape).squeeze());
  };
  put(0, name + ".alpha_p", {1});
  put(1, name + ".alpha_n", {1});
  if (!names_->Find(name + ".beta").empty()) put(2, name + ".beta", {});
  if (!names_->Find(name + ".eps").empty()) put(3, name + ".eps", {});
}

void ModelFiles::ReadMixer(const MixerPlan& plan, MixerWeights* mixer) const {
  const ConvolutionPlan& convolution = plan.convolution;
  for (const MixerTensor& tensor : TensorsOf(plan)) {
    std::vector<std::int64_t> shape = tensor.shape;
    if (tensor.part) {
      const std::vector<std::int64_t>& stored = Stored(NameOf(tensor.name)).shape;
      if (stored.size() == 3) shape[0] = stored[0];
    }
    Keep(tensor, Read(tensor.name, shape), mixer);
  }
  if (mixer->taps.size(0) == convolution.channels) return;
  throw Error(path_ + ": the parts of '" + convolution.name + "' have " +
              std::to_string(mixer->taps.size(0)) + " channels, expected " +
              std::to_string(convolution.channels));
}

std::unique_ptr<DecoderBlock> ModelFiles::LoadBlock(std::int64_t index) const {
  auto block = std::make_unique<DecoderBlock>(description_, index);
  const BlockPlan& plan = block->plan();
  for (NormSlot* norm : block->Norms()) ReadNorm(norm);
  std::map<std::string, at::Tensor> stacks;
  for (std::size_t i = 0; i < plan.linears.size(); ++i) {
    const LinearPlan& linear = plan.linears[i];
    if (linear.stack.empty()) {
      ReadLinear(linear, &block->Slot(i));
      continue;
    }
    const std::int64_t count = plan.mlp.experts->count;
    at::Tensor& stack = stacks[linear.stack];
    if (!stack.defined()) stack = ReadStack(linear, count);
    block->Slot(i).weight = stack[linear.expert];
    if (!linear.bias) continue;
    at::Tensor& biases = stacks[linear.stack + "_bias"];
    if (!biases.defined()) biases = Read(linear.stack + "_bias", {count, linear.out});
    block->Slot(i).bias = biases[linear.expert];
  }
  if (plan.mlp.experts) {
    const ExpertsPlan& experts = *plan.mlp.experts;
    block->router = ReadRouter(experts);
    if (experts.router_bias) block->router_bias = Read(experts.router + ".bias", {experts.count});
    if (!experts.correction.empty()) {
      block->correction = Read(experts.correction, experts.CorrectionShape()).flatten();
    }
    if (!experts.expert_factors.empty()) {
      block->expert_factors = Read(experts.expert_factors, {experts.count});
    }
  }
  const AttentionPlan& attention = plan.attention;
  if (!attention.sinks.empty()) block->SetSinks(Read(attention.sinks, {attention.heads}));
  if (!plan.output_factor.empty()) block->output_factor = Read(plan.output_factor, {1});
  if (plan.mixer) ReadMixer(*plan.mixer, &block->mixer);
  if (plan.mlp.activation == Activation::kXielu) {
    ReadXielu(plan.mlp.activation_numbers, &block->activation);
  }
  return block;
}

ModelEnds ModelFiles::LoadEnds() const {
  const ModelDescription& d = description_;
  ModelEnds ends(d);
  const EndsPlan& plan = ends.plan();
  const std::int64_t width = plan.embedding_width;
  const std::string embedding = plan.embedding + ".weight";
  const std::string head = plan.head + ".weight";
  ends.embedding = Read(embedding, {d.vocab + plan.further_rows, width}).narrow(0, 0, d.vocab);
  if (!plan.positions.empty()) {
    ends.positions = Read(plan.positions + ".weight", {plan.position_rows, d.hidden});
  }
  if (!plan.project_in.empty()) {
    ends.project_in = Read(plan.project_in + ".weight", {d.hidden, width});
  }
  if (!plan.project_out.empty()) {
    ends.project_out = Read(plan.project_out + ".weight", {width, d.hidden});
  }
  if (ends.embedding_norm) ReadNorm(&*ends.embedding_norm);
  if (ends.final_norm) ReadNorm(&*ends.final_norm);
  at::Tensor weight = d.tied_head ? ends.embedding : Read(head, {d.vocab, width});
  if (plan.unit_head) weight = weight / weight.norm(2, {1}, true).clamp_min(1e-12);
  ends.SetHead(weight, plan.head_bias ? Read(plan.head + ".bias", {d.vocab}) : at::Tensor());
  return ends;
}

}  // namespace roundlab
