#include "core/text/tokenizer/spm.h"

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Ids;

Ids Encode(const SpmModel& model, std::string_view text) {
  Ids ids;
  model.Encode(text, &ids);
  return ids;
}

constexpr PieceType kNormal = PieceType::kNormal;

TEST(SpmTest, HighestScoreThenLeftmostIsMergedFirst) {
  const SpmModel model({{"<unk>", 0, PieceType::kUnknown},
                        {"a", -9, kNormal},
                        {"b", -9, kNormal},
                        {"ab", -2, kNormal},
                        {"ba", -1, kNormal},
                        {"aa", -3, kNormal}});
  EXPECT_EQ(Encode(model, "aba"), (Ids{1, 4}));
  EXPECT_EQ(Encode(model, "abab"), (Ids{1, 4, 2}));
  EXPECT_EQ(Encode(model, "aaa"), (Ids{5, 1}));
  EXPECT_EQ(Encode(model, "axyb"), (Ids{1, 0, 2}));  // one unknown for a run
}

TEST(SpmTest, UnusedPiecesAreTakenApart) {
  const SpmModel model({{"<unk>", 0, PieceType::kUnknown},
                        {"a", -9, kNormal},
                        {"b", -9, kNormal},
                        {"ab", -1, PieceType::kUnused},
                        {"aba", -2, PieceType::kUnused},
                        {"abab", -3, kNormal}});
  EXPECT_EQ(Encode(model, "ab"), (Ids{1, 2}));
  EXPECT_EQ(Encode(model, "aba"), (Ids{1, 2, 1}));
  EXPECT_EQ(Encode(model, "abab"), (Ids{5}));
}

TEST(SpmTest, UserDefinedPiecesAreNeverMergedOrCut) {
  const SpmModel model({{"<unk>", 0, PieceType::kUnknown},
                        {"a", -9, kNormal},
                        {"b", -9, kNormal},
                        {"ab", -1, kNormal},
                        {"ba", 0, PieceType::kUserDefined},
                        {"<s>", 0, PieceType::kControl}});
  EXPECT_EQ(Encode(model, "abab"), (Ids{1, 4, 2}));
  EXPECT_EQ(Encode(model, "<s>"), (Ids{0}));
}

TEST(SpmTest, WrongPiecesAreErrors) {
  EXPECT_EQ(ErrorOf([] {
              SpmModel({{"a", 0, kNormal}});
            }),
            "there is neither an unknown piece nor byte pieces");
  EXPECT_EQ(ErrorOf([] {
              SpmModel({{"<0x00>", 0, PieceType::kByte}});
            }),
            "some of the 256 byte pieces are missing");
  EXPECT_EQ(ErrorOf([] {
              SpmModel({{"0x00", 0, PieceType::kByte}});
            }),
            "byte piece '0x00' is not of the form <0xNN>");
  EXPECT_EQ(ErrorOf([] {
              SpmModel({{"<0xZZ>", 0, PieceType::kByte}});
            }),
            "byte piece '<0xZZ>' is not of the form <0xNN>");
  EXPECT_EQ(ErrorOf([] {
              SpmModel({{"<unk>", 0, PieceType::kUnknown}, {"a", 0, kNormal}, {"a", 0, kNormal}});
            }),
            "piece 'a' is there twice");
  EXPECT_EQ(ErrorOf([] { SpmModel({{"", 0, kNormal}}); }), "piece 0 is empty");
}

}  // namespace
}  // namespace roundlab
