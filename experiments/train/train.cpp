#include "experiments/train/train.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/folder_claim.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/base/random.h"
#include "core/metrics/hdf5_file.h"
#include "core/metrics/memory.h"
#include "core/model/catalogue.h"
#include "core/model/model.h"
#include "core/model/trainable.h"
#include "core/text/data/builtin_data.h"
#include "core/text/data/calibration.h"
#include "core/text/tokenizer/bpe_trainer.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/perplexity.h"
#include "experiments/run/commit.h"
#include "experiments/run/input_files.h"
#include "experiments/run/plugins.h"
#include "experiments/run/spent.h"
#include "experiments/train/train_checkpoint.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Ids = std::vector<std::int32_t>;

const std::vector<std::string>& Series() {
  static const std::vector<std::string> kNames = {"train/loss", "train/lr", "train/gradient_norm"};
  return kNames;
}

/// Matrices with the recipe's weight decay, norms without.
std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const TrainConfig& config,
                                                       const TrainableModel& model) {
  std::vector<at::Tensor> matrices;
  std::vector<at::Tensor> norms;
  for (const auto& [name, value] : model.Parameters()) {
    (value.dim() > 1 ? matrices : norms).push_back(value);
  }
  ParamGroups groups;
  groups.emplace_back(matrices);
  groups.emplace_back(norms);
  auto optimizer = config.optimizer.make(std::move(groups));
  SetWeightDecay(&optimizer->param_groups()[1], 0);
  return optimizer;
}

/// Scales all gradients so that their common norm is `most` at the most (0: any). Answers the norm
/// before. Sums in double.
double ClipGradients(const TrainableModel& model, double most) {
  double squares = 0;
  for (const auto& [name, value] : model.Parameters()) {
    const double norm = value.grad().norm(2, at::kDouble).item<double>();
    squares += norm * norm;
  }
  const double norm = std::sqrt(squares);
  if (most > 0 && norm > most) {
    for (const auto& [name, value] : model.Parameters()) value.mutable_grad().mul_(most / norm);
  }
  return norm;
}

/// One training.
class Training {
 public:
  Training(const TrainConfig& config, const TrainOptions& options)
      : config_(config),
        folder_(options.folder),
        side_(options.folder + "/train"),
        spent_(side_ + "/spent.txt") {
    CheckFolder();
    MakeFolder(side_);
    claim_ = FolderClaim::Try(side_);
    if (!claim_) throw Error(folder_ + ": another `train` is at work here");
    log_.emplace(side_ + "/log.txt", options.quiet);
  }

  RunResult Run() {
    at::set_num_threads(static_cast<int>(config_.threads));
    result_.config = config_.Canonical();
    result_.id = Sha256Hex(result_.config).substr(0, 16);
    PrepareOrUndo();
    Describe();
    model_.emplace(Description(), static_cast<std::uint64_t>(config_.seed));
    if (!SavesState(config_.optimizer)) {
      throw Error(
          "optimizer '" + config_.optimizer.type +
          "' has a state and saves nothing of it, so that training could not go on where it "
          "was stopped: override its save and load");
    }
    optimizer_ = MakeOptimizer(config_, *model_);
    Steps();
    model_->Save(folder_, config_.save);
    Measure();
    Finish();
    return result_;
  }

 private:
  /// Before anything is written: is this the folder of another training?
  void CheckFolder() const {
    const std::string file = side_ + "/config.yaml";
    if (!fs::exists(file)) {
      if (!fs::exists(folder_ + "/config.json")) return;
      throw Error(folder_ + ": holds a model that was not trained here; give another --out");
    }
    const std::string there = ReadFile(file);
    if (there == config_.Canonical()) return;
    throw Error(folder_ + ": belongs to a training by another config (" +
                FirstDifference(there, config_.Canonical()) +
                "); give another --out or remove the folder");
  }

  /// Where the texts won't do, nothing is left behind.
  void PrepareOrUndo() {
    const bool begun = fs::exists(side_ + "/config.yaml");
    try {
      PrepareText();
      const ModelDescription model = Description();
      Perplexity(TestOptions()).Check(&model, tokenizer_.get());
    } catch (const Error&) {
      std::error_code none;
      for (const std::string& file : written_) fs::remove(file, none);
      if (!begun) fs::remove_all(side_, none);
      fs::remove(folder_, none);  // where it is empty
      throw;
    }
  }

  void Write(const std::string& file, const std::string& text) {
    WriteFileAtomically(file, text);
    written_.push_back(file);
  }

  /// The tokenizer's files in the folder, and the text's ids.
  void PrepareText() {
    const Dataset text = LoadDataset(config_.data, config_.documents);
    WriteFileAtomically(side_ + "/config.yaml", result_.config);
    const TrainTokenizerOptions& wanted = config_.tokenizer;
    if (!wanted.path.empty()) {
      for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
        Write(folder_ + "/" + name, ReadFile(ResolveModel(wanted.path) + "/" + name));
      }
    } else if (!fs::exists(folder_ + "/tokenizer_config.json")) {
      TrainTokenizer(text);
    }
    tokenizer_ = LoadTokenizer(folder_);
    ids_ = TokenStream(text, *tokenizer_);
    log_->Write("text: " + std::to_string(text.documents.size()) + " documents, " +
                std::to_string(ids_.size()) + " tokens, vocabulary " +
                std::to_string(tokenizer_->VocabSize()));
    if (static_cast<std::int64_t>(ids_.size()) <= config_.seqlen) {
      throw Error(text.file + ": has " + std::to_string(ids_.size()) +
                  " tokens; training on sequences of " + std::to_string(config_.seqlen) +
                  " needs one more at least");
    }
  }

  void TrainTokenizer(const Dataset& text) {
    const auto start = Clock::now();
    const auto count =
        std::min(text.documents.size(), static_cast<std::size_t>(config_.tokenizer.documents));
    const TrainedBpe bpe = TrainBpe(
        {text.documents.begin(), text.documents.begin() + static_cast<std::ptrdiff_t>(count)},
        {config_.tokenizer.vocab});
    Write(folder_ + "/tokenizer.json", bpe.TokenizerJson());
    Write(folder_ + "/tokenizer_config.json",
          TrainedBpe::TokenizerConfigJson(config_.model.context));
    log_->Write("tokenizer: " + std::to_string(bpe.tokens.size()) + " tokens from " +
                std::to_string(count) + " documents in " + FormatDuration(Seconds(start)));
  }

  ModelDescription Description() const {
    ModelDescription d = config_.model.Describe(tokenizer_->VocabSize());
    d.bos_id = tokenizer_->BosId();
    d.eos_id = tokenizer_->EosId();
    return d;
  }

  void Describe() {
    result_.provenance = BuildAndMachine();
    const std::string plugins = PluginsText();
    if (!plugins.empty()) result_.provenance["plugins"] = plugins;
    result_.provenance.insert({{"commit", Commit()},
                               {"libtorch", TORCH_VERSION},
                               {"threads", std::to_string(at::get_num_threads())},
                               {"started", TimeNow()},
                               {"train_tokens_sha256", TokenFingerprint(ids_)},
                               {"run_id", result_.id},
                               {"config", result_.config}});
    for (const DataSource* text : {&config_.data, &config_.test}) {
      result_.provenance.merge(HashedFiles(text->Files()));
    }
  }

  /// The windows of a step: int64 [batch, seqlen + 1].
  at::Tensor Batch(std::int64_t step) const {
    PythonRandom random(StreamSeed(static_cast<std::uint64_t>(config_.seed),
                                   "train/batch/" + std::to_string(step)));
    const std::int64_t length = config_.seqlen + 1;
    at::Tensor batch = at::empty({config_.batch, length}, at::kLong);
    auto* out = batch.mutable_data_ptr<std::int64_t>();
    const std::uint64_t starts = ids_.size() - static_cast<std::size_t>(length) + 1;
    for (std::int64_t row = 0; row < config_.batch; ++row) {
      const Ids::const_iterator first =
          ids_.begin() + static_cast<std::ptrdiff_t>(random.Below(starts));
      out = std::copy(first, first + length, out);
    }
    return batch;
  }

  void Steps() {
    std::string made_of =
        result_.config + "\ntrain_tokens_sha256: " + result_.provenance.at("train_tokens_sha256");
    if (const std::string plugins = PluginHashes(); !plugins.empty())
      made_of += "\nplugins: " + plugins;
    checkpoint_.emplace(side_ + "/checkpoint.pt", made_of);
    const std::vector<double> rates = LearningRates(*optimizer_);
    std::int64_t step = checkpoint_->Load(*model_, optimizer_.get(), &record_);
    if (step > 0) {
      log_->Write("goes on after step " + std::to_string(step));
      spent_.Resume();
    }
    const auto schedule = config_.schedule.make();
    LiveRunFile live(side_ + "/train.h5", Series(), result_.provenance);
    record_.Replay(&live);
    TeeSink sink(&record_, &live);
    const double before = spent_.HereSeconds();
    Progress progress(*log_, "train", "steps", config_.steps, step);
    for (; step < config_.steps; ++step) {
      const double factor = schedule->Factor(step, config_.steps);
      SetLearningRates(optimizer_.get(), rates, factor);
      const double loss = Step(step, rates.front() * factor, &sink);
      progress.Advance(1, "loss " + std::to_string(loss).substr(0, 6));
      const bool due = (step + 1) % config_.checkpoint_every == 0 || step + 1 == config_.steps;
      if (due) Save(step + 1);
      if (!due && step + 1 < config_.steps) CheckInterruptAt(step + 1);
    }
    const double seconds = spent_.Seconds() - before;
    result_.timing["train"] = seconds;
    const auto tokens = static_cast<double>(step * config_.batch * config_.seqlen);
    result_.timing["tokens_per_second"] = tokens / seconds;
  }

  void Save(std::int64_t done) {
    checkpoint_->Save(done, *model_, *optimizer_, record_);
    spent_.Keep(at::kCPU);
  }

  /// Ctrl-C loses nothing.
  void CheckInterruptAt(std::int64_t done) {
    try {
      CheckInterrupt();
    } catch (const Interrupted&) {
      Save(done);
      throw;
    }
  }

  double Step(std::int64_t step, double lr, MetricSink* sink) {
    const at::Tensor loss = model_->Loss(Batch(step), config_.dtype);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      throw Diverged("step " + std::to_string(step) +
                     ": the loss is not finite; a lower lr or a longer warmup may help");
    }
    optimizer_->zero_grad();
    loss.backward();
    sink->Record("train/gradient_norm", step, ClipGradients(*model_, config_.clip));
    sink->Record("train/loss", step, value);
    sink->Record("train/lr", step, lr);
    if (auto* voter = VoterOf(optimizer_.get())) voter->Vote();  // a batch is one part
    optimizer_->step();
    return value;
  }

  Perplexity::Options TestOptions() const {
    Perplexity::Options options;
    options.data = config_.test;
    options.name = "test";
    options.seqlen = config_.seqlen;
    return options;
  }

  void Measure() {
    const ModelFiles files(folder_);
    const LanguageModel model(files, at::kFloat);
    const MemoryScorer scorer(model);
    const EvalResult measured =
        Perplexity(TestOptions())
            .Evaluate({&scorer, nullptr, tokenizer_.get(), &record_, &*log_})
            .front();
    for (const auto& [name, value] : measured.metrics) result_.metrics["test/" + name] = value;
    const std::string path = ResolveData(config_.test).path;
    std::string floor;
    if (IsBuiltin(path)) {
      const Ids ids = TokenStream(LoadDataset(config_.test), *tokenizer_);
      const double value = std::exp(BuiltinNats(path) / static_cast<double>(ids.size()));
      result_.metrics["test/floor_perplexity"] = value;
      floor = ", floor " + std::to_string(value);
    }
    result_.metrics["model/weights"] = static_cast<double>(files.description().TotalWeights());
    result_.provenance["model_sha256"] = files.Fingerprint();
    log_->Write("held-out perplexity " + std::to_string(result_.metrics["test/perplexity"]) +
                floor);
  }

  void Finish() {
    result_.status = "complete";
    result_.memory["peak_resident_bytes"] = spent_.Peak();
    Provenance attributes = result_.provenance;
    attributes["status"] = "complete";
    WriteRunFile(side_ + "/train.h5", record_, attributes);
    WriteRunResult(side_ + "/train.json", result_);
    std::error_code none;
    fs::remove(side_ + "/checkpoint.pt", none);
    fs::remove(side_ + "/spent.txt", none);
  }

  static double Seconds(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  const TrainConfig config_;
  const std::string folder_;
  const std::string side_;
  std::optional<TrainCheckpoint> checkpoint_;
  Spent spent_;
  std::optional<FolderClaim> claim_;
  std::optional<Log> log_;
  std::vector<std::string> written_;  // the tokenizer's files, where this run made them
  std::unique_ptr<Tokenizer> tokenizer_;
  Ids ids_;
  std::optional<TrainableModel> model_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  RunRecord record_;
  RunResult result_;
};

}  // namespace

void CheckTexts(const TrainConfig& config) {
  std::string problems;
  for (const DataSource* text : {&config.data, &config.test}) {
    try {
      LoadDataset(*text);
    } catch (const Error& e) {
      problems += (problems.empty() ? "" : "\n") + std::string(e.what());
    }
  }
  if (!problems.empty()) throw Error(problems);
}

RunResult TrainModel(const TrainConfig& config, const TrainOptions& options) {
  const std::string done = options.folder + "/train/train.json";
  if (fs::exists(done)) {
    RunResult result = ReadRunResult(done);
    if (result.config == config.Canonical()) return result;
  }
  return Training(config, options).Run();
}

}  // namespace roundlab
