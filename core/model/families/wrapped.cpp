#include "core/model/families/wrapped.h"

namespace roundlab {

void NameWrapped(const std::vector<std::string>& parts, ModelDescription* d) {
  d->naming.prefixes = {{"language_model.model.", "model."},
                        {"model.language_model.", "model."},
                        {"language_model.lm_head.", "lm_head."}};
  for (const std::string& part : parts) {
    d->naming.other_parts.push_back(part);
    d->naming.other_parts.push_back("model." + part);
  }
}

}  // namespace roundlab
