#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/metrics/run_record.h"
#include "rounding/stage.h"
#include "rounding/unit_work.h"

namespace roundlab::testing {

/// A block as the unit that stages work on, without a pipeline around it. Both chains are `inputs`,
/// where there are any.
class StagedBlock {
 public:
  StagedBlock(std::unique_ptr<DecoderBlock> block, const RopeTable& rope, const QuantOptions& quant,
              const at::Tensor& inputs = {})
      : quant_(quant), range_(quant.range.make()), rope_(rope), unit_("golden", One(block), rope_) {
    setting_.quant = &quant_;
    setting_.range = range_.get();
    setting_.log = &log_;
    setting_.on_step = [] {};
    const auto chain = [&] { return inputs.defined() ? HiddenStates(inputs) : HiddenStates(); };
    work_ = std::make_unique<UnitWork>(setting_, unit_, chain(), chain(), HiddenStates(), &record_);
  }

  /// A stage of a config, "type: lorc\n...".
  void Apply(const std::string& text) {
    const auto stage = Stages().FromText(text).make();
    setting_.needs = stage->Needs(quant_);
    stage->Apply(work_.get());
  }
  DecoderBlock& Block() { return *unit_.blocks().front(); }
  UnitWork& Work() { return *work_; }
  /// What stages recorded under a name.
  const std::vector<double>& Recorded(const std::string& name) const {
    return record_.arrays().at(name).values;
  }

 private:
  static UnitBlocks One(std::unique_ptr<DecoderBlock>& block) {
    UnitBlocks blocks;
    blocks.push_back(std::move(block));
    return blocks;
  }

  QuantOptions quant_;
  std::unique_ptr<RangeEstimator> range_;
  RopeTable rope_;
  Unit unit_;
  Log log_{"", true};
  WorkSetting setting_;
  RunRecord record_;
  std::unique_ptr<UnitWork> work_;
};

}  // namespace roundlab::testing
