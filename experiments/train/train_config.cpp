#include "experiments/train/train_config.h"

#include "core/base/error.h"
#include "core/config/enum_field.h"
#include "core/config/part_field.h"
#include "core/model/families/llama.h"
#include "core/quant/dtype.h"

namespace roundlab {
namespace {

const EnumNames<c10::ScalarType> kTrainDtypes = {{c10::ScalarType::Float, "float32"},
                                                 {c10::ScalarType::BFloat16, "bfloat16"}};

}  // namespace

void TrainModelOptions::Fields(FieldVisitor& f) {
  f.Int("hidden", &hidden, AtLeast(2), "width of the residual stream");
  f.Int("layers", &layers, AtLeast(1), "decoder blocks");
  f.Int("heads", &heads, AtLeast(1), "attention heads; each hidden / heads wide");
  f.Int("kv_heads", &kv_heads, AtLeast(0), "heads of keys and values; divides heads; 0: as heads");
  f.Int("intermediate", &intermediate, AtLeast(1), "width inside the MLP");
  f.Int("context", &context, AtLeast(2), "positions the model knows");
  f.Real("rope_theta", &rope_theta, Above(1), "base of the rotary frequencies");
  f.Bool("tied", &tied, "the head is the embedding");
  f.Rule([this]() -> std::string {
    const auto pair = [](const char* a, std::int64_t x, const char* b, std::int64_t y) {
      return std::string(a) + " " + std::to_string(x) + " is no multiple of " + b + " " +
             std::to_string(y);
    };
    if (hidden % (2 * heads) != 0) return pair("hidden", hidden, "twice the heads,", 2 * heads);
    if (kv_heads > 0 && heads % kv_heads != 0) return pair("heads", heads, "kv_heads", kv_heads);
    return "";
  });
}

ModelDescription TrainModelOptions::Describe(std::int64_t vocab) const {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = hidden;
  d.intermediate = intermediate;
  d.layers = layers;
  d.heads = heads;
  d.kv_heads = kv_heads == 0 ? heads : kv_heads;
  d.head_dim = hidden / heads;
  d.vocab = vocab;
  d.max_positions = context;
  d.norm_eps = 1e-5;
  d.rope.theta = rope_theta;
  d.windows.assign(static_cast<std::size_t>(layers), 0);
  d.tied_head = tied;
  return d;
}

void TrainTokenizerOptions::Fields(FieldVisitor& f) {
  f.String("path", &path, "model folder whose tokenizer.json is taken; none: one is trained");
  f.Int("vocab", &vocab, Between(257, 1 << 20), "tokens: <|endoftext|>, 256 bytes, merges");
  f.Int("documents", &documents, AtLeast(1), "of the text, at most, to train the tokenizer on");
}

TrainConfig::TrainConfig()
    : optimizer(Optimizers().FromText("type: adamw")),
      schedule(Schedules().FromText("type: cosine")) {}

void TrainConfig::Fields(FieldVisitor& f) {
  f.Section(
      "model", [this](FieldVisitor& v) { model.Fields(v); }, "shape of the model");
  f.Section(
      "tokenizer", [this](FieldVisitor& v) { tokenizer.Fields(v); }, "its tokenizer");
  DataField data_field(&data);
  f.Value("data", data_field, "the text", Presence::kRequired);
  f.Int("documents", &documents, AtLeast(0), "at most so many of the text; 0 all");
  DataField test_field(&test);
  f.Value("test", test_field, "text whose perplexity is measured in the end", Presence::kRequired);
  PartField optimizer_field(&optimizer, Optimizers());
  f.Value("optimizer", optimizer_field, "how weights move; weight decay is for matrices only");
  PartField schedule_field(&schedule, Schedules());
  f.Value("schedule", schedule_field, "of the learning rate");
  f.Real("clip", &clip, AtLeast(0), "largest norm of the gradient; 0 none");
  EnumField dtype_field(&dtype, kTrainDtypes);
  f.Value("dtype", dtype_field,
          "of the blocks' matrix products and hidden states; weights stay float32");
  EnumField save_field(&save, DtypeNames());
  f.Value("save", save_field, "of the weights in the file");
  f.Int("batch", &batch, AtLeast(1), "sequences a step");
  f.Int("seqlen", &seqlen, AtLeast(1), "tokens a sequence");
  f.Int("steps", &steps, AtLeast(1), "optimizer steps");
  f.Int("checkpoint_every", &checkpoint_every, AtLeast(1), "steps; what a killed training loses");
  f.Int("seed", &seed, AtLeast(0), "of weights and batches");
  f.Int("threads", &threads, Between(1, 1024), "threads; weights depend on it");
  f.Rule([this]() -> std::string {
    try {
      if (schedule.make) schedule.make()->Factor(0, steps);
    } catch (const Error& e) {
      return "schedule: " + std::string(e.what());
    }
    if (seqlen <= model.context) return "";
    return "seqlen " + std::to_string(seqlen) + " is longer than the model's context of " +
           std::to_string(model.context);
  });
}

std::string TrainConfig::Canonical() const {
  TrainConfig copy = *this;
  return WriteFields(FieldsOf(&copy));
}

TrainConfig LoadTrainConfig(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = LoadConfig(file);
  for (const std::string& assignment : overrides) ApplyOverride(assignment, &root);
  TrainConfig config;
  std::vector<Diagnostic> diagnostics;
  ReadFields(root, "", FieldsOf(&config), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return config;
}

}  // namespace roundlab
