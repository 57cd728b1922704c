#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/model/description.h"
#include "core/text/data/dataset.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"

namespace roundlab {

/// Shape of a llama-type model; its vocabulary is the tokenizer's.
struct TrainModelOptions {
  std::int64_t hidden = 128;
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 0;  ///< 0: as heads
  std::int64_t intermediate = 384;
  std::int64_t context = 256;  ///< positions
  double rope_theta = 10000;
  bool tied = true;  ///< the head is the embedding

  void Fields(FieldVisitor& f);
  ModelDescription Describe(std::int64_t vocab) const;
};

/// A byte-level BPE that is trained on the text, or one that there is.
struct TrainTokenizerOptions {
  std::string path;  ///< folder of a tokenizer.json; empty: train one
  std::int64_t vocab = 1536;
  std::int64_t documents = 4000;  ///< of the text, to train on

  void Fields(FieldVisitor& f);
};

/// Training of a language model, fully decided: the same config gives the same weights, bit for
/// bit.
struct TrainConfig {
  TrainModelOptions model;
  TrainTokenizerOptions tokenizer;
  DataSource data;
  std::int64_t documents = 0;  ///< of the text; 0 all
  DataSource test;
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  double clip = 1;
  c10::ScalarType dtype = c10::ScalarType::Float;  ///< of products and hidden states
  c10::ScalarType save = c10::ScalarType::Half;    ///< of the weights in the file
  std::int64_t batch = 16;
  std::int64_t seqlen = 256;
  std::int64_t steps = 1000;
  std::int64_t checkpoint_every = 500;
  std::int64_t seed = 0;
  std::int64_t threads = 2;

  TrainConfig();
  void Fields(FieldVisitor& f);
  /// YAML of all that matters, defaults filled in.
  std::string Canonical() const;
};

/// Reads a file and "key=value" overrides. Throws ConfigError with all that is wrong.
TrainConfig LoadTrainConfig(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace roundlab
