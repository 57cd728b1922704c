#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/families/mixture.h"

namespace roundlab {

/// Granite: as llama; embeddings, scores, what branches give, and logits have scales of their own.
ModelDescription DescribeGranite(const ConfigReader& config);
/// The same with experts.
ModelDescription DescribeGraniteMoe(const ConfigReader& config);
/// And an MLP beside them that all tokens go through, where shared_intermediate_size is above 0.
ModelDescription DescribeGraniteMoeShared(const ConfigReader& config);
/// HyperCLOVA X: as Granite, with norms on both branches; logits are multiplied, not divided.
ModelDescription DescribeHyperClova(const ConfigReader& config);

// What its kin share.

struct GraniteScales {
  double scores;
  double residual;
  double embedding;
  double logits;  ///< what they are multiplied by
};

/// `count` experts in stacks, and the MLP that all tokens go through, `shared` wide; 0: none.
Mixture GraniteExperts(std::int64_t count, std::int64_t used, std::int64_t shared);
GraniteScales ReadScales(const ConfigReader& config);
/// Scales a model whose blocks are laid out; the ends are llama's.
void ScaleParts(const GraniteScales& scales, ModelDescription* d);

}  // namespace roundlab
