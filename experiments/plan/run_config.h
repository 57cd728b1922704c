#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/model/rotation.h"
#include "core/text/data/calibration.h"
#include "eval/evaluator.h"
#include "experiments/plan/compute.h"
#include "rounding/quant_options.h"
#include "rounding/stage.h"

namespace roundlab {

/// Which model: a name of the catalogue, a Hugging Face folder or a .gguf file.
struct ModelOptions {
  std::string path;
  SourceLoc where;                                 ///< of the path, for messages
  c10::ScalarType dtype = c10::ScalarType::Float;  ///< of products and hidden states
  std::optional<RotationOptions> rotate;           ///< turned before anything else is done to it
  void Fields(FieldVisitor& f);
};

/// One run, fully decided: the same config gives the same codes and metrics.
struct RunConfig {
  ModelOptions model;
  std::optional<CalibrationOptions> calibration;
  std::optional<QuantOptions> quant;
  std::vector<StageRecipe> pipeline;  ///< empty: the model as it is
  std::vector<EvaluatorRecipe> eval;
  std::int64_t seed = 0;
  ComputeOptions compute;                     ///< not in the canonical text
  std::shared_ptr<const ConfigNode> written;  ///< what it was read from

  void Fields(FieldVisitor& f);
  /// Whether the matrix that turns the residual stream is learned.
  bool LearnsRotation() const;
  /// What its pipeline needs, and that matrix.
  StageNeeds Needs() const;
  /// YAML of all that matters and differs from its default; reads back to the same text. What a run
  /// does not use (calibration of a scheme without parameters, the seed of one that draws nothing)
  /// is left out, so that equal work has one id, and so is where it is done (compute).
  std::string Canonical() const;
  /// What was given and is left aside or means something else, each "pipeline.0.steps: of no use to
  /// scheme 'rtn'", at the first key that it tells of. Of a config that was read without errors.
  std::vector<Diagnostic> Unused() const;
  /// 16 hexadecimal digits of SHA-256 over Canonical().
  std::string Id() const;
};

/// Whether a dotted key says where and with what a run is computed, which is not in its id.
bool IsComputeKey(const std::string& key);

/// Reads a run's config. `reserved` are keys of the experiment around it. Appends all that is
/// wrong.
RunConfig ReadRunConfig(const ConfigNode& node, const std::vector<std::string>& reserved,
                        std::vector<Diagnostic>* diagnostics);

/// Writes what a run's folder begins with: config.yaml, which is Canonical(), and compute.yaml.
void WriteRunConfig(const RunConfig& config, const std::string& folder);

/// Reads both; where there is no compute.yaml, that is as by default. Throws Error or ConfigError
/// with all that is wrong.
RunConfig LoadRunConfig(const std::string& folder);

}  // namespace roundlab
