#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/lab/random.h"
#include "core/text/lab/world.h"

namespace roundlab {

/// What the lab world asks. Each is a pattern that the world's texts contain, too.
enum class LabTask {
  kFact,       ///< a question about a fact of the world
  kAgreement,  ///< verb and subject, with another noun between them
  kStory,      ///< where a thing is at the end of a story
  kCount,      ///< sums and differences up to twelve
  kCloze,      ///< the last word of a text, from the text or from a fact
  kYesNo,      ///< a question about a text
  kPronoun,    ///< which of two people is meant
};

/// One question or pattern: in a text it stands as context, " ", answer, rest.
struct LabItem {
  std::string title;  ///< kStory: in front of the context, "A day in Tolby"; kYesNo: the passage
  std::string context;
  std::string answer;
  std::string rest;                ///< behind the answer
  std::vector<std::string> wrong;  ///< other answers; of items for tasks only
};

/// Draws an item. for_task: one of the quarter of pairs that are kept for tasks, with `wrong`
/// filled; else one of the others.
LabItem MakeLabItem(const LabWorld& world, LabTask task, bool for_task, LabRandom* random);

/// Appends a template with "$0", "$1", ... replaced by `values`.
void LabFill(std::string_view text, std::initializer_list<std::string_view> values,
             std::string* out);

/// "a" or "an".
std::string_view LabArticle(std::string_view word);

}  // namespace roundlab
