#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "tests/support/random_tensor.h"

namespace roundlab::testing {

/// Groups [groups, width] with a grid that clips some of them on either side; a negative scale in
/// the first.
struct GroupRows {
  at::Tensor weight, offset, scale, zero;
  std::vector<at::Tensor> Inputs() const { return {weight, offset, scale, zero}; }
};
inline GroupRows MakeRows(std::int64_t groups, std::int64_t width) {
  GroupRows rows{RandomTensor({groups, width}, 1), RandomTensor({groups, width}, 2, 0.4),
                 RandomTensor({groups}, 3).abs() * 0.1 + 0.15,
                 (RandomTensor({groups}, 4) * 2 + 8).round()};
  rows.scale[0] *= -1;
  return rows;
}

}  // namespace roundlab::testing
