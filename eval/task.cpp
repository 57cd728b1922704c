#include "eval/task.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/suggest.h"

namespace roundlab {
namespace {

using Json = nlohmann::ordered_json;

std::optional<std::string> ScalarText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  return std::nullopt;
}

/// The value at a path's rest; through an array to each element. Null where it leads nowhere.
Json Follow(const Json& value, std::string_view path) {
  if (path.empty()) return value;
  if (value.is_array()) {
    Json all = Json::array();
    for (const Json& element : value) all.push_back(Follow(element, path));
    return all;
  }
  if (!value.is_object()) return nullptr;
  const std::size_t dot = std::min(path.find('.'), path.size());
  const std::string key(path.substr(0, dot));
  const std::string_view rest = path.substr(std::min(dot + 1, path.size()));
  if (key == "@keys" || key == "@values") {
    Json all = Json::array();
    for (const auto& [name, member] : value.items())
      all.push_back(key == "@keys" ? Json(name) : member);
    return all;
  }
  const auto found = value.find(key);
  return found == value.end() ? Json(nullptr) : Follow(*found, rest);
}

std::optional<FieldText> AsField(const Json& value) {
  FieldText field;
  if (const auto text = ScalarText(value)) {
    field.items = {*text};
    return field;
  }
  if (!value.is_array()) return std::nullopt;
  field.list = true;
  for (const Json& element : value) {
    const auto text = ScalarText(element);
    if (!text) return std::nullopt;
    field.items.push_back(*text);
  }
  return field;
}

FieldText ReadField(const std::string& name, const std::vector<std::string>& paths,
                    const Row& row) {
  for (const std::string& path : paths) {
    if (auto field = AsField(Follow(row.value, path))) return *field;
  }
  const std::string problem =
      "no text, number or list of them at '" + paths.front() + "', which is field '" + name + "'";
  const auto found = row.value.find(paths.front());
  if (found != row.value.end()) throw Error(problem + ": it is " + found->type_name());
  std::vector<std::string> keys;
  for (const auto& [key, value] : row.value.items()) keys.push_back(key);
  throw Error(problem + SuggestionSuffix(paths.front(), keys));
}

std::vector<Template> Templates(const std::vector<std::string>& texts) {
  std::vector<Template> templates;
  templates.reserve(texts.size());
  for (const std::string& text : texts) templates.emplace_back(text);
  return templates;
}

std::vector<std::string> FillEach(const std::vector<Template>& templates,
                                  const FieldTexts& fields) {
  if (templates.size() == 1) return templates.front().FillAll(fields);
  std::vector<std::string> texts;
  texts.reserve(templates.size());
  for (const Template& one : templates) texts.push_back(one.Fill(fields));
  return texts;
}

/// All templates of a task, parsed once.
class DocumentMaker {
 public:
  explicit DocumentMaker(const TaskOptions& task)
      : task_(task),
        description_(task.description),
        contexts_(Templates(task.contexts)),
        choices_(Templates(task.choices)),
        labels_(Templates(task.labels)),
        gold_(task.gold),
        group_(task.group),
        truths_(task.truths) {
    for (const auto& [name, text] : task.derived) derived_.emplace_back(name, Template(text));
  }

  TaskDocument Make(const Row& row) const {
    FieldTexts fields;
    for (const auto& [name, paths] : task_.fields) fields[name] = ReadField(name, paths, row);
    for (const auto& [name, text] : derived_) fields[name] = text.FillField(fields);
    TaskDocument document;
    document.where = row.where;
    document.row = Sha256Hex(row.value.dump());
    document.description = description_.Fill(fields);
    document.contexts = FillEach(contexts_, fields);
    document.choices = FillEach(choices_, fields);
    CheckChoices(document);
    CheckCount(document.Count());
    document.group = group_.Fill(fields);
    if (!task_.gold.empty()) document.gold = Gold(row, fields, document.Count());
    if (!task_.truths.empty()) document.truths = Truths(fields, document.Count());
    return document;
  }

 private:
  static void CheckChoices(const TaskDocument& document) {
    const std::size_t contexts = document.contexts.size();
    const std::size_t choices = document.choices.size();
    if (contexts > 1 && choices > 1 && contexts != choices) {
      throw Error("has " + std::to_string(contexts) + " contexts and " + std::to_string(choices) +
                  " choices");
    }
    if (contexts == 0 || choices == 0) throw Error("has no choices");
    for (std::size_t i = 0; i < choices; ++i) {
      if (document.choices[i].empty()) throw Error("choice " + std::to_string(i) + " is empty");
    }
  }

  /// Metrics of one text: of several it would be left open which.
  void CheckCount(std::size_t count) const {
    for (const TaskMetric metric : task_.metrics) {
      if (count == 1) return;
      if (metric != TaskMetric::kGreedy && metric != TaskMetric::kPerplexity) continue;
      throw Error("has " + std::to_string(count) + " choices; metric " +
                  EnumName(metric, TaskMetricNames()) + " takes one");
    }
  }

  std::int64_t Gold(const Row& row, const FieldTexts& fields, std::size_t count) const {
    const std::string text = gold_.Fill(fields);
    const std::vector<std::string> labels =
        labels_.empty() ? std::vector<std::string>() : FillEach(labels_, fields);
    const auto found = std::find(labels.begin(), labels.end(), text);
    std::int64_t gold = found - labels.begin();
    const bool labelled = found != labels.end();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), gold);
    if (labelled) gold = found - labels.begin();
    const bool number = read.ec == std::errc() && read.ptr == text.data() + text.size();
    if ((!labelled && !number) || gold < 0 || gold >= static_cast<std::int64_t>(count)) {
      std::string allowed = "0 to " + std::to_string(count - 1);
      for (const std::string& label : labels) allowed += ", '" + label + "'";
      const std::string place = row.label_where.empty() ? "" : " (" + row.label_where + ")";
      throw Error("the right answer is '" + text + "'" + place + "; expected one of " + allowed);
    }
    return gold;
  }

  std::vector<bool> Truths(const FieldTexts& fields, std::size_t count) const {
    std::vector<bool> truths;
    for (const std::string& text : truths_.FillAll(fields)) {
      if (text != "0" && text != "1") throw Error("'" + text + "' in truths; expected 0 or 1");
      truths.push_back(text == "1");
    }
    if (truths.size() != count) {
      throw Error("has " + std::to_string(truths.size()) + " truths for " + std::to_string(count) +
                  " choices");
    }
    return truths;
  }

  const TaskOptions& task_;
  Template description_;
  std::vector<Template> contexts_;
  std::vector<Template> choices_;
  std::vector<Template> labels_;
  Template gold_;
  Template group_;
  Template truths_;
  std::vector<std::pair<std::string, Template>> derived_;
};

}  // namespace

std::vector<TaskDocument> MakeDocuments(const TaskOptions& task, const Rows& rows) {
  const DocumentMaker maker(task);
  std::vector<TaskDocument> documents;
  for (const Row& row : rows.rows) {
    try {
      documents.push_back(maker.Make(row));
    } catch (const Error& e) {
      throw Error(row.where + ": " + e.what());
    }
  }
  return documents;
}

}  // namespace roundlab
