#include "core/model/trainable.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/random.h"
#include "core/kernels/ops.h"
#include "core/model/stored_tensor.h"
#include "core/quant/dtype.h"

namespace roundlab {
namespace {

constexpr double kDeviation = 0.02;

}  // namespace

TrainableModel::TrainableModel(const ModelDescription& description, std::uint64_t seed)
    : description_(description),
      seed_(seed),
      rope_(MakeRopeTable(description.rope, description.head_dim, description.max_positions)) {
  const ModelDescription& d = description_;
  ROUNDLAB_CHECK(d.family == "llama" && !d.qkv_bias && !d.output_bias && !d.mlp_bias && !d.qk_norm,
                 "only plain llama models are trained");
  embedding_ = Add("model.embed_tokens.weight", {d.vocab, d.hidden}, kDeviation);
  for (std::int64_t i = 0; i < d.layers; ++i) blocks_.push_back(MakeBlock(i));
  norm_ = Add("model.norm.weight", {d.hidden}, 0);
  head_ = d.tied_head ? embedding_ : Add("lm_head.weight", {d.vocab, d.hidden}, kDeviation);
}

at::Tensor TrainableModel::Add(const std::string& name, const std::vector<std::int64_t>& shape,
                               double deviation) {
  at::Tensor values;
  if (deviation == 0) {
    values = at::ones(shape, at::kFloat);
  } else {
    at::Generator generator =
        at::detail::createCPUGenerator(StreamSeed(seed_, "train/init/" + name));
    values = at::empty(shape, at::kFloat).normal_(0, deviation, generator);
  }
  values.set_requires_grad(true);
  parameters_.emplace_back(name, values);
  return values;
}

std::unique_ptr<DecoderBlock> TrainableModel::MakeBlock(std::int64_t index) {
  const ModelDescription& d = description_;
  auto block = std::make_unique<DecoderBlock>(d, index);
  for (NormSlot* norm : block->Norms()) {
    norm->weight = Add(norm->name + ".weight", {norm->plan.width}, 0);
  }
  const double to_residual = kDeviation / std::sqrt(2.0 * static_cast<double>(d.layers));
  const auto shapes = d.LinearShapes(index);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    LinearSlot& slot = block->Slot(i);
    const double deviation = WritesResidual(slot.role) ? to_residual : kDeviation;
    slot.effective = Add(slot.name + ".weight", shapes[i], deviation);
    slot.weight = slot.effective.detach();
  }
  return block;
}

at::Tensor TrainableModel::Loss(const at::Tensor& tokens, at::ScalarType dtype) const {
  const std::int64_t seq = tokens.size(1) - 1;
  ROUNDLAB_CHECK(tokens.dim() == 2 && seq > 0 && seq <= description_.max_positions,
                 "tokens must be [batch, seq + 1], seq at most max_positions");
  at::Tensor hidden = at::embedding(embedding_, tokens.narrow(1, 0, seq)).to(dtype);
  for (const auto& block : blocks_) hidden = block->Forward(hidden, rope_);
  hidden = RmsNorm(hidden.to(at::kFloat), norm_, description_.norm_eps);
  return HeadNll(hidden.reshape({-1, description_.hidden}), head_,
                 tokens.narrow(1, 1, seq).reshape({-1}));
}

void TrainableModel::Save(const std::string& folder, at::ScalarType dtype) const {
  MakeFolder(folder);
  std::vector<at::Tensor> stored;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, value] : parameters_) {
    stored.push_back(value.detach().to(dtype).contiguous());
    tensors.push_back(Stored(name, stored.back()));
  }
  WriteSafetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
  WriteFileAtomically(folder + "/config.json", HuggingFaceConfig(description_, dtype));
}

std::string HuggingFaceConfig(const ModelDescription& d, at::ScalarType dtype) {
  nlohmann::ordered_json config = {{"architectures", {"LlamaForCausalLM"}},
                                   {"model_type", "llama"},
                                   {"vocab_size", d.vocab},
                                   {"hidden_size", d.hidden},
                                   {"intermediate_size", d.intermediate},
                                   {"num_hidden_layers", d.layers},
                                   {"num_attention_heads", d.heads},
                                   {"num_key_value_heads", d.kv_heads},
                                   {"head_dim", d.head_dim},
                                   {"max_position_embeddings", d.max_positions},
                                   {"rms_norm_eps", d.norm_eps},
                                   {"rope_theta", d.rope.theta},
                                   {"hidden_act", "silu"},
                                   {"attention_bias", false},
                                   {"mlp_bias", false},
                                   {"tie_word_embeddings", d.tied_head},
                                   {"torch_dtype", EnumName(dtype, DtypeNames())}};
  if (d.bos_id) config["bos_token_id"] = *d.bos_id;
  if (d.eos_id) config["eos_token_id"] = *d.eos_id;
  return config.dump(2) + "\n";
}

}  // namespace roundlab
