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

TEST(SentencePieceTest, SpecialTokensInTextAreText) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "tokenizers/llama2");
  const auto tokenizer = LoadTokenizer(folder);
  for (const char* text : {"<s>", "</s>", "<unk>"}) {
    for (const std::int32_t id : Plain(*tokenizer, text)) EXPECT_GT(id, 2) << text;
  }
  EXPECT_EQ(ErrorOf([&] { Plain(*tokenizer, "\xC3"); }),
            "text is not UTF-8: byte 0xC3 at offset 0");
}

TEST(SentencePieceTest, AFileThatIsNoModelIsAnError) {
  const TempFolder folder;
  const std::string path = folder.Write("tokenizer.model", "no model");
  EXPECT_EQ(ErrorOf([&] { LoadTokenizer(folder.path()); }), path + ": not a sentencepiece model");
}

}  // namespace
}  // namespace roundlab
