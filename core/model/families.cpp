#include "core/model/families.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/formats/json.h"
#include "core/model/config_reader.h"
#include "core/model/families/builtin.h"

namespace roundlab {

std::vector<std::string> SupportedFamilies() { return Keys(BuiltinFamilies()); }

ModelDescription DescribeHuggingFace(const std::string& text, const std::string& file) {
  nlohmann::json root = ParseJson(text, file);
  if (!root.is_object()) throw Error(file + ": expected an object");
  const ConfigReader config(std::move(root), file);
  if (!config.Has("model_type")) config.Fail("missing key 'model_type'");
  if (config.Has("quantization_config")) {
    const std::string method =
        config.Inside("quantization_config").TextOr("quant_method", "not told");
    config.Fail("quantization_config: the model is quantized already (quant_method: " + method +
                "); expected one in full precision");
  }
  const std::string family = config.TextOr("model_type", "");
  const auto found = BuiltinFamilies().find(family);
  if (found == BuiltinFamilies().end()) {
    config.Fail("model_type: unknown architecture '" + family + "'" +
                SuggestionSuffix(family, SupportedFamilies()));
  }
  ModelDescription d = found->second(config);
  d.family = family;
  return d;
}

}  // namespace roundlab
