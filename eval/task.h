#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/text/data/rows.h"
#include "eval/template.h"

namespace roundlab {

/// Which rows become examples of few-shot contexts.
enum class ShotSampler { kFirst, kRandom };

/// Where the examples of few-shot contexts come from.
struct ShotsOptions {
  DataSource data;  ///< not given: the task's own rows
  ShotSampler sampler = ShotSampler::kRandom;
  /// The harness's task has a test split, which the documents are: 0.4 then takes examples as they
  /// are drawn. Else it draws one more and leaves out one that equals the document, whatever rows
  /// they are drawn from (lm_eval/api/task.py, fewshot_context).
  bool test_split = false;
  /// In 0.4's examples, where it joins them otherwise than a context and what is scored (its
  /// lambada_openai writes a space of its own beside the delimiter); empty: the task's.
  std::string delimiter;
  bool allowed = true;  ///< false: examples are in the context, and both harnesses take no others
  void Fields(FieldVisitor& f);
};

/// What is measured of a task, see ZeroShot.
enum class TaskMetric { kAcc, kAccNorm, kGreedy, kMc2, kPerplexity };
const EnumNames<TaskMetric>& TaskMetricNames();
/// What results call it: the harness calls a greedy match acc.
std::string NameInResults(TaskMetric metric);

/// A zero-shot task as configs/tasks/NAME.yaml tells it: how a row becomes contexts and choices.
/// The harness scores each choice as the continuation of its context: `delimiter` and the choice.
struct TaskOptions {
  DataSource data;
  /// Name to the paths it may have in a row; the first that leads to a text, number or list of
  /// them is taken. "question.stem"; through a list of objects to one item each
  /// ("choices.text"); an object's keys and values in order are "@keys" and "@values".
  std::map<std::string, std::vector<std::string>> fields;
  /// Further fields, made of those before them, in order.
  std::vector<std::pair<std::string, std::string>> derived;
  std::string description;            ///< in front of all
  std::vector<std::string> contexts;  ///< templates: one, or one a choice
  std::vector<std::string> choices;   ///< templates, or one that is a list; one for many contexts
  std::string delimiter = " ";        ///< between context and choice
  std::string gold;                   ///< template: the right choice's number from 0, or its label
  std::vector<std::string> labels;    ///< templates as `choices`: what `gold` may say
  std::string truths;                 ///< list field of 0 and 1: all true choices (metric mc2)
  std::string group;                  ///< template: documents with one value are a group
  std::vector<TaskMetric> metrics;
  ShotsOptions shots;
  void Fields(FieldVisitor& f);
};

/// A row as the harness sees it.
struct TaskDocument {
  std::string where;  ///< file and row
  /// SHA-256 of its fields: equal for rows that are equal, whatever the task shows of them.
  std::string row;
  std::string description;
  std::vector<std::string> contexts;  ///< one, or one a choice
  std::vector<std::string> choices;   ///< one, or one a context; without the delimiter
  std::int64_t gold = 0;
  std::vector<bool> truths;
  std::string group;

  std::size_t Count() const { return std::max(contexts.size(), choices.size()); }
  const std::string& Context(std::size_t i) const { return contexts[contexts.size() == 1 ? 0 : i]; }
  const std::string& Choice(std::size_t i) const { return choices[choices.size() == 1 ? 0 : i]; }
};

/// Reads configs/tasks/NAME.yaml, or a file of the user's (a name with '/' or ending in .yaml).
/// Throws ConfigError, or Error for an unknown name with the nearest.
TaskOptions LoadTask(const std::string& name);
/// Whether it is such a file of the user's.
bool IsTaskFile(const std::string& name);
/// What its results are called: NAME, or the file's name without ending.
std::string TaskLabel(const std::string& name);
/// Names of the tasks in configs/tasks, sorted.
std::vector<std::string> TaskNames();

/// Makes documents of rows. Throws Error naming file and row: a field that is not there or no text,
/// an unknown placeholder, a gold answer that is no choice, an empty choice, no choice at all, more
/// than one where a metric is of one (greedy, perplexity).
std::vector<TaskDocument> MakeDocuments(const TaskOptions& task, const Rows& rows);

}  // namespace roundlab
