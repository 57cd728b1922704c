#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace roundlab {

/// Where measurements go. Names are "/"-separated paths of run.h5. Not thread-safe.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  /// One sample of a series: "tune/block_3/loss", 17, 4.2e-6.
  virtual void Record(std::string_view series, std::int64_t step, double value) = 0;
  /// A whole array, row-major: "layers/model.layers.0.mlp.up_proj/flip_rate". Given once a name.
  /// Throws Error where there are not as many values as the shape says.
  virtual void Array(std::string_view name, std::vector<std::int64_t> shape,
                     std::vector<double> values) = 0;
};

}  // namespace roundlab
