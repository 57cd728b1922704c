#pragma once

#include <string>
#include <vector>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Checkpoints of models that also see or hear. What is read of them is their language model, which
// is of a family of its own; images and sounds are not.

struct Multimodal {
  std::string text;                ///< family of the language model where text_config is silent
  std::vector<std::string> parts;  ///< what names of the other parts begin with: "vision_tower."
  /// Where it is told of, "thinker_config.text_config"; empty: its keys are among those of the
  /// whole, and silent.
  std::string key = "text_config";
  /// Where the key is absent, too: published files have the text's keys beside the whole's.
  bool beside = false;
};

/// What text_config lies in, of which tie_word_embeddings is.
ConfigReader Holder(const ConfigReader& config, const Multimodal& whole);

/// What is told of the language model, model_type in any case. Sizes on which a text_config is
/// silent are those of its family's config class, as transformers 4 leaves them out.
ConfigReader TextConfig(const ConfigReader& config, const Multimodal& whole);

/// Names of a language model within a larger one, as transformers 4 and 5 have them, and the
/// `parts` beside it, which may be under "model.", too. The ends are laid out.
void NameWithin(const std::vector<std::string>& parts, ModelDescription* d);

}  // namespace roundlab
