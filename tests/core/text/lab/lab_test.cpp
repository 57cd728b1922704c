#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/base/hash.h"
#include "core/text/data/builtin_data.h"
#include "core/text/data/dataset.h"
#include "core/text/data/rows.h"
#include "core/text/lab/items.h"
#include "core/text/lab/tasks.h"
#include "core/text/lab/text.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

const LabWorld& World() {
  static const LabWorld world(1);
  return world;
}

std::string Hash(const std::vector<std::string>& documents) {
  return Sha256Hex([&] {
    std::string all;
    for (const std::string& document : documents) all += document + "\n";
    return all;
  }());
}

// Recorded when version 1 of the world was made: the built-in model was trained on these bytes.
TEST(LabTextTest, SameSeedSameBytes) {
  EXPECT_EQ(LabWorld::kVersion, 1);
  EXPECT_EQ(Hash(BuiltinDocuments("builtin:lab/train", 200)),
            "3f97bed3adf9081f1770b2819587682777da796b5499ea56323c68698307d9f2");
  EXPECT_EQ(Hash(BuiltinDocuments("builtin:lab/test", 200)),
            "3c1cecf7184fbd67f4a47699149c590d8159c94f4d2d2b28e5f9dbeb09c68e9a");
  EXPECT_EQ(Hash(BuiltinDocuments("builtin:lab@7/train", 200)),
            "3fd0c1a93c11528b1e54491ed861247b6e31d013c4a7a84979aa82d4bdb6b1fd");
  std::string rows;
  for (const std::string& task : LabTaskNames()) rows += LabTaskRows(World(), task);
  EXPECT_EQ(Sha256Hex(rows), "37d6962c8dd896af0e1085c15115def91f5c93fafcc1d9ad6cc7c0ab69715b66");
}

TEST(LabTextTest, AnyDocumentCanBeMadeAlone) {
  const LabText text(World(), "train");
  const auto documents = BuiltinDocuments("builtin:lab/train", 4);
  EXPECT_EQ(text.Document(3), documents[3]);
  EXPECT_EQ(text.Document(std::uint64_t{1} << 60), text.Document(std::uint64_t{1} << 60));
}

TEST(LabTextTest, SplitsShareNoDocument) {
  std::set<std::string> seen;
  std::size_t count = 0;
  for (const char* split : {"train", "calibration", "test"}) {
    const auto documents = BuiltinDocuments(std::string("builtin:lab/") + split, 500);
    seen.insert(documents.begin(), documents.end());
    count += documents.size();
  }
  EXPECT_EQ(seen.size(), count);
}

// A question of the task "fact" is asked in no text, and each is answered by what is told there.
TEST(LabTextTest, TextsDoNotAskWhatTheTaskAsks) {
  std::string text;
  for (const std::string& document : BuiltinDocuments("builtin:lab/train", 2000)) text += document;
  DataSource source;
  source.path = "builtin:lab/fact";
  std::size_t asked = 0;
  for (const Row& row : LoadRows(source).rows) {
    const auto stem = row.value["question"]["stem"].get<std::string>();
    asked += text.find(stem + "?") != std::string::npos ? 1U : 0U;
  }
  EXPECT_EQ(asked, 0U);
  EXPECT_NE(text.find("Question: Where does "), std::string::npos);
}

TEST(LabTaskTest, HasFiveHundredDifferentRowsWithSpreadAnswers) {
  for (const std::string& task : LabTaskNames()) {
    SCOPED_TRACE(task);
    DataSource source;
    source.path = "builtin:lab/" + task;
    const Rows rows = LoadRows(source);
    ASSERT_EQ(rows.rows.size(), 500U);
    std::map<std::string, int> answers;
    for (const Row& row : rows.rows) {
      for (const char* key : {"answerKey", "label", "answer"}) {
        if (row.value.contains(key)) ++answers[row.value[key].dump()];
      }
    }
    for (const auto& [answer, count] : answers) {
      const double share = 500.0 / static_cast<double>(answers.size());
      EXPECT_NEAR(count, share, 4 * std::sqrt(share)) << answer;
    }
  }
}

TEST(LabTaskTest, ChoicesDiffer) {
  for (const char* task : {"fact", "count"}) {
    DataSource source;
    source.path = std::string("builtin:lab/") + task;
    for (const Row& row : LoadRows(source).rows) {
      std::set<std::string> texts;
      for (const auto& choice : row.value["question"]["choices"]) texts.insert(choice["text"]);
      ASSERT_EQ(texts.size(), 4U) << row.value.dump();
    }
  }
}

TEST(LabWorldTest, NamesAreUniqueAndNobodyIsOnesOwnFriend) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const LabWorld world(seed);
    std::set<std::string> names;
    for (const LabKind kind : {LabKind::kPerson, LabKind::kTown, LabKind::kAnimal}) {
      for (const LabEntity& entity : world.Realm(kind).entities) names.insert(entity.name);
    }
    EXPECT_EQ(names.size(), 240U + 48U + 24U);
    for (std::uint32_t i = 0; i < 240; ++i) {
      EXPECT_NE(world.people.Value(i, 5), world.people.entities[i].name);
    }
  }
  EXPECT_NE(LabWorld(1).people.entities[0].name, LabWorld(2).people.entities[0].name);
}

TEST(LabRandomTest, CountsWhatItsChoicesTell) {
  LabRandom random(1);
  random.Below(8);
  EXPECT_DOUBLE_EQ(random.Nats(), std::log(8.0));
  const bool yes = random.Chance(1, 4);
  EXPECT_DOUBLE_EQ(random.Nats(), std::log(8.0) - std::log(yes ? 0.25 : 0.75));
  int count = 0;
  for (int i = 0; i < 40000; ++i) count += random.Chance(1, 4) ? 1 : 0;
  EXPECT_NEAR(count, 10000, 4 * std::sqrt(40000 * 0.25 * 0.75));
}

TEST(LabFloorTest, IsTheMeanOfChoices) {
  const LabFloor floor = EstimateLabFloor(World(), "test", 300);
  EXPECT_GT(floor.nats_per_byte, 0.15);
  EXPECT_LT(floor.nats_per_byte, 0.30);
}

TEST(LabFillTest, PutsValuesIn) {
  std::string out = "x";
  LabFill("$1 and $0$1.", {"a", "bc"}, &out);
  EXPECT_EQ(out, "xbc and abc.");
  EXPECT_EQ(LabArticle("apple"), "an");
  EXPECT_EQ(LabArticle("pear"), "a");
}

TEST(BuiltinDataTest, IsADatasetOfTheCatalogue) {
  DataSource source;
  source.name = "lab";
  const Dataset test = LoadDataset(source, 3);
  EXPECT_EQ(test.documents, BuiltinDocuments("builtin:lab/test", 3));
  EXPECT_TRUE(test.join_tokens);
  source.split = "calibration";
  EXPECT_EQ(LoadDataset(source).documents.size(), 1000U);
  DataSource path;
  path.path = "builtin:lab@7/test";
  EXPECT_TRUE(LoadDataset(path).join_tokens);
  EXPECT_EQ(LoadDataset(path).documents.size(), 250U);
}

TEST(BuiltinDataTest, UnknownNamesAreTold) {
  EXPECT_EQ(ErrorOf([] { BuiltinDocuments("builtin:lap/test"); }),
            "builtin:lap/test: unknown built-in data 'lap'; did you mean 'lab'? (known: lab)");
  EXPECT_EQ(ErrorOf([] { BuiltinDocuments("builtin:lab/tset"); }),
            "builtin:lab/tset: unknown split 'tset'; did you mean 'test'? (known: calibration, "
            "test, train)");
  EXPECT_EQ(ErrorOf([] { BuiltinDocuments("builtin:lab@x/test"); }),
            "builtin:lab@x/test: seed 'x' is no number from 0 to 18446744073709551615");
  EXPECT_EQ(ErrorOf([] { BuiltinRows("builtin:lab/facts"); }),
            "builtin:lab/facts: unknown task 'facts'; did you mean 'fact'? (known: agreement, "
            "cloze, count, fact, pronoun, story, yesno)");
}

}  // namespace
}  // namespace roundlab
