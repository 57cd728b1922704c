#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Checkpoints of models that also see or hear. What is read of them is their language model, which
// is of a family of its own; images and sounds are not.

struct Multimodal {
  std::string text;                 ///< family of the language model where text_config is silent
  std::vector<std::string> parts;   ///< what names of the other parts begin with: "vision_tower."
  const char* key = "text_config";  ///< empty: its keys are among those of the whole, and silent
};

/// The language model that text_config, or what has its place, tells of, of any family.
/// tie_word_embeddings of the whole model comes first; sizes on which text_config is silent are
/// those of the family's config class, as transformers 4 leaves them out. What the language model
/// does to its logits is done here, too: cohere2's logit_scale, which transformers 5.23 leaves out
/// of aya_vision and cohere2_vision. Throws Error as the family does, and for one unknown.
ModelDescription DescribeMultimodal(const ConfigReader& config, const Multimodal& whole);

/// Names of a language model within a larger one, as transformers 4 and 5 have them, and the
/// `parts` beside it, which may be under "model.", too. The ends are laid out.
void NameWithin(const std::vector<std::string>& parts, ModelDescription* d);

}  // namespace roundlab
