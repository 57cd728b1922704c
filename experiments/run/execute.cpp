#include "experiments/run/execute.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/kernels/device.h"
#include "core/kernels/out_of_memory.h"
#include "core/metrics/hdf5_file.h"
#include "core/metrics/memory.h"
#include "core/metrics/run_record.h"
#include "core/metrics/tensorboard_file.h"
#include "core/model/model.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "experiments/plan/run_memory.h"
#include "experiments/run/calibration_cache.h"
#include "experiments/run/commit.h"
#include "experiments/run/device_claim.h"
#include "experiments/run/input_files.h"
#include "experiments/run/judged_model.h"
#include "experiments/run/made_of.h"
#include "experiments/run/open_model.h"
#include "experiments/run/plugins.h"
#include "experiments/run/preflight.h"
#include "experiments/run/program.h"
#include "experiments/run/rotation_cache.h"
#include "experiments/run/spent.h"
#include "rounding/pipeline.h"
#include "rounding/rounded_source.h"

namespace roundlab {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

at::Tensor ToTensor(const CalibrationTokens& tokens, std::int64_t seqlen) {
  at::Tensor rows = at::empty({static_cast<std::int64_t>(tokens.rows.size()), seqlen}, at::kLong);
  auto* out = rows.mutable_data_ptr<std::int64_t>();
  for (const auto& row : tokens.rows) {
    for (const std::int32_t id : row) *out++ = id;
  }
  return rows;
}

/// One run being executed.
class Execution {
 public:
  Execution(const RunConfig& config, const ExecuteOptions& options)
      : config_(config),
        folder_(options.folder),
        memory_bytes_(options.memory_bytes),
        cache_((std::filesystem::path(folder_) / "../../.cache").lexically_normal().string(),
               ProgramVersion()),
        log_(folder_ + "/log.txt", options.quiet),
        spent_(folder_ + "/spent.txt") {
    log_.SetLineSeconds(options.line_seconds);
    result_.id = config.Id();
    result_.config = config.Canonical();
  }

  RunResult Run() {
    try {
      return Compute();
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& e) {
      LeaveRecord();
      log_.Note(std::string("failed: ") + e.what());
      throw;
    }
  }

 private:
  RunResult Compute() {
    device_ =
        FindDevice(config_.compute.device, [this](std::int64_t count) { return gpu_.Take(count); });
    if (!config_.compute.device) {
      const std::string unused = UnusedGpuProblem(device_);
      if (!unused.empty())
        log_.Write("computing on the CPU, though a GPU's driver is here: " + unused);
    }
    if (!config_.compute.deterministic) AllowAnyOrder();
    CheckDtype(device_, config_.model.dtype);
    for (const TuneOptions& tune : TuningOf(config_)) {
      if (tune.gradient_precision == GradientPrecision::kFloat8)
        CheckDtype(device_, at::kFloat8_e4m3fn);
    }
    const auto begun = ReadMadeOf(Checkpoint());
    if (begun) spent_.Resume();
    at::set_num_threads(static_cast<int>(Threads(begun)));
    opened_ = OpenModel(config_.model.path, config_.model.rotate, {}, WeightsDevice());
    files_sha256_ = ModelFilesSha256(opened_.tokenizer);
    log_.Write("run " + result_.id + ": model " + opened_.model->path());
    CheckAgainstModel(config_, opened_.model->description());
    for (const std::string& name : opened_.model->Unused()) {
      log_.Write("not used, since it has no place in the model: " + name);
    }
    const auto tokenizer = LoadTokenizer(opened_.tokenizer);
    if (config_.LearnsRotation()) {
      WithinMemory("model.rotate", "set a smaller model.rotate.learn.batch",
                   [&] { LearnRotationOf(*tokenizer); });
    }
    const ModelSource& source = *opened_.model;
    Describe(source);
    const QuantizedModel quantized = Quantize(source, *tokenizer);
    Evaluate(source, *tokenizer, quantized);
    Finish(quantized);
    return result_;
  }

  /// Of a run that fails: what was counted until then, beside the samples that are in its file.
  void LeaveRecord() {
    const std::string file = folder_ + "/run.h5";
    if (!std::filesystem::exists(file)) return;
    Provenance attributes = result_.provenance;
    attributes["status"] = "failed";
    try {
      WriteRunFile(file, record_, attributes);
    } catch (const Error& e) {
      log_.Write(e.what());  // the samples stay
    }
  }

  std::string Checkpoint() const { return folder_ + "/checkpoint"; }

  /// Those that a checkpoint was begun with, else what the caller says.
  std::int64_t Threads(const std::optional<MadeOf>& begun) const {
    return begun && begun->threads > 0 ? begun->threads : config_.compute.threads;
  }

  /// Where random weights are made. What looks at the whole model before rounding runs on the CPU.
  at::Device WeightsDevice() const {
    const bool looks = config_.quant && (config_.quant->budget || config_.Needs().fisher);
    return looks ? at::Device(at::kCPU) : device_;
  }

  void Describe(const ModelSource& source) {
    result_.provenance = BuildAndMachine();
    result_.provenance.insert({{"commit", Commit()},
                               {"libtorch", TORCH_VERSION},
                               {"threads", std::to_string(at::get_num_threads())},
                               {"device", DeviceName(device_)},
                               {"seed", std::to_string(config_.seed)},
                               {"started", TimeNow()},
                               {"model_family", source.description().family},
                               {"model_sha256", source.Fingerprint()},
                               {"model_files_sha256", files_sha256_},
                               {"run_id", result_.id},
                               {"config", result_.config}});
    result_.provenance.merge(HashedFiles(InputFiles(config_)));
    const std::string plugins = PluginsText();
    if (!plugins.empty()) result_.provenance["plugins"] = plugins;
  }

  /// Puts the learned rotation of the residual stream in the place of its start.
  void LearnRotationOf(const Tokenizer& tokenizer) {
    const double before = spent_.HereSeconds();
    const auto start = std::dynamic_pointer_cast<const RotatedSource>(opened_.model);
    ROUNDLAB_CHECK(start != nullptr, "a model that is turned");
    RotationTask task{start.get(), Calibration(tokenizer), *config_.model.rotate->learn, device_};
    const std::string key = "turn 2\n" + start->Fingerprint() + "\n" + files_sha256_ + "\n" +
                            Told("calibration_sha256") + "\n" + DeviceName(device_) + "\n" +
                            std::to_string(at::get_num_threads());
    const at::Tensor rotation = CachedRotation(task, key, cache_, &log_);
    opened_ = OpenModel(config_.model.path, config_.model.rotate, rotation);
    opened_.rotation = rotation;
    result_.timing["rotate"] = spent_.HereSeconds() - before;
  }

  at::Tensor Calibration(const Tokenizer& tokenizer) {
    const CalibrationOptions& options = *config_.calibration;
    const CalibrationTokens tokens = CachedCalibration(options, tokenizer, files_sha256_, cache_);
    result_.provenance["calibration_sha256"] = tokens.fingerprint;
    log_.Write("calibration: " + std::to_string(tokens.rows.size()) + " x " +
               std::to_string(options.seqlen) + " tokens from " +
               std::to_string(tokens.documents_read) + " documents, sha256 " +
               tokens.fingerprint.substr(0, 16));
    return ToTensor(tokens, options.seqlen);
  }

  /// "" where the provenance has no such entry.
  std::string Told(const std::string& name) const {
    const auto found = result_.provenance.find(name);
    return found == result_.provenance.end() ? "" : found->second;
  }

  MadeOf MadeOfNow() const {
    const std::string plugins = PluginHashes();
    return {ProgramVersion() + (plugins.empty() ? "" : ", plug-ins " + plugins),
            result_.id,
            Told("model_sha256"),
            files_sha256_,
            Told("calibration_sha256"),
            DeviceName(device_),
            at::get_num_threads()};
  }

  void TellBits(const QuantizedModel& model) {
    if (model.layers().empty()) return;
    result_.metrics["model/bits_per_weight"] = model.BitsPerWeight();
  }

  QuantizedModel Quantize(const ModelSource& source, const Tokenizer& tokenizer) {
    const auto* rounded = dynamic_cast<const RoundedSource*>(&source);
    if (config_.pipeline.empty()) {
      if (rounded != nullptr) TellBits(rounded->rounded());
      return {};
    }
    if (rounded != nullptr) log_.Write("its weights are rounded already: this comes on top of it");
    const double before = spent_.HereSeconds();
    PipelineInputs inputs;
    inputs.source = &source;
    inputs.dtype = config_.model.dtype;
    inputs.device = device_;
    inputs.seed = static_cast<std::uint64_t>(config_.seed);
    inputs.progress_folder = Checkpoint();
    if (config_.Needs().tokens) {
      inputs.tokens = Calibration(tokenizer);
      const ChainsPlaced chains = PlaceOfChains(source.description());
      inputs.chain_place = chains.place;
      inputs.spare_chain = chains.spare;
      inputs.chain_folder = folder_;
    }
    BeginCheckpoint(Checkpoint(), MadeOfNow());
    const auto series = SeriesNames(source.description(), config_.pipeline);
    LiveRunFile live(folder_ + "/run.h5", series, result_.provenance);
    TensorBoardFile curves(folder_);
    inputs.unit_kept = [this, &live] {
      spent_.Keep(device_);
      live.Flush();  // whatever ends the run later
    };
    TeeSink live_sinks(&live, &curves);
    TeeSink sink(&record_, &live_sinks);
    QuantizedModel model = QuantizeModel(inputs, *config_.quant, config_.pipeline, &sink, &log_);
    result_.timing["quantize"] = spent_.Seconds() - before;
    TellBits(model);
    if (!model.Empty()) result_.codes_sha256 = model.CodesSha256();
    return model;
  }

  /// All that the checkpoint's hidden states depend on beside the tokens.
  std::string OriginalKey() const {
    return Told("model_sha256") + " " + files_sha256_ + " " + c10::toString(config_.model.dtype) +
           " " + std::to_string(at::get_num_threads()) + " threads" +
           (device_.is_cpu() ? "" : " " + DeviceName(device_));
  }

  /// What the run may hold of the memory of the device that computes; 0: no limit is set.
  std::int64_t Limit() const {
    return static_cast<std::int64_t>(config_.compute.memory_limit * kGib);
  }
  std::int64_t HeldBytes() const {
    return device_.is_cpu() ? roundlab::HeldBytes() : MemoryOf(device_).allocated;
  }
  std::int64_t FreeBytes() const {
    const std::int64_t free = device_.is_cpu() ? AvailableBytes() : MemoryOf(device_).free;
    return Limit() > 0 ? std::min(free, Limit() - HeldBytes()) : free;
  }

  /// For the model that is evaluated. The caller's share is of the machine's memory.
  std::int64_t EvaluationBytes() const {
    const bool shared = memory_bytes_ > 0 && device_.is_cpu();
    return shared ? std::min(memory_bytes_, FreeBytes()) : FreeBytes();
  }

  /// Throws Error where a unit alone does not fit. What a machine without a limit has left is no
  /// reason to refuse: it may give up more.
  ChainsPlaced PlaceOfChains(const ModelDescription& model) {
    RunConfig here = config_;
    here.compute.device = device_;
    const RunMemory memory =
        RunMemoryOf(here, model, static_cast<double>(c10::elementSize(config_.model.dtype)));
    MemoryRoom room;
    room.gpu = device_.is_cuda();
    room.bytes = static_cast<double>(FreeBytes() + HeldBytes());
    const std::string problem = UnitProblem(memory, room);
    if (!problem.empty() && (room.gpu || Limit() > 0)) throw Error(problem);
    const auto share = static_cast<double>(memory_bytes_);
    if (memory_bytes_ > 0 && !room.gpu) room.bytes = std::min(room.bytes, share);
    room.machine = static_cast<double>(memory_bytes_ > 0 ? memory_bytes_ : AvailableBytes());
    const ChainsPlaced chains = PlaceChains(memory, room);
    log_.Write("hidden states of all samples: " +
               GibText(memory.Chains() + (chains.spare ? memory.spare : 0)) + " " +
               PlaceText(chains.place, device_) +
               (chains.place == ChainPlace::kDevice
                    ? ""
                    : ", since they do not fit into " + GibText(room.bytes) + " beside a unit's " +
                          GibText(memory.Unit())));
    return chains;
  }

  void Evaluate(const ModelSource& source, const Tokenizer& tokenizer,
                const QuantizedModel& quantized) {
    if (config_.eval.empty()) return;
    const auto start = Clock::now();
    WithinMemory("evaluation",
                 "set a compute.memory_limit (GiB) below the model's size, so that its blocks are "
                 "read one by one, or a smaller one",
                 [&] { Judge(source, tokenizer, quantized); });
    result_.timing["evaluate"] = SecondsSince(start);
  }

  void Judge(const ModelSource& source, const Tokenizer& tokenizer,
             const QuantizedModel& quantized) {
    const at::ScalarType dtype = config_.model.dtype;
    const JudgedModel judged(
        source, *opened_.original,
        {dtype, [&](DecoderBlock* block) { quantized.ApplyTo(block, device_); }, EvaluationBytes(),
         device_},
        &log_);
    const EvalContext context = {&judged.model(), &judged.original(), &tokenizer, &record_, &log_,
                                 &cache_,         OriginalKey()};
    std::vector<std::unique_ptr<Evaluator>> evaluators;
    for (const EvaluatorRecipe& recipe : config_.eval) evaluators.push_back(recipe.make());
    for (const EvalResult& measured : EvaluateTogether(evaluators, context)) {
      for (const auto& [name, value] : measured.metrics) {
        result_.metrics[measured.name + "/" + name] = value;
      }
      for (const auto& [name, text] : measured.provenance) {
        result_.provenance["eval/" + measured.name + "/" + name] = text;
      }
    }
  }

  void Finish(const QuantizedModel& quantized) {
    result_.status = "complete";
    result_.timing["total"] = spent_.Seconds();
    result_.timing["cpu"] = spent_.Cpu();
    result_.memory["peak_resident_bytes"] = spent_.Peak();
    if (device_.is_cuda()) result_.memory["peak_device_bytes"] = spent_.PeakOf(device_);
    Provenance attributes = result_.provenance;
    attributes["status"] = "complete";
    if (!quantized.Empty()) attributes["codes_sha256"] = result_.codes_sha256;
    if (config_.compute.keep_weights && !quantized.Empty()) {
      LeaveWeights(folder_, quantized,
                   {config_.model.path, config_.model.rotate, opened_.rotation,
                    Told("model_sha256"), files_sha256_});
    }
    WriteRunFile(folder_ + "/run.h5", record_, attributes);
    WriteRunResult(folder_ + "/run.json", result_);
    std::error_code none;
    std::filesystem::remove_all(Checkpoint(), none);
    std::filesystem::remove(folder_ + "/spent.txt", none);
    log_.Write("complete in " + FormatDuration(result_.timing["total"]));
  }

  const RunConfig config_;
  const std::string folder_;
  DeviceClaim gpu_{std::filesystem::temp_directory_path().string()};
  at::Device device_ = at::kCPU;
  const std::int64_t memory_bytes_;
  const ContentCache cache_;
  Log log_;
  OpenedModel opened_;
  std::string files_sha256_;  // beside the opened model's weights
  RunRecord record_;
  RunResult result_;
  Spent spent_;
};

}  // namespace

RunResult ExecuteRun(const RunConfig& config, const ExecuteOptions& options) {
  return Execution(config, options).Run();
}

}  // namespace roundlab
