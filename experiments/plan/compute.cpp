#include "experiments/plan/compute.h"

#include "core/base/error.h"
#include "core/kernels/device.h"

namespace roundlab {
namespace {

/// What is wrong with the name of a device; "" for nothing.
std::string NameProblem(const std::string& device) {
  try {
    ParseDevice(device);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

class DeviceField : public ValueField {
 public:
  explicit DeviceField(std::string* device) : device_(device) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    const std::string problem = node.kind == ConfigNode::Kind::kScalar
                                    ? NameProblem(node.scalar)
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
  f.Value("device", device_field,
          "where: auto is the first GPU where there is one, else the processor");
  f.Int("threads", &threads, Between(1, 1024),
        "threads of a run, at most; results depend on it in the last bits");
  f.Real("memory_limit", &memory_limit, AtLeast(0),
         "GiB; a run whose estimate is above it is refused; 0: no limit");
}

}  // namespace roundlab
