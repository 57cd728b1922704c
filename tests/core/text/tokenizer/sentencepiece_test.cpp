#include <sentencepiece_processor.h>

#include <algorithm>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Ids;
using testing::Plain;
using testing::TempFolder;
using testing::WithSpecial;

TEST(SentencePieceTest, FlagsOfTheFolderDecideBosAndEos) {
  ROUNDLAB_SHARED_OR_SKIP(model, "models/stories260K/tokenizer.model");
  const TempFolder folder;
  folder.Write("tokenizer.model", testing::ReadAll(model));
  const auto tokenizer = LoadTokenizer(folder.path());
  const Ids plain = Plain(*tokenizer, "Once upon");
  Ids expected = plain;
  expected.insert(expected.begin(), 1);
  EXPECT_EQ(WithSpecial(*tokenizer, "Once upon"), expected);
  EXPECT_EQ(tokenizer->Decode(plain), "Once upon");
  EXPECT_EQ(tokenizer->Kind(), "sentencepiece (tokenizer.model)");
  EXPECT_EQ(tokenizer->VocabSize(), 512);
  EXPECT_EQ(tokenizer->EosId(), 2);
  folder.Write("tokenizer_config.json", R"({"add_bos_token": false, "add_eos_token": true})");
  expected = plain;
  expected.push_back(2);
  EXPECT_EQ(WithSpecial(*LoadTokenizer(folder.path()), "Once upon"), expected);
}

std::string SmallModel(const std::string& name) {
  return testing::ReadAll(testing::BesideTests("sentencepiece/" + name + ".model"));
}

TEST(SentencePieceTest, SpecialTokensInTextAreFoundUnlessTheyAreToBeText) {
  const TempFolder folder;
  folder.Write("tokenizer.model", SmallModel("symbols"));
  folder.Write("added_tokens.json", "{}");
  const auto tokenizer = LoadTokenizer(folder.path());
  EXPECT_EQ(Plain(*tokenizer, "<s><ctl></s><unk><mask>\n\n"), (Ids{1, 3, 2, 0, 4, 5}));
  const Ids text = tokenizer->Encode("<s><mask></s>", SpecialTokens::kUnread);
  EXPECT_EQ(text.front(), 1);  // added, not read
  EXPECT_EQ(std::count(text.begin(), text.end(), 1), 1);
  EXPECT_EQ(std::count(text.begin(), text.end(), 4), 1);  // user-defined, not special
  EXPECT_EQ(std::count(text.begin(), text.end(), 2), 0);
  EXPECT_EQ(tokenizer->Decode(text), "<s><s><mask></s>");
}

// No tokenizer_class: the model's own rules, its space at the beginning of the text only.
TEST(SentencePieceTest, WithoutAClassTheModelsOwnRulesCount) {
  for (const char* name : {"llama", "squeezing", "symbols"}) {
    const TempFolder folder;
    folder.Write("tokenizer.model", SmallModel(name));
    const auto alone = LoadTokenizer(folder.path());
    folder.Write("tokenizer_config.json", "{}");
    const auto tokenizer = LoadTokenizer(folder.path());
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.LoadFromSerializedProto(SmallModel(name)).ok());
    for (const std::string text : {"  the  cat ", "the cat", " \u2581the", "\u6c49 a", ""}) {
      std::vector<int> whole;
      ASSERT_TRUE(library.Encode(text, &whole).ok());
      EXPECT_EQ(Plain(*tokenizer, text), whole) << name << ": '" << text << "'";
      EXPECT_EQ(Plain(*alone, text), whole) << name << ": '" << text << "'";
      whole.push_back(2);
      EXPECT_EQ(Plain(*tokenizer, text + "</s>"), whole) << name << ": '" << text << "'";
    }
    EXPECT_EQ(Plain(*tokenizer, "</s>the").back(),
              tokenizer->Encode("xthe", SpecialTokens::kNone).back());
    for (const std::int32_t id : Plain(*alone, "<s></s><unk>")) EXPECT_GT(id, 2);
  }
}

TEST(SentencePieceTest, ANullMeansThatThereIsNone) {
  const TempFolder folder;
  folder.Write("tokenizer.model", SmallModel("llama"));
  folder.Write("tokenizer_config.json", R"({"bos_token": null})");
  const auto tokenizer = LoadTokenizer(folder.path());
  EXPECT_EQ(tokenizer->BosId(), std::nullopt);
  EXPECT_EQ(tokenizer->EosId(), 2);
  EXPECT_EQ(WithSpecial(*tokenizer, "the"), Plain(*tokenizer, "the"));
}

TEST(SentencePieceTest, TextThatIsNotUtf8IsAnError) {
  const TempFolder folder;
  folder.Write("tokenizer.model", SmallModel("llama"));
  EXPECT_EQ(ErrorOf([&] { Plain(*LoadTokenizer(folder.path()), "\xC3"); }),
            "text is not UTF-8: byte 0xC3 at offset 0");
}

TEST(SentencePieceTest, AFileThatIsNoModelIsAnError) {
  const TempFolder folder;
  const std::string path = folder.Write("tokenizer.model", "no model");
  EXPECT_EQ(ErrorOf([&] { LoadTokenizer(folder.path()); }), path + ": not a sentencepiece model");
}

}  // namespace
}  // namespace roundlab
