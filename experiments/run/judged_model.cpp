#include "experiments/run/judged_model.h"

#include <algorithm>

#include "core/base/gib.h"

namespace roundlab {
namespace {

constexpr std::int64_t kFloatBytes = 4;

std::string Gib(std::int64_t bytes) { return GibText(static_cast<double>(bytes)); }

std::int64_t EndBytes(const ModelDescription& model) {
  return (model.TotalWeights() - model.LinearWeights()) * kFloatBytes;
}

/// Of a head that is the embedding's matrix, where a GPU multiplies it in 16 bits.
std::int64_t HeadCopyBytes(const ModelDescription& model, const JudgedModelOptions& options) {
  const bool copied = options.device.is_cuda() && options.dtype != at::kFloat && model.tied_head;
  return copied ? model.vocab * model.hidden * std::int64_t{2} : 0;
}

/// For hidden states between blocks: half of what the ends, a block and the next one leave.
std::int64_t StateBytes(const ModelDescription& model, std::int64_t memory) {
  const std::int64_t block = model.LinearWeights() / std::max<std::int64_t>(1, model.layers);
  const std::int64_t left = memory - EndBytes(model) - 3 * kFloatBytes * block;
  return std::max(StreamScorer::Options().bytes, left / 2);
}

/// A StreamScorer with ends of its own, which are read when they are first asked for: few
/// evaluators look at a second model.
class LateScorer : public Scorer {
 public:
  LateScorer(const ModelSource& source, const at::Device& device,
             const StreamScorer::Options& options)
      : source_(source), device_(device), options_(options) {}
  const ModelDescription& description() const override { return source_.description(); }
  const LogitHead& head() const override { return Get().head(); }
  void Run(const std::vector<ScorerInput>& inputs, const Use& use) const override {
    Get().Run(inputs, use);
  }

 private:
  const Scorer& Get() const {
    if (!scorer_) {
      ends_.emplace(source_.LoadEnds());
      ends_->To(device_, options_.dtype);
      scorer_.emplace(source_, *ends_, options_);
    }
    return *scorer_;
  }

  const ModelSource& source_;
  const at::Device device_;
  const StreamScorer::Options options_;
  mutable std::optional<ModelEnds> ends_;
  mutable std::optional<StreamScorer> scorer_;
};

}  // namespace

std::int64_t BytesInMemory(const ModelDescription& model, at::ScalarType dtype) {
  return EndBytes(model) +
         model.LinearWeights() * static_cast<std::int64_t>(c10::elementSize(dtype));
}

JudgedModel::JudgedModel(const ModelSource& source, const ModelSource& original,
                         const JudgedModelOptions& options, Log* log) {
  const ModelDescription& description = source.description();
  const std::int64_t bytes =
      BytesInMemory(description, options.dtype) + HeadCopyBytes(description, options);
  StreamScorer::Options streamed;
  streamed.dtype = options.dtype;
  original_ = std::make_unique<LateScorer>(original, options.device, streamed);
  if (bytes <= options.memory_bytes) {
    log->Write("evaluation: the whole model in memory, " + Gib(bytes));
    in_memory_.emplace(source, options.dtype, options.hook, options.device);
    model_ = std::make_unique<MemoryScorer>(*in_memory_);
    return;
  }
  log->Write("evaluation: " + Gib(bytes) + " of weights do not fit into " +
             Gib(options.memory_bytes) + " of memory: blocks are read one by one");
  streamed.hook = options.hook;
  streamed.log = log;
  streamed.bytes = StateBytes(description, options.memory_bytes);
  model_ = std::make_unique<LateScorer>(source, options.device, streamed);
}

}  // namespace roundlab
