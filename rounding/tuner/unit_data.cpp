#include "rounding/tuner/unit_data.h"

#include <ATen/ATen.h>

namespace roundlab {

ComingBatch::ComingBatch(const UnitData& data, const at::Tensor& rows)
    : inputs_(data.inputs.SelectAhead(rows)), targets_(data.targets.SelectAhead(rows)) {
  if (data.also.defined()) also_ = data.also.SelectAhead(rows);
  if (!data.mask.defined()) return;
  mask_ = data.mask.index_select(0, rows.to(data.mask.device(), /*non_blocking=*/true));
}

ComingBatch::ComingBatch(const UnitData& data, std::int64_t first, std::int64_t count)
    : inputs_(data.inputs.NarrowAhead(first, count)),
      targets_(data.targets.NarrowAhead(first, count)) {
  if (data.also.defined()) also_ = data.also.NarrowAhead(first, count);
  if (data.mask.defined()) mask_ = data.mask.narrow(0, first, count);
}

BatchRows ComingBatch::Get() {
  BatchRows rows;
  rows.inputs = inputs_.Get();
  rows.targets = targets_.Get();
  if (also_) rows.also = also_->Get();
  rows.mask = mask_;
  return rows;
}

}  // namespace roundlab
