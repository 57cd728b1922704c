#include "core/model/families.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/formats/json.h"
#include "core/formats/scaled_blocks.h"
#include "core/model/config_reader.h"
#include "core/model/families/builtin.h"

namespace roundlab {

namespace {

/// Weights of 8 bits in blocks are read (core/formats/scaled_blocks.h), as transformers reads them
/// with `dequantize`: what their linears are fed is not rounded. So are those of 4 of GPT-OSS
/// (mxfp4.h).
void CheckQuantization(const ConfigReader& config) {
  const ConfigReader quantization = config.Inside("quantization_config");
  const std::string method = quantization.TextOr("quant_method", "not told");
  if (method == "mxfp4" && config.TextOr("model_type", "") == "gpt_oss") return;
  if (method != "fp8") {
    config.Fail("quantization_config: the model is quantized already (quant_method: " + method +
                "); expected one in full precision");
  }
  const std::vector<std::int64_t> block = {kScaledBlock, kScaledBlock};
  const std::vector<std::int64_t> given = quantization.Integers("weight_block_size");
  if (!given.empty() && given != block) {
    config.Fail("quantization_config: weight_block_size " + ShapeText(given) +
                "; expected [128, 128]");
  }
}

/// The language model whose model_type is a family's name or alias; none where it is neither.
std::optional<ModelDescription> DescribeText(const ConfigReader& config,
                                             const std::string& family) {
  const auto alias = BuiltinAliases().find(family);
  const bool known_otherwise = alias != BuiltinAliases().end();
  const auto found = BuiltinFamilies().find(known_otherwise ? alias->second.family : family);
  if (found == BuiltinFamilies().end()) return std::nullopt;
  return found->second(known_otherwise ? config.Over(alias->second.absent) : config);
}

/// The language model within a larger one, which says whether its head is tied. What the language
/// model does to its logits is done here, too: cohere2's logit_scale, which transformers 5.23
/// leaves out of aya_vision and cohere2_vision.
ModelDescription DescribeWithin(const ConfigReader& config, const Multimodal& whole) {
  const ConfigReader text = TextConfig(config, whole);
  const std::string family = text.TextOr("model_type", "");
  const auto found = DescribeText(text, family);
  if (!found) {
    text.Fail("model_type: unknown language model '" + family + "'" +
              SuggestionSuffix(family, Keys(BuiltinFamilies())));
  }
  ModelDescription d = *found;
  d.tied_head = Holder(config, whole).BoolOr("tie_word_embeddings", d.tied_head);
  NameWithin(whole.parts, &d);
  return d;
}

ModelDescription Describe(const ConfigReader& config, const std::string& family) {
  if (auto found = DescribeText(config, family)) return *std::move(found);
  const auto whole = BuiltinMultimodal().find(family);
  if (whole != BuiltinMultimodal().end()) return DescribeWithin(config, whole->second);
  config.Fail("model_type: unknown architecture '" + family + "'" +
              SuggestionSuffix(family, SupportedFamilies()));
}

}  // namespace

std::vector<std::string> SupportedFamilies() {
  std::vector<std::string> names = Keys(BuiltinFamilies());
  for (const auto& [name, whole] : BuiltinMultimodal()) names.push_back(name);
  for (const auto& [name, alias] : BuiltinAliases()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

ModelDescription DescribeHuggingFace(const std::string& text, const std::string& file) {
  nlohmann::json root = ParsePythonJson(text, file);
  if (!root.is_object()) throw Error(file + ": expected an object");
  const ConfigReader config(std::move(root), file);
  if (!config.Has("model_type")) config.Fail("missing key 'model_type'");
  if (config.Has("quantization_config")) CheckQuantization(config);
  const std::string family = config.TextOr("model_type", "");
  ModelDescription d = Describe(config, family);
  d.family = family;
  return d;
}

}  // namespace roundlab
