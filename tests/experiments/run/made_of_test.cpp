#include "experiments/run/made_of.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::TempFolder;

MadeOf Sample() {
  return {"abc, g++ 12, libtorch 2.11.0",
          "0123",
          std::string(64, 'm'),
          std::string(64, 'f'),
          std::string(64, 'c'),
          "cpu",
          2};
}

TEST(MadeOfTest, GoesOnWithTheSameOnly) {
  const TempFolder folder;
  const std::string checkpoint = folder / "run/checkpoint";
  EXPECT_FALSE(ReadMadeOf(checkpoint));
  BeginCheckpoint(checkpoint, Sample());
  ASSERT_TRUE(ReadMadeOf(checkpoint));
  EXPECT_EQ(ReadMadeOf(checkpoint)->threads, 2);
  EXPECT_EQ(ReadMadeOf(checkpoint)->program, Sample().program);
  BeginCheckpoint(checkpoint, Sample());
  WriteFileAtomically(checkpoint + "/record_0", "");
  BeginCheckpoint(checkpoint, Sample());

  const std::string begin = checkpoint + ": was begun with something else: ";
  const std::string end = "; remove " + folder / "run" + " to begin anew";
  MadeOf other = Sample();
  other.model_sha256 = std::string(64, 'n');
  EXPECT_EQ(ErrorOf([&] { BeginCheckpoint(checkpoint, other); }),
            begin + "model_sha256 was mmmmmmmmmmmmmmmm, now it is nnnnnnnnnnnnnnnn" + end);
  other.threads = 4;
  other.device = "cuda";
  EXPECT_EQ(ErrorOf([&] { BeginCheckpoint(checkpoint, other); }),
            begin +
                "model_sha256 was mmmmmmmmmmmmmmmm, now it is nnnnnnnnnnnnnnnn; device was cpu, "
                "now it is cuda; threads was 2, now it is 4" +
                end);
  other = Sample();
  other.program = "def";
  EXPECT_EQ(ErrorOf([&] { BeginCheckpoint(checkpoint, other); }),
            begin + "program was " + Sample().program +
                ", now it is def; go on with the program that began it, or remove " +
                folder / "run" + " to begin anew");
  for (std::string MadeOf::*text :
       {&MadeOf::config, &MadeOf::model_files_sha256, &MadeOf::calibration_sha256}) {
    other = Sample();
    other.*text = "x";
    EXPECT_NE(ErrorOf([&] { BeginCheckpoint(checkpoint, other); }), "");
  }
}

TEST(MadeOfTest, WhereNoUnitIsThereYetAnotherMakingTakesItsPlace) {
  const TempFolder folder;
  const std::string checkpoint = folder / "run/checkpoint";
  BeginCheckpoint(checkpoint, Sample());
  MadeOf other = Sample();
  other.program = "def";
  BeginCheckpoint(checkpoint, other);
  EXPECT_EQ(ReadMadeOf(checkpoint)->program, "def");
}

TEST(MadeOfTest, UnitsOfWhichNothingIsKnownAreNotTaken) {
  const TempFolder folder;
  const std::string checkpoint = folder / "run/checkpoint";
  fs::create_directories(checkpoint);
  WriteFileAtomically(checkpoint + "/record_0", "");
  EXPECT_EQ(ErrorOf([&] { BeginCheckpoint(checkpoint, Sample()); }),
            checkpoint + ": does not say what it was made of; remove " + folder / "run" +
                " to begin anew");
  WriteFileAtomically(checkpoint + "/made_of.json", "{\"program\": 3}");
  EXPECT_EQ(ErrorOf([&] { ReadMadeOf(checkpoint); }),
            checkpoint + "/made_of.json: does not say what the checkpoint was made of; remove " +
                folder / "run" + " to begin anew");
}

}  // namespace
}  // namespace roundlab
