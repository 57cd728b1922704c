#include "eval/zero_shot.h"

#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/config/value_fields.h"
#include "core/metrics/run_record.h"
#include "eval/task_metrics.h"

namespace roundlab {
namespace {

using Options = ZeroShot::Options;

const EnumNames<ZeroShot::Refused> kRefused = {{ZeroShot::Refused::kLeftOut, "left_out"},
                                               {ZeroShot::Refused::kWrong, "wrong"}};

/// A task with its documents, ready to be scored.
struct LoadedTask {
  std::string name;
  TaskOptions task;
  std::vector<TaskDocument> documents;
  std::vector<std::string> preambles;
  std::string sha256;
};

/// SHA-256 of all that is asked, in order: equal hash, comparable document by document.
std::string Fingerprint(const std::vector<TaskDocument>& documents,
                        const std::vector<std::string>& preambles) {
  Sha256 hash;
  const auto add = [&](const std::string& text) {
    hash.Update(std::to_string(text.size()) + ":");
    hash.Update(text);
  };
  for (std::size_t i = 0; i < documents.size(); ++i) {
    add(preambles[i]);
    for (const std::string& context : documents[i].contexts) add(context);
    for (const std::string& choice : documents[i].choices) add(choice);
    add(std::to_string(documents[i].gold));
  }
  return hash.HexDigest();
}

LoadedTask Load(const Options& options, const std::string& name) {
  LoadedTask loaded{TaskLabel(name), LoadTask(name), {}, {}, {}};
  if (options.data.Given()) loaded.task.data = options.data;
  if (options.shots > 0 && !loaded.task.shots.allowed) {
    throw Error("shots: " + std::to_string(options.shots) +
                ": its examples are part of the task, which takes no others");
  }
  const Rows rows = LoadRows(loaded.task.data);
  const std::vector<TaskDocument> all = MakeDocuments(loaded.task, rows);
  for (const std::size_t i : ChooseDocuments(all.size(), options.documents, options.shuffle)) {
    loaded.documents.push_back(all[i]);
  }
  const bool own = !loaded.task.shots.data.Given();
  const bool today = options.protocol == Harness::kLmEval04;
  const ShotOptions shots = {options.shots, today ? !loaded.task.shots.test_split : own,
                             options.shuffle ? all.size() : 0};
  const std::vector<TaskDocument> pool =
      options.shots == 0 || own ? all
                                : MakeDocuments(loaded.task, LoadRows(loaded.task.shots.data));
  loaded.preambles = Preambles(loaded.task, options.protocol, shots, loaded.documents, pool);
  loaded.sha256 = Fingerprint(loaded.documents, loaded.preambles);
  return loaded;
}

/// Requests of a document; none of them where the harness would stop at one.
struct Requests {
  std::vector<Continuation> continuations;
  bool truncated = false;
  std::string refused;
};

Requests Encode(const LoadedTask& loaded, std::size_t i, Harness harness, std::int64_t max_length,
                const Tokenizer& tokenizer) {
  const TaskDocument& document = loaded.documents[i];
  Requests requests;
  for (std::size_t c = 0; c < document.Count(); ++c) {
    EncodedPair pair =
        EncodePair(tokenizer, harness, max_length, loaded.preambles[i] + document.Context(c),
                   loaded.task.delimiter + document.Choice(c));
    requests.truncated = requests.truncated || pair.truncated;
    if (!pair.refused.empty()) requests.refused = pair.refused;
    requests.continuations.push_back(std::move(pair.continuation));
  }
  if (!requests.refused.empty()) requests.continuations.clear();
  return requests;
}

/// One task on one model.
class TaskEvaluation : public Evaluation {
 public:
  TaskEvaluation(const Options& options, LoadedTask loaded, const EvalContext& context)
      : options_(options),
        loaded_(std::move(loaded)),
        context_(context),
        guard_(loaded_.name + options.suffix, options.on_nan),
        scoring_(*context.model, EncodeAll(),
                 {options.pack_tokens, [this](std::int64_t groups) { progress_.Advance(groups); },
                  [this](const BadContinuation& bad) { TellBad(bad); }}),
        progress_(*context.log, loaded_.name, "documents",
                  static_cast<std::int64_t>(loaded_.documents.size()) - refused_) {}

  std::vector<ScorerInput> Inputs() override { return scoring_.Inputs(); }
  void Take(std::size_t i, const ScorerStates& states) override { scoring_.Take(i, states); }

  std::vector<EvalResult> Finish() override {
    EvalResult result;
    result.name = loaded_.name + options_.suffix;
    try {
      result.metrics =
          TaskMetrics(loaded_.task, loaded_.documents, Scores(),
                      {options_.protocol, options_.refused == ZeroShot::Refused::kWrong},
                      "eval/" + result.name, context_.sink);
    } catch (const Error& e) {
      throw Error("task " + loaded_.name + ": " + e.what());
    }
    result.metrics["documents"] = static_cast<double>(loaded_.documents.size());
    result.metrics["truncated"] = static_cast<double>(truncated_);
    result.metrics["refused"] = static_cast<double>(refused_);
    result.provenance = {{"documents_sha256", loaded_.sha256},
                         {"harness", EnumName(options_.protocol, HarnessNames())}};
    guard_.Finish(&result, context_.log);
    Tell(result);
    return {result};
  }

 private:
  std::vector<std::vector<Continuation>> EncodeAll() {
    std::vector<std::vector<Continuation>> groups;
    const std::int64_t most = context_.model->description().max_positions;
    for (std::size_t i = 0; i < loaded_.documents.size(); ++i) {
      Requests requests = Encode(loaded_, i, options_.protocol, most, *context_.tokenizer);
      truncated_ += requests.truncated ? 1 : 0;
      refused_ += requests.refused.empty() ? 0 : 1;
      if (!requests.refused.empty()) {
        context_.log->Write(
            loaded_.documents[i].where + ": " +
            (options_.refused == ZeroShot::Refused::kWrong ? "scored as wrong: " : "left out: ") +
            requests.refused);
      }
      groups.push_back(std::move(requests.continuations));
    }
    return groups;
  }

  void TellBad(const BadContinuation& bad) {
    const std::string place =
        loaded_.documents[bad.group].where + ": choice " + std::to_string(bad.place);
    if (bad.token < 0) return guard_.TellStates(place, bad.states);
    guard_.Tell(place + ": log-likelihood of token " + std::to_string(bad.token), bad.loglik,
                bad.states);
  }

  std::vector<DocumentScores> Scores() const {
    std::vector<DocumentScores> scores;
    for (const auto& choices : scoring_.scores()) {
      DocumentScores& own = scores.emplace_back();
      for (const ContinuationScore& score : choices) own.loglik.push_back(score.loglik);
      own.greedy = !choices.empty() && choices.front().greedy;
    }
    return scores;
  }

  void Tell(const EvalResult& result) const {
    std::string text = result.name + ": " + std::to_string(loaded_.documents.size()) + " documents";
    if (truncated_ > 0) text += ", " + std::to_string(truncated_) + " cut on the left";
    if (refused_ > 0) text += ", " + std::to_string(refused_) + " refused";
    for (const char* name : {"acc", "acc_norm", "mc2", "perplexity"}) {
      const auto found = result.metrics.find(name);
      if (found == result.metrics.end()) continue;
      text += ", " + std::string(name) + " " + std::to_string(found->second);
    }
    context_.log->Write(text);
  }

  const Options& options_;
  const LoadedTask loaded_;
  const EvalContext& context_;
  FiniteGuard guard_;
  std::int64_t truncated_ = 0;
  std::int64_t refused_ = 0;
  ContinuationScoring scoring_;  // what it is made of counts the refused
  LateProgress progress_;
};

}  // namespace

void ZeroShot::Options::Fields(FieldVisitor& f) {
  StringList tasks_field(&tasks);
  f.Value("tasks", tasks_field, "names in configs/tasks, or paths of task files",
          Presence::kRequired);
  EnumField protocol_field(&protocol, HarnessNames());
  f.Value("protocol", protocol_field, "the harness of the SignRound paper, or today's");
  DataField data_field(&data, DataUse::kRows);
  f.Value("data", data_field, "rows in place of the task's own; for one task");
  f.Int("documents", &documents, AtLeast(0), "at most so many documents a task; 0 all");
  f.Bool("shuffle", &shuffle, "choose them as lm-eval 0.3 does, by random.Random(42)");
  f.Int("shots", &shots, AtLeast(0), "examples in front of each document");
  EnumField refused_field(&refused, kRefused);
  f.Value("refused", refused_field, "documents on which the harness would stop with an assertion");
  f.String("suffix", &suffix, "behind each task's name in the metrics");
  f.Int("pack_tokens", &pack_tokens, AtLeast(1), "tokens a forward pass takes");
  OnNanField on_nan_field(&on_nan);
  f.Value("on_nan", on_nan_field, kOnNanHelp);
  f.Rule([this]() -> std::string {
    if (tasks.empty()) return "tasks: name at least one";
    if (data.Given() && tasks.size() > 1) return "data goes with one task";
    for (const std::string& name : tasks) {
      try {
        LoadTask(name);
      } catch (const Error& e) {
        return e.what();
      }
    }
    return "";
  });
}

AskedTask AskTask(const Options& options, const std::string& task, std::int64_t count) {
  const LoadedTask loaded = Load(options, task);
  AskedTask asked{loaded.name, static_cast<std::int64_t>(loaded.documents.size()), {}};
  for (std::size_t i = 0; i < loaded.documents.size(); ++i) {
    if (static_cast<std::int64_t>(i) == count) break;
    const TaskDocument& document = loaded.documents[i];
    AskedDocument own{document.where, {}, {}, document.truths};
    for (const std::string& context : document.contexts) {
      own.contexts.push_back(loaded.preambles[i] + context);
    }
    for (const std::string& choice : document.choices) {
      own.choices.push_back(loaded.task.delimiter + choice);
    }
    for (std::size_t c = own.right.size(); c < document.Count(); ++c) {
      own.right.push_back(static_cast<std::int64_t>(c) == document.gold);
    }
    asked.first.push_back(std::move(own));
  }
  return asked;
}

ZeroShot::ZeroShot(const Options& options) : options_(options) {}

std::vector<std::string> ZeroShot::Names() const {
  std::vector<std::string> names;
  for (const std::string& task : options_.tasks) names.push_back(TaskLabel(task) + options_.suffix);
  return names;
}

std::vector<std::string> ZeroShot::Files() const {
  std::vector<std::string> files;
  const auto add = [&files](const DataSource& data) {
    const std::vector<std::string> more = data.Files();
    files.insert(files.end(), more.begin(), more.end());
  };
  for (const std::string& name : options_.tasks) {
    if (IsTaskFile(name)) files.push_back(name);
    const TaskOptions task = LoadTask(name);
    add(options_.data.Given() ? options_.data : task.data);
    if (options_.shots > 0) add(task.shots.data);
  }
  return files;
}

std::vector<std::string> ZeroShot::MetricNames() const {
  std::vector<std::string> names;
  TaskDocument document;  // of one choice
  document.contexts = document.choices = {"a"};
  document.truths = {true};
  for (const std::string& name : options_.tasks) {
    RunRecord none;
    EvalResult result{TaskLabel(name) + options_.suffix, {}, {}};
    result.metrics = TaskMetrics(LoadTask(name), {document}, {{{-1.0}, true}},
                                 {options_.protocol, false}, "eval", &none);
    for (const char* count : {"documents", "truncated", "refused"}) result.metrics[count] = 0;
    const auto full = FullNames(result);
    names.insert(names.end(), full.begin(), full.end());
  }
  return names;
}

void ZeroShot::Check(const ModelDescription* /*model*/, const Tokenizer* /*tokenizer*/) const {
  std::string problems;
  for (const std::string& name : options_.tasks) {
    try {
      Load(options_, name);
    } catch (const Error& e) {
      problems += (problems.empty() ? "task " : "\ntask ") + name + ": " + e.what();
    }
  }
  if (!problems.empty()) throw Error(problems);
}

std::int64_t ZeroShot::Tokens(const ModelDescription& /*model*/, const Tokenizer& tokenizer) const {
  std::int64_t tokens = 0;
  for (const std::string& name : options_.tasks) {
    const LoadedTask loaded = Load(options_, name);
    for (std::size_t i = 0; i < loaded.documents.size(); ++i) {
      const TaskDocument& document = loaded.documents[i];
      // Choices share the context; where contexts differ each is run.
      std::string text = loaded.preambles[i];
      for (std::size_t c = 0; c < document.contexts.size(); ++c) text += document.Context(c);
      for (std::size_t c = 0; c < document.Count(); ++c) text += " " + document.Choice(c);
      tokens += static_cast<std::int64_t>(tokenizer.Encode(text, SpecialTokens::kNone).size());
    }
  }
  return tokens;
}

std::unique_ptr<Evaluation> ZeroShot::Begin(const EvalContext& context) const {
  std::vector<std::unique_ptr<Evaluation>> parts;
  for (const std::string& name : options_.tasks) {
    parts.push_back(std::make_unique<TaskEvaluation>(options_, Load(options_, name), context));
  }
  return std::make_unique<JointEvaluation>(std::move(parts));
}

}  // namespace roundlab
