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

ConfigReader Inside(const ConfigReader& config, const std::string& path) {
  const std::size_t dot = path.find('.');
  const ConfigReader inner = config.Inside(path.substr(0, dot).c_str());
  return dot == std::string::npos ? inner : Inside(inner, path.substr(dot + 1));
}

}  // namespace

ConfigReader Holder(const ConfigReader& config, const Multimodal& whole) {
  const std::size_t dot = whole.key.rfind('.');
  return dot == std::string::npos ? config : Inside(config, whole.key.substr(0, dot));
}

ConfigReader TextConfig(const ConfigReader& config, const Multimodal& whole) {
  const nlohmann::json family = {{"model_type", whole.text}};
  const bool among = whole.key.empty() || (whole.beside && !config.Has(whole.key.c_str()));
  const ConfigReader text = among ? config.Without().Over(family).Over(config.root())
                                  : Inside(config, whole.key).Over(family);
  const auto sizes = ClassSizes().find(text.TextOr("model_type", ""));
  return sizes == ClassSizes().end() ? text : text.Over(sizes->second);
}

void NameWithin(const std::vector<std::string>& parts, ModelDescription* d) {
  const std::string base = d->Ends().BasePrefix();
  const std::vector<std::pair<std::string, std::string>> prefixes = {
      {"language_model." + base, base}, {"model.language_model.", base},
      {"model.text_model.", base},      {"thinker.lm_head.", "lm_head."},
      {"thinker.model.", base},         {"language_model.lm_head.", "lm_head."}};
  d->naming.prefixes.insert(d->naming.prefixes.begin(), prefixes.begin(), prefixes.end());
  for (const std::string& part : parts) {
    d->naming.other_parts.push_back(part);
    d->naming.other_parts.push_back("model." + part);
  }
}

}  // namespace roundlab
