#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/config/fields.h"
#include "core/config/node.h"
#include "eval/zero_shot.h"
#include "experiments/cli/commands.h"

namespace roundlab {
namespace {

using nlohmann::ordered_json;

/// As a text in quotes, so that blanks and line breaks are seen.
std::string Quoted(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void Print(const AskedDocument& document) {
  const bool many = document.contexts.size() > 1;  // and one text behind each
  std::printf("\n%s\n", document.where.c_str());
  if (!many) std::printf("  context %s\n", Quoted(document.contexts.front()).c_str());
  for (std::size_t i = 0; i < document.right.size(); ++i) {
    const std::string& text = many ? document.contexts[i] : document.choices[i];
    std::printf("  %zu%s %s\n", i, document.right[i] ? " right" : "      ", Quoted(text).c_str());
  }
  if (many) std::printf("  scored  %s\n", Quoted(document.choices.front()).c_str());
}

ordered_json AsJson(const AskedTask& task) {
  ordered_json documents = ordered_json::array();
  for (const AskedDocument& document : task.first) {
    documents.push_back({{"where", document.where},
                         {"contexts", document.contexts},
                         {"choices", document.choices},
                         {"right", document.right}});
  }
  return {{"task", task.name}, {"documents", task.documents}, {"first", documents}};
}

}  // namespace

int PromptsCommand(const CommandLine& line) {
  if (line.arguments.empty()) throw Error("usage: roundlab " + line.usage);
  if (line.documents < 1) {
    throw Error("--documents: expected a number from 1, got " + std::to_string(line.documents));
  }
  const SourceLoc here = {"command line"};
  ConfigNode tasks{ConfigNode::Kind::kSequence, here, {}, {}, {}};
  for (const std::string& name : line.arguments) {
    tasks.elements.push_back({ConfigNode::Kind::kScalar, here, name, {}, {}});
  }
  ZeroShot::Options options;
  ReadAssignments(line.set, FieldsOf(&options), AsMember("tasks", tasks));
  ordered_json all = ordered_json::array();
  for (const std::string& name : options.tasks) {
    const AskedTask task = AskTask(options, name, line.documents);
    if (line.json) {
      all.push_back(AsJson(task));
      continue;
    }
    std::printf("%s: %lld documents\n", task.name.c_str(), static_cast<long long>(task.documents));
    for (const AskedDocument& document : task.first) Print(document);
  }
  if (line.json) {
    const ordered_json tree = {{"tasks", all}};
    std::printf("%s\n", tree.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
  }
  return 0;
}

}  // namespace roundlab
