#include "experiments/run/program.h"

#include <torch/version.h>

#include "core/base/hash.h"
#include "core/metrics/provenance.h"
#include "experiments/run/commit.h"

namespace roundlab {

const std::string& ProgramVersion() {
  static const std::string kVersion = [] {
    std::string version = Commit();
    const bool whole = version != "unknown" && version.find("-dirty") == std::string::npos;
    if (!whole) version += " " + Sha256OfFile("/proc/self/exe").substr(0, 16);
    return version + ", " + BuildAndMachine().at("compiler") + ", libtorch " + TORCH_VERSION;
  }();
  return kVersion;
}

}  // namespace roundlab
