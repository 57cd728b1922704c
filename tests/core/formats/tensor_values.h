#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/checkpoint.h"

namespace roundlab::testing {

/// What Checkpoint::Read gives into a vector that was not empty.
inline std::vector<float> TensorValues(const Checkpoint& checkpoint, const std::string& name) {
  std::vector<std::int64_t> shape;
  std::vector<float> values(100);
  checkpoint.Read(name, &shape, &values);
  EXPECT_EQ(shape, checkpoint.Find(name)->shape);
  return values;
}

}  // namespace roundlab::testing
