#pragma once

#include <string>

#include "experiments/run/run_file.h"
#include "experiments/train/train_config.h"

namespace roundlab {

struct TrainOptions {
  std::string folder;  ///< of the model
  bool quiet = false;
};

/// Throws Error with all that is wrong with the training's texts, each after its place.
void CheckTexts(const TrainConfig& config);

/// Trains a language model and writes it as a Hugging Face folder: config.json, model.safetensors,
/// tokenizer.json, tokenizer_config.json. Beside them train/: config.yaml, train.h5 (series
/// train/loss, train/lr, train/gradient_norm a step), train.json (metrics below), log.txt, and
/// until it is done a checkpoint, from which the same call goes on with the same bits.
///
/// Each step takes `batch` windows of seqlen + 1 ids from places of the text that are drawn from
/// (seed, step): documents one after the other, each with what the tokenizer puts in front.
/// Metrics, of the weights as they are in the file: test/perplexity (protocol gptq, windows of
/// seqlen) and its stderr; for built-in text test/floor_perplexity = exp(BuiltinNats / ids).
///
/// Throws Error for text too short for one window, a folder in which another config was trained,
/// and whatever can't be read; Diverged where a loss is not finite; Interrupted.
RunResult TrainModel(const TrainConfig& config, const TrainOptions& options);

}  // namespace roundlab
