#include "experiments/plan/compute.h"

#include "core/base/suggest.h"

namespace roundlab {
namespace {

/// What is wrong with the name of a device; "" for nothing.
std::string DeviceProblem(const std::string& device) {
  if (device == "auto" || device == "cpu") return "";
  const bool numbered = device.rfind("cuda:", 0) == 0 && device.size() > 5 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device == "cuda" || numbered) {
    return "'" + device + "': this program has no CUDA yet; auto and cpu compute on the processor";
  }
  return "unknown device '" + device + "'" +
         SuggestionSuffix(device, {"auto", "cpu", "cuda", "cuda:N"});
}

class DeviceField : public ValueField {
 public:
  explicit DeviceField(std::string* device) : device_(device) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    const std::string problem = node.kind == ConfigNode::Kind::kScalar
                                    ? DeviceProblem(node.scalar)
                                    : std::string("expected a device, got ") + node.KindName();
    if (!problem.empty()) diagnostics->push_back({node.where, path + ": " + problem});
    *device_ = node.scalar;
  }
  std::string Write() const override { return QuoteScalar(*device_); }
  std::string Type() const override { return "auto | cpu | cuda | cuda:N"; }

 private:
  std::string* device_;
};

}  // namespace

void ComputeOptions::Fields(FieldVisitor& f) {
  DeviceField device_field(&device);
  f.Value("device", device_field, "where; CUDA is not there yet");
  f.Int("threads", &threads, Between(1, 1024),
        "threads of a run, at most; results depend on it in the last bits");
  f.Real("memory_limit", &memory_limit, AtLeast(0),
         "GiB; a run whose estimate is above it is refused; 0: no limit");
}

}  // namespace roundlab
