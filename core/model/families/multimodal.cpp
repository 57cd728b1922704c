#include "core/model/families/multimodal.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace roundlab {
namespace {

/// What config classes of transformers 5.23 have for sizes that each model must have.
const std::map<std::string, nlohmann::json>& ClassSizes() {
  const auto sizes = [](int hidden, int inner, int layers, int heads, int vocab, int positions) {
    return nlohmann::json{{"hidden_size", hidden},       {"intermediate_size", inner},
                          {"num_hidden_layers", layers}, {"num_attention_heads", heads},
                          {"vocab_size", vocab},         {"max_position_embeddings", positions}};
  };
  static const std::map<std::string, nlohmann::json> kSizes = {
      {"cohere2", sizes(8192, 22528, 40, 64, 256000, 8192)},
      {"lfm2", sizes(2560, 12288, 32, 32, 65536, 128000)},
      {"llama", sizes(4096, 11008, 32, 32, 32000, 2048)},
      {"mistral", sizes(4096, 14336, 32, 32, 32000, 131072)},
      {"qwen2", sizes(4096, 22016, 32, 32, 151936, 32768)},
      {"qwen3", sizes(4096, 22016, 32, 32, 151936, 32768)},
  };
  return kSizes;
}

}  // namespace

ConfigReader TextConfig(const ConfigReader& config, const Multimodal& whole) {
  const nlohmann::json family = {{"model_type", whole.text}};
  const ConfigReader text = whole.key.empty() ? config.Without().Over(family).Over(config.root())
                                              : config.Inside(whole.key.c_str()).Over(family);
  const auto sizes = ClassSizes().find(text.TextOr("model_type", ""));
  return sizes == ClassSizes().end() ? text : text.Over(sizes->second);
}

void NameWithin(const std::vector<std::string>& parts, ModelDescription* d) {
  const std::string base = d->Ends().BasePrefix();
  const std::vector<std::pair<std::string, std::string>> prefixes = {
      {"language_model." + base, base},
      {"model.language_model.", base},
      {"model.text_model.", base},
      {"language_model.lm_head.", "lm_head."}};
  d->naming.prefixes.insert(d->naming.prefixes.begin(), prefixes.begin(), prefixes.end());
  for (const std::string& part : parts) {
    d->naming.other_parts.push_back(part);
    d->naming.other_parts.push_back("model." + part);
  }
}

}  // namespace roundlab
