#pragma once

namespace roundlab {

/// What has to be done, whoever does it.
struct Work {
  double flops = 0;   ///< of matrix products; what runs at a lower rate counts so much more
  double values = 0;  ///< numbers read or written by all else
  double ops = 0;     ///< operations started

  Work& operator+=(const Work& more) {
    flops += more.flops;
    values += more.values;
    ops += more.ops;
    return *this;
  }
};

inline Work operator+(Work a, const Work& b) { return a += b; }
inline Work operator*(double factor, const Work& w) {
  return {factor * w.flops, factor * w.values, factor * w.ops};
}

}  // namespace roundlab
