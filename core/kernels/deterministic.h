#pragma once

namespace roundlab {

/// For as long as it lives, operations take their deterministic way also where libtorch is told
/// only to warn: attention's backward passes look at that.
class Deterministic {
 public:
  Deterministic();
  ~Deterministic();
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  bool was_;
  bool warned_;
};

}  // namespace roundlab
