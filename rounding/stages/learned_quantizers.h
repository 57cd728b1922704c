#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/model/block.h"
#include "core/quant/activation_quantizer.h"
#include "rounding/tuner/tune_options.h"
#include "rounding/tuner/tuned.h"

namespace roundlab {

/// What of static quantizers is trained, and how.
struct LearnOptions {
  LearnOptions();
  TuneOptions tune;
  bool step = true;
  bool border = false;
  double border_lr_factor = 10;
  void Fields(FieldVisitor& f);
};

/// Static quantizers of what linear layers are fed, trained together so that the layers' unit puts
/// out what it did unquantized:
///   x^ = s (clamp(round(x / s) + z, codes) - z),   s = f s0
/// f > 0 for each step s0 of the start, 1 at first, with LSQ's gradient through rounding
/// (ActivationQuantizer::Apply) times 1 / sqrt(N Q): N values of a token share the step, Q is the
/// highest code (LSQ, Esser et al. 2020, arXiv 1902.08153, section 2.2). z stays.
/// A border takes the place of nearest rounding's 1/2, three numbers a channel, 0 at first:
/// nearest, ties down (AQuant, arXiv 2208.11945; no public code; its weights are AdaRound's, which
/// a round stage before or after may be).
///
/// Where we differ from LSQ: s0 is what the stage's ranges give (`range: lsq`: LSQ's own); f is
/// trained, not s, so that one learning rate fits steps of any size; by a block's outputs, not by
/// the model's loss; weights are not trained beside.
class LearnedQuantizers : public Tuned {
 public:
  /// Layers that one tensor feeds, and the static quantizer of that tensor.
  struct Input {
    std::vector<LinearSlot*> slots;
    std::shared_ptr<const ActivationQuantizer> start;
  };
  LearnedQuantizers(std::vector<Input> inputs, const LearnOptions& options);

  std::vector<ParameterGroup> Parameters() override;
  void Install(Hardness hardness) override;
  bool Project(double progress) override;

  const std::vector<Input>& inputs() const { return inputs_; }
  /// f of an input, of the shape of its scale.
  at::Tensor Factor(std::size_t input) const { return factors_.at(input).detach(); }

 private:
  ActivationQuantizer Now(std::size_t input) const;

  std::vector<Input> inputs_;
  std::vector<at::Tensor> factors_;
  std::vector<at::Tensor> borders_;  // [3, channels]; empty: nearest
  double border_lr_factor_;
  bool step_;
};

}  // namespace roundlab
