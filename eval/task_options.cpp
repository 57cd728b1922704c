#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"
#include "eval/task.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// One text, or a sequence of them.
class TextsField : public ValueField {
 public:
  explicit TextsField(std::vector<std::string>* texts) : texts_(texts) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind == ConfigNode::Kind::kScalar) {
      *texts_ = {node.scalar};
    } else {
      StringList(texts_).Read(node, path, diagnostics);
    }
  }
  std::string Write() const override { return StringList(texts_).Write(); }
  std::string Type() const override { return "text or sequence of texts"; }

 private:
  std::vector<std::string>* texts_;
};

/// A mapping with names of the user's own.
template <class T, class ReadValue>
void ReadMapping(const ConfigNode& node, const std::string& path,
                 std::vector<Diagnostic>* diagnostics, T* values, const ReadValue& read) {
  if (node.kind != ConfigNode::Kind::kMapping) {
    diagnostics->push_back(
        {node.where, path + ": expected a mapping, got " + std::string(node.KindName())});
    return;
  }
  for (const auto& member : node.members) {
    std::vector<std::string> texts;
    TextsField(&texts).Read(member.value, path + "." + member.key, diagnostics);
    if (texts.empty()) {
      diagnostics->push_back({member.value.where, path + "." + member.key + ": is empty"});
    } else {
      read(values, member.key, std::move(texts));
    }
  }
}

class PathsField : public ValueField {
 public:
  using Paths = std::map<std::string, std::vector<std::string>>;
  explicit PathsField(Paths* paths) : paths_(paths) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    ReadMapping(node, path, diagnostics, paths_,
                [](Paths* paths, const std::string& name, std::vector<std::string> texts) {
                  (*paths)[name] = std::move(texts);
                });
  }
  std::string Write() const override {
    std::string text;
    for (auto& [name, paths] : *paths_) {
      text += QuoteScalar(name) + ":\n" + Indent(StringList(&paths).Write(), 2);
    }
    return text;
  }
  std::string Type() const override { return "mapping of names to paths"; }

 private:
  Paths* paths_;
};

class DerivedField : public ValueField {
 public:
  using Derived = std::vector<std::pair<std::string, std::string>>;
  explicit DerivedField(Derived* derived) : derived_(derived) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    ReadMapping(node, path, diagnostics, derived_,
                [](Derived* derived, const std::string& name, std::vector<std::string> texts) {
                  derived->emplace_back(name, std::move(texts.front()));
                });
  }
  std::string Write() const override {
    std::string text;
    for (const auto& [name, value] : *derived_) {
      text += QuoteScalar(name) + ": " + QuoteScalar(value) + "\n";
    }
    return text;
  }
  std::string Type() const override { return "mapping of names to templates"; }

 private:
  Derived* derived_;
};

const EnumNames<ShotSampler> kShotSamplers = {{ShotSampler::kFirst, "first"},
                                              {ShotSampler::kRandom, "random"}};

/// What is wrong with two metrics that results would give one name, or "".
std::string MetricsOfOneName(const std::vector<TaskMetric>& metrics) {
  std::map<std::string, TaskMetric> named;
  for (const TaskMetric metric : metrics) {
    const auto [earlier, fresh] = named.emplace(NameInResults(metric), metric);
    if (fresh) continue;
    const std::string name = EnumName(metric, TaskMetricNames());
    if (earlier->second == metric) return "metrics: '" + name + "' is named twice";
    return "metrics: results call both '" + EnumName(earlier->second, TaskMetricNames()) +
           "' and '" + name + "' " + earlier->first + "; name one of them";
  }
  return "";
}

std::string WrongMetrics(const TaskOptions& task) {
  const auto has = [&](TaskMetric metric) {
    return std::find(task.metrics.begin(), task.metrics.end(), metric) != task.metrics.end();
  };
  if (task.metrics.empty()) return "metrics: name at least one";
  if ((has(TaskMetric::kAcc) || has(TaskMetric::kAccNorm)) && task.gold.empty())
    return "metric acc needs 'gold'";
  if (has(TaskMetric::kMc2) && task.truths.empty()) return "metric mc2 needs 'truths'";
  return MetricsOfOneName(task.metrics);
}

std::string TaskFolder() { return ConfigFolder() + "/tasks"; }

std::string TaskFile(const std::string& name) {
  if (IsTaskFile(name)) return name;
  const std::string file = TaskFolder() + "/" + name + ".yaml";
  if (fs::exists(file)) return file;
  throw Error("unknown task '" + name + "'" + SuggestionSuffix(name, TaskNames()) +
              "; one of your own is given as a path: ./" + name + ".yaml");
}

}  // namespace

void ShotsOptions::Fields(FieldVisitor& f) {
  DataField data_field(&data, DataUse::kRows);
  f.Value("data", data_field, "rows of the examples; none: the task's own");
  EnumField sampler_field(&sampler, kShotSamplers);
  f.Value("sampler", sampler_field, "which rows become examples");
  f.Bool("test_split", &test_split,
         "the documents are a test split of the harness's task: 0.4 draws no example more");
  f.String("delimiter", &delimiter,
           "between context and choice of an example in 0.4; empty: as the task's own");
  f.Bool("allowed", &allowed, "whether examples can be put in front");
}

void TaskOptions::Fields(FieldVisitor& f) {
  DataField data_field(&data, DataUse::kRows);
  f.Value("data", data_field, "the rows", Presence::kRequired);
  PathsField fields_field(&fields);
  f.Value("fields", fields_field, "names of what a row holds, and where", Presence::kRequired);
  DerivedField derived_field(&derived);
  f.Value("derived", derived_field, "fields made of others");
  f.String("description", &description, "template of what stands in front of all");
  TextsField contexts_field(&contexts);
  f.Value("context", contexts_field, "template of the prompt, or one a choice",
          Presence::kRequired);
  TextsField choices_field(&choices);
  f.Value("choices", choices_field, "templates of the choices, or one that is a list field",
          Presence::kRequired);
  f.String("delimiter", &delimiter, "between context and choice");
  f.String("gold", &gold, "template of the right choice: its label, or its number from 0");
  TextsField labels_field(&labels);
  f.Value("labels", labels_field, "names of the choices that gold may say");
  f.String("truths", &truths, "list field of 0 and 1, one a choice");
  f.String("group", &group, "template: documents with one value are a group");
  EnumList metrics_field(&metrics, TaskMetricNames());
  f.Value("metrics", metrics_field, "what is measured", Presence::kRequired);
  f.Section(
      "shots", [this](FieldVisitor& v) { shots.Fields(v); }, "few-shot examples");
  f.Rule([this] { return WrongMetrics(*this); });
}

const EnumNames<TaskMetric>& TaskMetricNames() {
  static const EnumNames<TaskMetric> kNames = {{TaskMetric::kAcc, "acc"},
                                               {TaskMetric::kAccNorm, "acc_norm"},
                                               {TaskMetric::kGreedy, "greedy"},
                                               {TaskMetric::kMc2, "mc2"},
                                               {TaskMetric::kPerplexity, "perplexity"}};
  return kNames;
}

std::string NameInResults(TaskMetric metric) {
  return EnumName(metric == TaskMetric::kGreedy ? TaskMetric::kAcc : metric, TaskMetricNames());
}

std::vector<std::string> TaskNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(TaskFolder())) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsTaskFile(const std::string& name) {
  return name.find('/') != std::string::npos || fs::path(name).extension() == ".yaml";
}

std::string TaskLabel(const std::string& name) {
  return IsTaskFile(name) ? fs::path(name).stem().string() : name;
}

TaskOptions LoadTask(const std::string& name) {
  const std::string file = TaskFile(name);
  TaskOptions task;
  std::vector<Diagnostic> diagnostics;
  ReadFields(LoadConfig(file), "", FieldsOf(&task), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return task;
}

}  // namespace roundlab
