#include "core/model/models_doc.h"

#include <map>
#include <optional>
#include <regex>
#include <string_view>

#include "core/model/families/builtin.h"
#include "core/model/mixer.h"
#include "core/model/shapes.h"

namespace roundlab {
namespace {

const char* PlaceName(NormPlace place) {
  switch (place) {
    case NormPlace::kBeforeAttention:
      return "before attention";
    case NormPlace::kOnAttention:
      return "on what attention gives";
    case NormPlace::kAfterAttention:
      return "after attention is added";
    case NormPlace::kBeforeMlp:
      return "before the MLP";
    case NormPlace::kOnMlp:
      return "on what the MLP gives";
    case NormPlace::kAfterMlp:
      return "after the MLP is added";
    case NormPlace::kQuery:
      return "of q";
    case NormPlace::kKey:
      return "of k";
    case NormPlace::kValue:
      return "of v";
    case NormPlace::kBeforeExperts:
      return "before the experts";
    case NormPlace::kRouter:
      return "before the router";
    case NormPlace::kOnSharedMlp:
      return "on what the MLP beside the experts gives";
    case NormPlace::kOnExperts:
      return "on what the experts give";
    case NormPlace::kQueryLatent:
      return "of the queries' latent";
    case NormPlace::kKeyValueLatent:
      return "of the keys' and values' latent";
    case NormPlace::kMixed:
      return "of what the mixer gives";
  }
  return "?";
}

/// "model.layers.N.mlp.up_proj": the block's number, which is the first, as N, an expert's as E.
std::string Generic(std::string name) {
  static const std::regex kBlock("\\.[0-9]+\\.");
  static const std::regex kExpert("experts\\.0\\.");
  name = std::regex_replace(name, kBlock, ".N.", std::regex_constants::format_first_only);
  name = std::regex_replace(name, kExpert, "experts.E.");
  if (name.ends_with(".0")) name.replace(name.size() - 2, 2, ".E");
  return "`" + name + "`";
}

std::string Shape(const LinearPlan& linear) {
  std::string text = "[" + std::to_string(linear.out) + ", " + std::to_string(linear.in) + "]";
  if (linear.transposed) text += ", stored transposed";
  if (!linear.stack.empty()) text += ", all experts in one tensor";
  if (linear.bias) text += ", bias";
  return text;
}

std::string Inputs(const std::vector<std::size_t>& feeds) {
  if (feeds.empty()) return "no layer alone";
  if (feeds.size() > 4) return "inputs " + std::to_string(feeds.front()) + " and on (all experts)";
  std::string text = feeds.size() == 1 ? "input " : "inputs ";
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(feeds[i]);
  }
  return text;
}

bool EachBlockTurns(const ModelDescription& d) {
  for (std::int64_t i = 0; i < d.layers; ++i) {
    if (d.Plan(i).attention.rotary == RotaryStyle::kNone) return false;
  }
  return true;
}

std::string Positions(const ModelDescription& d) {
  const BlockPlan plan = d.RotaryPlan();
  if (plan.attention.alibi) return "ALiBi";
  if (d.Ends().sinusoidal) return "sinusoidal";
  if (plan.attention.rotary == RotaryStyle::kNone) {
    const std::string positions = d.Ends().positions;
    return positions.empty() ? "none" : "learned (`" + positions + "`)";
  }
  std::string text = plan.attention.rotary == RotaryStyle::kPair ? "rotary in pairs" : "rotary";
  if (plan.attention.rotary_dim < plan.attention.head_dim) {
    text += " on " + std::to_string(plan.attention.rotary_dim) + " of " +
            std::to_string(plan.attention.head_dim) + " dimensions";
  }
  if (EachBlockTurns(d)) return text;
  return text + (d.Plan(0).mixer ? ", where there is attention" : ", none in some blocks");
}

std::string Residual(const BlockPlan& plan) {
  if (!plan.HasMlp()) return "attention, what takes its place, or the MLP";
  if (plan.mixer && plan.HasAttention()) {
    return "attention and what mixes beside it, then the MLP";
  }
  if (plan.mixer) return "attention or what takes its place, then the MLP";
  if (!plan.parallel) return "attention, then the MLP";
  return "attention and MLP side by side";
}

std::string Layers(const BlockPlan& plan) {
  std::string text = "| linear layer | shape | role | input |\n|---|---|---|---|\n";
  for (const LinearPlan& linear : plan.linears) {
    if (linear.expert > 0) continue;
    text += "| " + Generic(linear.name) + " | " + Shape(linear) + " | " + RoleName(linear.role) +
            " | " + std::to_string(linear.input) + (linear.expert == 0 ? ", one an expert" : "") +
            " |\n";
  }
  if (!plan.norms.empty()) text += "\n| norm | place | feeds |\n|---|---|---|\n";
  for (const NormPlan& norm : plan.norms) {
    text += "| " + Generic(norm.name) + (norm.stored ? "" : ", without weight") + " | " +
            PlaceName(norm.place) + " | " + Inputs(norm.feeds) + " |\n";
  }
  return text;
}

/// The first block with attention.
BlockPlan WithAttention(const ModelDescription& d) {
  std::int64_t block = 0;
  while (block + 1 < d.layers && !d.Plan(block).HasAttention()) ++block;
  return d.Plan(block);
}

/// The first block of an MLP alone, of experts where there are such.
std::optional<BlockPlan> MlpAlone(const ModelDescription& d) {
  std::optional<BlockPlan> found;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const BlockPlan plan = d.Plan(i);
    if (plan.HasAttention() || plan.mixer) continue;
    if (!found || plan.mlp.experts) found = plan;
    if (plan.mlp.experts) break;
  }
  return found;
}

/// A block whose heads are not as wide as the first one's, with a headline, or "".
std::string OtherHeads(const ModelDescription& d) {
  const std::int64_t width = d.Plan(0).attention.head_dim;
  for (std::int64_t i = 1; i < d.layers; ++i) {
    const BlockPlan plan = d.Plan(i);
    if (plan.HasAttention() && plan.attention.head_dim != width) {
      return "\nBlocks with heads of " + std::to_string(plan.attention.head_dim) +
             " dimensions:\n\n" + Layers(plan);
    }
  }
  return "";
}

/// The first block, and where that has something in attention's place one with attention.
std::string Blocks(const ModelDescription& d) {
  const BlockPlan first = d.Plan(0);
  if (!first.mixer) return Layers(first) + OtherHeads(d);
  std::string own;
  for (const MixerTensor& tensor : TensorsOf(*first.mixer)) {
    own += (own.empty() ? "" : ", ") + Generic(tensor.name);
  }
  const char* kind = first.mixer->delta         ? "a gated delta rule"
                     : first.mixer->state_space ? "a state space"
                                                : "a short convolution";
  const std::string mixing = std::string("Blocks with ") + kind + ", of which " + own +
                             " stay in full precision:\n\n" + Layers(first);
  if (first.HasAttention()) return mixing;
  const std::string text = mixing + "\nBlocks with attention:\n\n" + Layers(WithAttention(d));
  const std::optional<BlockPlan> alone = MlpAlone(d);
  return alone ? text + "\nBlocks with the MLP:\n\n" + Layers(*alone) : text;
}

std::string Section(const NamedShape& shape, const ModelDescription& d) {
  const BlockPlan plan = WithAttention(d);
  std::string text = "\n## " + d.family + "\n\nAs in " + shape.name + ": " + Residual(d.Plan(0)) +
                     "; positions: " + Positions(d) + ".\n\n" + Blocks(d);
  const EndsPlan ends = d.Ends();
  text += "\nIn full precision: `" + ends.embedding + "`";
  text += d.tied_head ? ", which is the head too" : ", `" + ends.head + "`";
  if (plan.mlp.experts) {
    text += ", " + Generic(plan.mlp.experts->router) + " (the router of " +
            std::to_string(plan.mlp.experts->count) + " experts, of which " +
            std::to_string(plan.mlp.experts->used) + " run for a token)";
    if (!plan.mlp.experts->shared_gate.empty()) {
      text += ", " + Generic(plan.mlp.experts->shared_gate) + " (of the expert that all run)";
    }
  }
  return text + ", norms and biases.\n";
}

}  // namespace

std::string ModelsMarkdown() {
  std::string text =
      "# Models\n\n"
      "Written from the plans by `roundlab describe models > docs/models.md`; a test keeps it "
      "current.\n"
      "`docs/adding_a_family.md` tells how to add one.\n\n"
      "A block's linear layers are what is quantized, each as the matrix that the checkpoint has. "
      "Layers with the\n"
      "same input number see the same tensor, so that they share statistics. A norm that feeds "
      "inputs is read by\n"
      "nothing else: factors may be folded into it. Embeddings and the head are left as they are, "
      "since their errors\n"
      "reach every token and the papers compared with leave them too; so is the router of a "
      "mixture, which is small\n"
      "and decides which expert runs at all.\n\n"
      "A folder's weights (safetensors, else pytorch_model.bin) are float32, float16, bfloat16 or\n"
      "F8_E4M3 with a factor for each block of 128 x 128 (`quant_method: fp8`), a GGUF file's "
      "those or\n"
      "Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS; experts of gpt_oss may be\n"
      "MXFP4 (`quant_method: mxfp4`). Other models that are quantized already are refused.\n\n"
      "A folder's tokenizer is the first of these that it has: tokenizer.json with a model of type "
      "`BPE`, byte-level\n"
      "or not, `Unigram` or `WordLevel` (`WordPiece` is refused); tokenizer.model, "
      "sentencepiece's of any kind\n"
      "(BPE, unigram, char, word) or tiktoken's; vocab.json with merges.txt, byte-level BPE; "
      "Mistral's tekken.json. A GGUF file\n"
      "has its own, `gpt2` (byte-level BPE) or `llama` (sentencepiece's BPE); others are "
      "refused.\n\n"
      "`random:NAME` stands for a model of random weights of these shapes:";
  for (const NamedShape& shape : NamedShapes()) text += " " + std::string(shape.name) + ",";
  text.back() = '.';
  text += "\n";
  text +=
      "\nOf models that also see or hear the language model is read, which is of the family that "
      "`text_config` names, or\nwhere it is silent of the one in brackets:";
  for (const auto& [name, whole] : BuiltinMultimodal())
    text += " " + name + " (" + whole.text + "),";
  text.back() = '.';
  text += "\n\nOther names of families, which some have there:";
  for (const auto& [name, alias] : BuiltinAliases()) {
    text += " " + name + " (" + alias.family + "),";
  }
  text.back() = '.';
  text += "\n";
  std::map<std::string, std::string> sections;  // by family
  for (const NamedShape& shape : NamedShapes()) {
    const ModelDescription d = DescribeShape(shape.name);
    if (sections.count(d.family) == 0) sections[d.family] = Section(shape, d);
  }
  for (const auto& [family, section] : sections) text += section;
  return text;
}

}  // namespace roundlab
