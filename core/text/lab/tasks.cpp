#include "core/text/lab/tasks.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/random.h"
#include "core/base/suggest.h"
#include "core/text/lab/items.h"

namespace roundlab {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kRows = 500;

/// An item's answers in random order.
struct Shuffled {
  std::vector<std::string> texts;
  std::size_t gold = 0;
};

Shuffled Shuffle(const LabItem& item, LabRandom* random) {
  Shuffled all{item.wrong, 0};
  all.gold = random->Below(static_cast<std::uint32_t>(item.wrong.size()) + 1);
  all.texts.insert(all.texts.begin() + static_cast<std::ptrdiff_t>(all.gold), item.answer);
  return all;
}

/// ARC and OpenBookQA.
Json LabeledChoices(const std::string& stem, const Shuffled& all) {
  Json choices = Json::array();
  for (std::size_t i = 0; i < all.texts.size(); ++i) {
    choices.push_back({{"text", all.texts[i]}, {"label", std::string(1, "ABCD"[i])}});
  }
  return {{"question", {{"stem", stem}, {"choices", std::move(choices)}}},
          {"answerKey", std::string(1, "ABCD"[all.gold])}};
}

/// The question between "Question: " and "\nAnswer:".
std::string Stem(const std::string& context) {
  const std::size_t begin = std::string("Question: ").size();
  return context.substr(begin, context.find('\n') - begin);
}

Json MakeRow(LabTask task, const LabItem& item, LabRandom* random) {
  if (task == LabTask::kCloze) return {{"text", item.context + " " + item.answer}};
  if (task == LabTask::kYesNo) {
    return {{"question", item.context}, {"answer", item.answer == "yes"}, {"passage", item.title}};
  }
  const Shuffled all = Shuffle(item, random);
  switch (task) {
    case LabTask::kFact:
      return LabeledChoices(Stem(item.context), all);
    case LabTask::kCount:
      return LabeledChoices(item.context, all);
    case LabTask::kAgreement:
      return {{"goal", item.context},
              {"sol1", all.texts[0]},
              {"sol2", all.texts[1]},
              {"label", all.gold}};
    case LabTask::kStory:
      return {{"activity_label", item.title},
              {"ctx_a", item.context},
              {"ctx_b", ""},
              {"endings", all.texts},
              {"label", all.gold}};
    default:
      return {{"sentence", item.context + " _" + item.rest},
              {"option1", all.texts[0]},
              {"option2", all.texts[1]},
              {"answer", std::to_string(all.gold + 1)}};
  }
}

const std::map<std::string, LabTask>& Tasks() {
  static const std::map<std::string, LabTask> kTasks = {
      {"agreement", LabTask::kAgreement}, {"cloze", LabTask::kCloze},
      {"count", LabTask::kCount},         {"fact", LabTask::kFact},
      {"pronoun", LabTask::kPronoun},     {"story", LabTask::kStory},
      {"yesno", LabTask::kYesNo}};
  return kTasks;
}

}  // namespace

std::vector<std::string> LabTaskNames() { return Keys(Tasks()); }

std::string LabTaskRows(const LabWorld& world, const std::string& name) {
  const auto found = Tasks().find(name);
  if (found == Tasks().end()) {
    throw Error("unknown task '" + name + "'" + SuggestionSuffix(name, LabTaskNames()));
  }
  LabRandom random(StreamSeed(world.seed, "lab/tasks/" + name));
  std::set<std::string> seen;
  std::string lines;
  while (seen.size() < kRows) {
    const LabItem item = MakeLabItem(world, found->second, true, &random);
    if (!seen.insert(item.title + item.context + item.answer + item.rest).second) continue;
    lines += MakeRow(found->second, item, &random).dump() + "\n";
  }
  return lines;
}

}  // namespace roundlab
