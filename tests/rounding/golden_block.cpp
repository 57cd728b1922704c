#include "tests/rounding/golden_block.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/model/families/llama.h"
#include "core/model/loader.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab::testing {

namespace {

/// The choices; fine, where there are several: the numbers of two digits from a third of the best
/// one to three times.
std::vector<double> Values(const std::vector<double>& choices, double best, bool fine) {
  if (!fine || choices.size() == 1) return choices;
  std::vector<double> values;
  const double lowest = std::pow(10, std::floor(std::log10(best / 3)) - 1);
  for (double unit = lowest; unit < best; unit *= 10) {
    for (int digits = 10; digits < 100; ++digits) {
      const double value = digits * unit;
      if (value > best / 3 && value < best * 3) values.push_back(value);
    }
  }
  return values;
}

}  // namespace

GoldenBlock::GoldenBlock(const SafetensorsFile& file, const std::string& prefix, KeyHeads heads)
    : file_(file), prefix_(prefix), inputs_(Golden("X")), targets_(Golden("Y")) {
  const BlockShape shape = Shape();
  Build(shape);
  if (heads == KeyHeads::kCopied) CopyKeyHeads(shape);
}

std::vector<std::string> GoldenBlock::Names() {
  const std::string prefix = "model.layers.0.";
  ModelDescription llama;
  UseLlamaPlans(&llama);
  std::vector<std::string> names = llama.LinearNames(0);
  for (std::string& name : names) name.erase(0, prefix.size());
  return names;
}

std::size_t GoldenBlock::Place(const std::string& linear) {
  const std::vector<std::string> names = Names();
  const auto found = std::find(names.begin(), names.end(), linear);
  ROUNDLAB_CHECK(found != names.end(), "no layer " + linear);
  return static_cast<std::size_t>(found - names.begin());
}

at::Tensor GoldenBlock::Golden(const std::string& key) const {
  return GoldenTensor(file_, prefix_ + key);
}

void GoldenBlock::Build(const BlockShape& shape) {
  const ModelDescription d = Description(shape);
  block_ = std::make_unique<DecoderBlock>(d, 0);
  rope_ = MakeRopeTable(d, inputs_.size(1));
  block_->Norm(NormPlace::kBeforeAttention).weight = Golden("norm1");
  block_->Norm(NormPlace::kBeforeMlp).weight = Golden("norm2");
  const std::vector<std::string> names = Names();
  for (std::size_t i = 0; i < names.size(); ++i) block_->Slot(i).weight = Golden("W." + names[i]);
}

std::optional<BlockShape> GoldenBlock::ShapeOfModel() const {
  // A model's name stands in the metadata or begins the names of its tensors.
  const auto told = file_.metadata().find("model");
  const std::string name =
      told != file_.metadata().end() ? told->second : prefix_.substr(0, prefix_.find('.'));
  const std::string folder = SharedFolder() + "/models/" + name;
  if (name.empty() || !std::filesystem::exists(folder + "/config.json")) return {};
  const ModelFiles files(folder);
  const ModelDescription& d = files.description();
  return BlockShape{d.heads, d.kv_heads, d.norm_eps, d.rope.theta};
}

GoldenBlock::ShapeChoices GoldenBlock::Choices() const {
  ShapeChoices choices{{}, {1e-5, 1e-6, 1e-4}, {1e4, 1e5, 5e5, 1e6}};
  const std::int64_t queries = Golden("W.self_attn.q_proj").size(0);
  const std::int64_t keys = Golden("W.self_attn.k_proj").size(0);
  for (std::int64_t head = 2; head <= keys; head += 2) {
    if (queries % head == 0 && keys % head == 0 && queries / head % (keys / head) == 0) {
      choices.heads.emplace_back(queries / head, keys / head);
    }
  }
  if (const auto model = ShapeOfModel()) {
    choices = {{{model->heads, model->kv_heads}}, {model->norm_eps}, {model->rope_theta}};
  }
  const auto has = [&](const char* key) { return file_.metadata().count(key) > 0; };
  const auto number = [&](const char* key) { return MetadataNumber(file_, key); };
  const auto integer = [&](const char* key) { return static_cast<std::int64_t>(number(key)); };
  if (has("num_attention_heads")) {
    choices.heads = {{integer("num_attention_heads"), integer("num_key_value_heads")}};
  }
  if (has("rms_norm_eps")) choices.norm_eps = {number("rms_norm_eps")};
  if (has("rope_theta")) choices.rope_theta = {number("rope_theta")};
  return choices;
}

BlockShape GoldenBlock::Shape() {
  const c10::NoGradGuard no_grad;
  const ShapeChoices choices = Choices();
  BlockShape best{1, 1, choices.norm_eps.front(), choices.rope_theta.front()};
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](const BlockShape& shape) {
    Build(shape);
    const double error = (Outputs() - targets_).square().sum(at::kDouble).item<double>();
    if (error >= least) return;
    least = error;
    best = shape;
  };
  for (const auto& [heads, kv_heads] : choices.heads) {
    attempt({heads, kv_heads, best.norm_eps, best.rope_theta});
  }
  // The usual values first, then those of two digits about the best one: either moves the other's.
  for (const bool fine : {false, true, true, true}) {
    for (const double theta : Values(choices.rope_theta, best.rope_theta, fine)) {
      attempt({best.heads, best.kv_heads, best.norm_eps, theta});
    }
    for (const double eps : Values(choices.norm_eps, best.norm_eps, fine)) {
      attempt({best.heads, best.kv_heads, eps, best.rope_theta});
    }
  }
  return best;
}

void GoldenBlock::CopyKeyHeads(BlockShape shape) {
  const std::int64_t copies = shape.heads / shape.kv_heads;
  const std::int64_t kv_heads = std::exchange(shape.kv_heads, shape.heads);
  Build(shape);
  for (const char* linear : {"self_attn.k_proj", "self_attn.v_proj"}) {
    at::Tensor& weight = block_->Slot(Place(linear)).weight;
    const at::Tensor heads = weight.view({kv_heads, -1, weight.size(1)});
    weight = heads.repeat_interleave(copies, 0).reshape({-1, weight.size(1)});
  }
}

ModelDescription GoldenBlock::Description(const BlockShape& shape) const {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = inputs_.size(2);
  d.intermediate = Golden("W.mlp.gate_proj").size(0);
  d.layers = 1;
  d.heads = shape.heads;
  d.kv_heads = shape.kv_heads;
  d.head_dim = Golden("W.self_attn.q_proj").size(0) / shape.heads;
  d.norm_eps = shape.norm_eps;
  d.rope.theta = shape.rope_theta;
  d.windows = {0};
  return d;
}

}  // namespace roundlab::testing
