#include "experiments/plan/compute.h"

#include "core/base/error.h"

namespace roundlab {
namespace {

class DeviceField : public ValueField {
 public:
  explicit DeviceField(WantedDevice* device) : device_(device) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind != ConfigNode::Kind::kScalar) {
      diagnostics->push_back({node.where, path + ": expected a device, got " + node.KindName()});
      return;
    }
    try {
      *device_ = ParseDevice(node.scalar);
    } catch (const Error& error) {
      diagnostics->push_back({node.where, path + ": " + error.what()});
    }
  }
  std::string Write() const override { return QuoteScalar(DeviceText(*device_)); }
  std::string Type() const override { return "auto | cpu | cuda | cuda:N"; }

 private:
  WantedDevice* device_;
};

}  // namespace

void ComputeOptions::Fields(FieldVisitor& f) {
  DeviceField device_field(&device);
  f.Value("device", device_field,
          "where: auto is the first GPU where there is one, else the processor");
  f.Int("threads", &threads, Between(1, 1024),
        "threads of a run, at most; results depend on it in the last bits");
  f.Real(
      "memory_limit", &memory_limit, AtLeast(0),
      "GiB of the device that computes: hidden states that do not fit lie in the machine's memory "
      "or in a file, and a run that then needs more is refused; 0: what is left");
  f.Bool(
      "deterministic", &deterministic,
      "on a GPU: the same run gives the same codes; false: attention's backward pass sums in any "
      "order, which is faster");
  f.Bool("keep_weights", &keep_weights,
         "leave weights.safetensors, which `model: FOLDER` of the run then opens");
}

}  // namespace roundlab
