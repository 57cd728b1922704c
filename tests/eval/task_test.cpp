#include "eval/task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "eval/harness.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

/// A task file and its rows.
class TaskTest : public ::testing::Test {
 protected:
  TaskOptions Load(const std::string& rest) {
    return LoadTask(
        folder_.Write("quiz.yaml", "data: {path: " + folder_ / "rows.jsonl" + "}\n" + rest));
  }
  std::vector<TaskDocument> Documents(const TaskOptions& task, const std::string& rows) {
    folder_.Write("rows.jsonl", rows);
    return MakeDocuments(task, LoadRows(task.data));
  }
  std::string Error(const std::string& rest, const std::string& rows) {
    const TaskOptions task = Load(rest);
    std::string error = ErrorOf([&] { Documents(task, rows); });
    const std::string path = folder_ / "rows.jsonl";
    return error.rfind(path, 0) == 0 ? error.substr(path.size()) : error;
  }
  TempFolder folder_;
};

const char* const kQuiz =
    "fields: {q: [stem, question], c: choices.text, l: choices.label, a: key}\n"
    "context: 'Q: {q}'\nchoices: '{c}'\ngold: '{a}'\nlabels: '{l}'\nmetrics: [acc]\n";
const char* const kRow =
    R"({"question": "Why?", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}], "key": "B"})";

TEST_F(TaskTest, ARowBecomesContextsAndChoices) {
  const auto documents = Documents(Load(kQuiz), std::string(kRow) + "\n");
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].where, folder_ / "rows.jsonl" + ":1");
  EXPECT_EQ(documents[0].contexts, std::vector<std::string>{"Q: Why?"});
  EXPECT_EQ(documents[0].choices, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(documents[0].gold, 1);
}

TEST_F(TaskTest, KeysAndValuesOfAnObjectAreLists) {
  const TaskOptions task = Load(
      "fields: {c: targets.@keys, t: targets.@values}\ncontext: 'A:'\nchoices: '{c}'\n"
      "truths: '{t}'\nmetrics: [mc2]\n");
  const auto documents = Documents(task, R"({"targets": {"z": 1, "a": 0, "m": 1}})");
  EXPECT_EQ(documents[0].choices, (std::vector<std::string>{"z", "a", "m"}));
  EXPECT_EQ(documents[0].truths, (std::vector<bool>{true, false, true}));
}

TEST_F(TaskTest, WhatIsWrongWithARowNamesIt) {
  const std::string good = std::string(kRow) + "\n";
  EXPECT_EQ(Error(kQuiz, good + R"({"questoin": "?", "choices": [], "key": "A"})"),
            ":2: no text, number or list of them at 'stem', which is field 'q' (known: choices, "
            "key, questoin)");
  EXPECT_EQ(Error(kQuiz, good + R"({"question": "?", "choices": [{"text": "x"}], "key": null})"),
            ":2: no text, number or list of them at 'key', which is field 'a': it is null");
  EXPECT_EQ(
      Error(kQuiz, R"({"question": "?", "choices": [{"text": "x", "label": "A"}], "key": "C"})"),
      ":1: the right answer is 'C'; expected one of 0 to 0, 'A'");
  EXPECT_EQ(
      Error(kQuiz, R"({"question": "?", "choices": [{"text": "x", "label": "A"}], "key": 1})"),
      ":1: the right answer is '1'; expected one of 0 to 0, 'A'");
  EXPECT_EQ(
      Error(kQuiz, R"({"question": "?", "choices": [{"text": "", "label": "A"}], "key": "A"})"),
      ":1: choice 0 is empty");
  EXPECT_EQ(Error(kQuiz, R"({"question": "?", "choices": [], "key": "A"})"), ":1: has no choices");
  EXPECT_EQ(Error(kQuiz, "[1]"), ": row 1: expected a JSON object");
  EXPECT_EQ(Error(kQuiz, "{\"question\""), ":1: not JSON: error at byte 12");
  EXPECT_EQ(Error(kQuiz, "\n \n"), ": no rows in it");
  EXPECT_EQ(Error("fields: {q: question}\ncontext: '{question}'\nchoices: [a, b]\ngold: '0'\n"
                  "metrics: [acc]\n",
                  R"({"question": "?"})"),
            ":1: unknown placeholder 'question' (known: q)");
}

TEST_F(TaskTest, AWrongLabelIsToldWhereItStands) {
  TaskOptions task =
      Load("fields: {k: label}\ncontext: a\nchoices: [x, y]\ngold: '{k}'\nmetrics: [acc]\n");
  task.data.labels = folder_.Write("rows.lst", "1\n\n2\n");
  EXPECT_EQ(ErrorOf([&] { Documents(task, "{}\n{}\n"); }),
            folder_ / "rows.jsonl" + ":2: the right answer is '2' (" + task.data.labels +
                ":3); expected one of 0 to 1");
}

TEST_F(TaskTest, MetricsOfOneTextTakeOneChoice) {
  for (const std::string metric : {"greedy", "perplexity"}) {
    const std::string task =
        "fields: {c: c, k: k}\ncontext: a\nchoices: '{c}'\ngold: '{k}'\n"
        "metrics: [" +
        metric + ", acc_norm]\n";
    const std::string one = "{\"c\": [\"x\"], \"k\": 0}\n";
    EXPECT_EQ(Error(task, one + "{\"c\": [\"x\", \"y\", \"z\"], \"k\": 2}\n"),
              ":2: has 3 choices; metric " + metric + " takes one");
    EXPECT_EQ(Error(task, one), "");
  }
}

TEST_F(TaskTest, WhatIsWrongWithATaskFileIsToldAtOnce) {
  const auto error = [&](const std::string& text) { return ErrorOf([&] { Load(text); }); };
  const std::string file = folder_ / "quiz.yaml";
  EXPECT_EQ(error("fields: {}\ncontxt: a\nchoices: [a]\nmetrics: [acc]\n"),
            file + ":1:1: missing required key 'context'\n" + file +
                ":3:1: unknown key 'contxt'; did you mean 'context'? (known: choices, context, "
                "data, delimiter, derived, description, fields, gold, group, labels, metrics, "
                "shots, truths)");
  const std::string start = "fields: {}\ncontext: a\nchoices: [a]\n";
  EXPECT_EQ(error(start + "metrics: [accuracy]\n"),
            file +
                ":5:11: metrics.0: unknown value 'accuracy' (known: acc, acc_norm, greedy, mc2, "
                "perplexity)");
  EXPECT_EQ(error(start + "metrics: [acc]\n"), file + ":1:1: metric acc needs 'gold'");
  EXPECT_EQ(error(start + "metrics: [mc2]\n"), file + ":1:1: metric mc2 needs 'truths'");
  EXPECT_EQ(error(start + "metrics: []\n"), file + ":5:10: metrics: name at least one");
  const auto metrics = [&](const std::string& list) {
    return error(start + "gold: '0'\nmetrics: " + list + "\n");
  };
  const std::string at = file + ":6:10: metrics: ";
  EXPECT_EQ(metrics("[acc, greedy]"),
            at + "results call both 'acc' and 'greedy' acc; name one of them");
  EXPECT_EQ(metrics("[greedy, perplexity, acc]"),
            at + "results call both 'greedy' and 'acc' acc; name one of them");
  EXPECT_EQ(metrics("[acc, acc_norm, acc]"), at + "'acc' is named twice");
  EXPECT_EQ(metrics("[perplexity, perplexity]"), at + "'perplexity' is named twice");
  EXPECT_EQ(ErrorOf([] { LoadTask("helaswag"); })
                .rfind("unknown task 'helaswag'; did you mean 'hellaswag'? (known: "
                       "arc_challenge,",
                       0),
            0U);
}

TEST(TaskNamesTest, EveryTaskOfTheConfigsLoads) {
  const auto names = TaskNames();
  EXPECT_EQ(names.size(), 12U + 7U);  // the paper's and the lab's
  for (const std::string& name : names) EXPECT_FALSE(LoadTask(name).metrics.empty()) << name;
}

TEST(ChooseDocumentsTest, AsPythonsShuffle) {
  using Order = std::vector<std::size_t>;
  EXPECT_EQ(ChooseDocuments(5, 0, false), (Order{0, 1, 2, 3, 4}));
  EXPECT_EQ(ChooseDocuments(5, 2, false), (Order{0, 1}));
  EXPECT_EQ(ChooseDocuments(5, 9, false).size(), 5U);
  // x = list(range(8)); random.Random(42).shuffle(x)
  EXPECT_EQ(ChooseDocuments(8, 0, true), (Order{3, 4, 6, 7, 2, 5, 0, 1}));
}

/// One letter a token, with BOS 1 by default and EOS 2; "ab" is one token, to blur the split.
class Letters : public Tokenizer {
 public:
  std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const override {
    std::vector<std::int32_t> ids;
    if (special == SpecialTokens::kDefault) ids.push_back(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, 2) == "ab") {
        ids.push_back(3);
        ++i;
      } else {
        ids.push_back(text[i]);
      }
    }
    return ids;
  }
  std::string Decode(const std::vector<std::int32_t>&) const override { return ""; }
  std::int64_t VocabSize() const override { return 128; }
  std::optional<std::int32_t> BosId() const override { return 1; }
  std::optional<std::int32_t> EosId() const override { return 2; }
  std::string Kind() const override { return "letters"; }
};

struct Expected {
  std::vector<std::int32_t> ids;
  std::int64_t scored;
};

void ExpectPair(Harness harness, std::int64_t most, const std::string& context,
                const std::string& continuation, const Expected& expected) {
  const EncodedPair pair = EncodePair(Letters(), harness, most, context, continuation);
  EXPECT_EQ(pair.continuation.ids, expected.ids);
  EXPECT_EQ(pair.continuation.scored, expected.scored);
}

TEST(EncodePairTest, CutsAtTheContextsCount) {
  ExpectPair(Harness::kLmEval03, 9, "xa", "bc", {{'x', 'a', 'c'}, 1});
  ExpectPair(Harness::kLmEval04, 9, "xa", "bc", {{1, 'x', 'a', 'c'}, 1});
}

TEST(EncodePairTest, SpacesAtTheContextsEndGoToTheContinuation) {
  ExpectPair(Harness::kLmEval03, 9, "x \n", "y", {{'x', ' ', '\n', 'y'}, 3});
}

TEST(EncodePairTest, AnEmptyContextIsEosOrBos) {
  ExpectPair(Harness::kLmEval03, 9, "", "y", {{2, 'y'}, 1});
  ExpectPair(Harness::kLmEval04, 9, "", "y", {{1, 'y'}, 1});
}

TEST(EncodePairTest, KeepsTheLastTokens) {
  const EncodedPair pair = EncodePair(Letters(), Harness::kLmEval03, 3, "wxyz", "pq");
  EXPECT_EQ(pair.continuation.ids, (std::vector<std::int32_t>{'y', 'z', 'p', 'q'}));
  EXPECT_TRUE(pair.truncated);
  EXPECT_FALSE(EncodePair(Letters(), Harness::kLmEval03, 5, "wxyz", "pq").truncated);
}

TEST(EncodePairTest, RefusesWhatTheHarnessWouldStopAt) {
  EXPECT_EQ(EncodePair(Letters(), Harness::kLmEval03, 9, "a", "b").refused,
            "no token is left for the continuation");
  EXPECT_EQ(EncodePair(Letters(), Harness::kLmEval03, 3, "x", "wxyz").refused,
            "the continuation has 4 tokens, more than the model's context of 3");
}

TaskDocument Document(const std::string& context, const std::string& group = "") {
  TaskDocument document;
  document.row = context;
  document.description = "D ";
  document.contexts = {context};
  document.choices = {"no", "yes"};
  document.gold = 1;
  document.group = group;
  return document;
}

TEST(PreamblesTest, ExamplesAreThoseOfPythonsSample) {
  std::vector<TaskDocument> pool;
  for (const char* c : {"a", "b", "c", "d", "e", "f"}) pool.push_back(Document(c));
  TaskOptions task;
  const std::vector<TaskDocument> documents = {Document("x"), Document("y")};
  EXPECT_EQ(Preambles(task, Harness::kLmEval04, {0, false}, documents, pool),
            (std::vector<std::string>{"D ", "D "}));
  EXPECT_EQ(Preambles(task, Harness::kLmEval04, {2, false}, documents, pool),
            (std::vector<std::string>{"D d yes\n\na yes\n\n", "D a yes\n\nf yes\n\n"}));
  EXPECT_EQ(Preambles(task, Harness::kLmEval03, {2, false}, documents, pool),
            (std::vector<std::string>{"D b yes\n\nf yes\n\n", "D a yes\n\nc yes\n\n"}));
}

TEST(PreamblesTest, ExamplesOf04MayBeJoinedOtherwise) {
  TaskOptions task;
  task.shots.delimiter = "  ";
  const std::vector<TaskDocument> pool = {Document("a")};
  EXPECT_EQ(Preambles(task, Harness::kLmEval04, {1, false}, {Document("x")}, pool).front(),
            "D a  yes\n\n");
  EXPECT_EQ(Preambles(task, Harness::kLmEval03, {1, false}, {Document("x")}, pool).front(),
            "D a yes\n\n");
}

/// Python: r = Random(42); r.shuffle(d := list("abcdefgh")); then r.sample("stuvwxyz", 2) for each
/// of d[:3], where d begins with "deg".
TEST(PreamblesTest, ShuffledDocumentsGoOnWithTheirGeneratorIn03) {
  std::vector<TaskDocument> pool;
  for (const char c : std::string("stuvwxyz")) pool.push_back(Document(std::string(1, c)));
  const std::string all = "abcdefgh";
  std::vector<TaskDocument> documents;
  for (const std::size_t i : ChooseDocuments(all.size(), 3, true)) {
    documents.push_back(Document(std::string(1, all[i])));
  }
  EXPECT_EQ(documents[0].contexts[0] + documents[1].contexts[0] + documents[2].contexts[0], "deg");
  EXPECT_EQ(Preambles({}, Harness::kLmEval03, {2, false, all.size()}, documents, pool),
            (std::vector<std::string>{"D t yes\n\nx yes\n\n", "D t yes\n\nw yes\n\n",
                                      "D y yes\n\ns yes\n\n"}));
}

TEST(PreamblesTest, OnlyAnEqualRowIsTheDocumentItself) {
  std::vector<TaskDocument> pool = {Document("a"), Document("a")};
  pool[1].row = "another, with the same text";
  EXPECT_EQ(Preambles({}, Harness::kLmEval04, {1, true}, {pool[0]}, pool),
            std::vector<std::string>{"D a yes\n\n"});
}

/// tests/golden/fewshot.txt: what the harness's own sampler draws (make_fewshot.py).
TEST(PreamblesTest, ExamplesAreThoseOfTheHarnesssSampler) {
  std::ifstream golden(testing::SourceFolder() + "/tests/golden/fewshot.txt");
  std::size_t count = 0;
  for (std::string line; std::getline(golden, line);) {
    if (line[0] == '#') continue;
    SCOPED_TRACE(line);
    std::istringstream words(line);
    std::size_t size = 0;
    std::size_t copies = 0;
    std::int64_t shots = 0;
    bool same = false;
    words >> size >> copies >> shots >> same;
    std::vector<TaskDocument> pool;
    for (std::size_t i = 0; i < size; ++i) pool.push_back(Document(std::to_string(i / copies)));
    std::vector<TaskDocument> documents;
    std::vector<std::string> expected;
    for (std::string drawn; words >> drawn;) {
      documents.push_back(pool[documents.size()]);
      auto& preamble = expected.emplace_back("D ");
      std::istringstream numbers(drawn);
      for (std::string number; std::getline(numbers, number, ',');) preamble += number + " yes\n\n";
    }
    EXPECT_EQ(Preambles({}, Harness::kLmEval04, {shots, same}, documents, pool), expected);
    ++count;
  }
  EXPECT_EQ(count, 5U);
}

TEST(PreamblesTest, CopiesOfADocumentLeaveFewerExamplesIn03) {
  const std::vector<TaskDocument> pool(4, Document("a"));
  EXPECT_EQ(Preambles({}, Harness::kLmEval03, {2, true}, {pool[0]}, pool),
            std::vector<std::string>{"D "});
  EXPECT_EQ(ErrorOf([&] {
              Preambles({}, Harness::kLmEval04, {2, true}, {pool[0]}, pool);
            }),
            "shots: 2 examples needed, 0 are there");
}

TEST(PreamblesTest, NoDocumentIsItsOwnExampleAndFirstIsOfTheGroup) {
  const std::vector<TaskDocument> pool = {Document("a", "g"), Document("b", "h"),
                                          Document("c", "g")};
  TaskOptions task;
  task.shots.sampler = ShotSampler::kFirst;
  EXPECT_EQ(Preambles(task, Harness::kLmEval04, {1, true}, {pool[0]}, pool),
            std::vector<std::string>{"D c yes\n\n"});
  EXPECT_EQ(ErrorOf([&] {
              Preambles(task, Harness::kLmEval04, {2, false}, {pool[1]}, pool);
            }),
            "shots: 2 examples needed, 1 are there");
}

}  // namespace
}  // namespace roundlab
