#include "core/model/families/mistral3.h"

#include "core/model/families/llama.h"
#include "core/model/families/ministral3.h"
#include "core/model/families/wrapped.h"

namespace roundlab {

ModelDescription DescribeMistral3(const ConfigReader& config) {
  const ConfigReader text = config.Inside("text_config");
  const std::string family = text.TextOr("model_type", "mistral");
  if (family != "mistral" && family != "ministral3") {
    text.Fail("text_config: model_type: '" + family +
              "' is not supported in this place (known: ministral3, mistral)");
  }
  ModelDescription d = family == "mistral" ? DescribeMistral(text) : DescribeMinistral3(text);
  // Published files are silent, and have a head.
  d.tied_head = config.BoolOr("tie_word_embeddings", d.tied_head);
  NameWrapped({"vision_tower.", "multi_modal_projector."}, &d);
  return d;
}

}  // namespace roundlab
