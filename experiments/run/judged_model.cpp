#include "experiments/run/judged_model.h"

#include <algorithm>
#include <cmath>

#include "core/base/gib.h"
#include "experiments/plan/run_memory.h"

namespace roundlab {
namespace {

constexpr std::int64_t kFloatBytes = 4;

std::string Gib(std::int64_t bytes) { return GibText(static_cast<double>(bytes)); }

/// For hidden states between blocks: half of what the ends, a block and the next one leave.
std::int64_t StateBytes(const ModelDescription& model, double ends, std::int64_t memory) {
  const std::int64_t block = model.LinearWeights() / std::max<std::int64_t>(1, model.layers);
  const std::int64_t left = memory - std::llround(ends) - 3 * kFloatBytes * block;
  return std::max(StreamScorer::Options().bytes, left / 2);
}

/// Both ends of a model, read when they are first asked for.
class LateEnds {
 public:
  LateEnds(const ModelSource& source, const JudgedModelOptions& options)
      : source_(source), device_(options.device), dtype_(options.dtype) {}
  const ModelEnds& Get() {
    if (!ends_) {
      ends_.emplace(source_.LoadEnds());
      ends_->To(device_, dtype_);
    }
    return *ends_;
  }

 private:
  const ModelSource& source_;
  const at::Device device_;
  const at::ScalarType dtype_;
  std::optional<ModelEnds> ends_;
};

/// A StreamScorer whose ends are read when they are first asked for, by one of those that share
/// them: few evaluators look at a second model.
class LateScorer : public Scorer {
 public:
  LateScorer(const ModelSource& source, std::shared_ptr<LateEnds> ends,
             const StreamScorer::Options& options)
      : source_(source), ends_(std::move(ends)), options_(options) {}
  const ModelDescription& description() const override { return source_.description(); }
  const LogitHead& head() const override { return Get().head(); }
  void Run(const std::vector<ScorerInput>& inputs, const Use& use) const override {
    Get().Run(inputs, use);
  }

 private:
  const Scorer& Get() const {
    if (!scorer_) scorer_.emplace(source_, ends_->Get(), options_);
    return *scorer_;
  }

  const ModelSource& source_;
  const std::shared_ptr<LateEnds> ends_;
  const StreamScorer::Options options_;
  mutable std::optional<StreamScorer> scorer_;
};

}  // namespace

JudgedModel::JudgedModel(const ModelSource& source, const ModelSource& original,
                         const JudgedModelOptions& options, Log* log) {
  const ModelDescription& description = source.description();
  const auto value = static_cast<double>(c10::elementSize(options.dtype));
  const bool gpu = options.device.is_cuda();
  const std::int64_t bytes = std::llround(BytesInMemory(description, value, gpu));
  const bool fits = bytes <= options.memory_bytes;
  StreamScorer::Options streamed;
  streamed.dtype = options.dtype;
  streamed.log = log;
  streamed.bytes = StateBytes(description, EndBytes(description, value, gpu),
                              options.memory_bytes - (fits ? bytes : 0));
  if (fits) streamed.bytes = std::min(streamed.bytes, StatesBesideModel(bytes));
  const bool same = &source == &original;
  const auto ends = std::make_shared<LateEnds>(source, options);
  const auto first_ends = same ? ends : std::make_shared<LateEnds>(original, options);
  if (fits) {
    log->Write("evaluation: the whole model in memory, " + Gib(bytes));
    in_memory_.emplace(source, options.dtype, options.hook, options.device);
    model_ = std::make_unique<MemoryScorer>(*in_memory_);
  } else {
    log->Write("evaluation: " + Gib(bytes) + " of weights do not fit into " +
               Gib(options.memory_bytes) + " of memory: blocks are read one by one");
    StreamScorer::Options changed = streamed;
    changed.hook = options.hook;
    model_ = std::make_unique<LateScorer>(source, ends, changed);
  }
  if (fits && same) {
    original_ = std::make_unique<StreamScorer>(original, in_memory_->ends(), streamed);
  } else {
    original_ = std::make_unique<LateScorer>(original, first_ends, streamed);
  }
}

}  // namespace roundlab
