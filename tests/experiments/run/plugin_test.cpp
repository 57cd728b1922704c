#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "tests/core/formats/format_files.h"
#include "tests/experiments/program.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ProgramResult;
using testing::RunProgram;
using testing::TempFolder;

std::string PluginFile(const std::string& name) {
  return std::string(ROUNDLAB_TEST_PLUGINS) + "/lib" + name + ".so";
}

TEST(PluginTest, ItsPartsAreListedWithTheOthers) {
  const TempFolder folder;
  const ProgramResult result =
      RunProgram(folder.path(), {"list", "scheme", "--plugin", PluginFile("toward_zero")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("toward_zero: cut off, not rounded"), std::string::npos) << result.out;
}

TEST(PluginTest, ARunInAProcessOfItsOwnUsesItAndTellsOfIt) {
  const TempFolder folder;
  testing::TinyModel().Write(folder.path() + "/model");
  std::ofstream(folder.path() + "/p.yaml")
      << "model: {path: " << folder.path() << "/model}\nquant: {bits: 4, group_size: 16}\n"
      << "pipeline: [{type: round, scheme: toward_zero}]\n";
  const ProgramResult result =
      RunProgram(folder.path(), {"run", folder.path() + "/p.yaml", "--out", folder.path() + "/out",
                                 "--plugin", PluginFile("toward_zero"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() + "/out")) {
    if (entry.path().filename() != "run.json") continue;
    const auto run = nlohmann::json::parse(std::ifstream(entry.path()));
    EXPECT_EQ(run["status"], "complete");
    EXPECT_NE(run["provenance"]["plugins"].get<std::string>().find("libtoward_zero.so "),
              std::string::npos);
    ++found;
  }
  EXPECT_EQ(found, 1);
}

class PluginRunTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::TinyModel().Write(folder_.path() + "/model"); }

  ProgramResult Run(const std::string& stage, const std::string& plugin) {
    std::ofstream(folder_.path() + "/p.yaml")
        << "model: {path: " << folder_.path() << "/model}\nquant: {bits: 4, group_size: 16}\n"
        << "calibration: {data: {path: " << folder_.path()
        << "/t.txt}, protocol: plain, samples: 2, seqlen: 8}\n"
        << "pipeline: [{type: round, " << stage << "}]\n";
    std::ofstream text(folder_.path() + "/t.txt");
    for (int i = 0; i < 8; ++i) {  // documents
      for (int k = 0; k < 9; ++k) text << "Once there were cats. ";
      text << "\n\n";
    }
    text.close();
    return RunProgram(folder_.path(), {"run", folder_.path() + "/p.yaml", "--out",
                                       folder_.path() + "/out", "--plugin", plugin, "--quiet"});
  }
  std::string File(const std::string& name) const {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder_.path() + "/out")) {
      if (entry.path().filename() == name) return testing::ReadAll(entry.path().string());
    }
    return "";
  }

  const TempFolder folder_;
};

TEST_F(PluginRunTest, WhatGoesWrongInOneIsToldWithItsPlace) {
  const std::string layer = "model.layers.0.self_attn.q_proj: the scheme's result can't be: ";
  for (const auto& [fault, message, code] : std::vector<std::tuple<std::string, std::string, int>>{
           {"exception", "block_0: pipeline.0: of my own\n", 1},
           {"number", "block_0: pipeline.0: threw no std::exception\n", 1},
           {"empty", "q_proj: scheme 'faulty' begins nothing: its Begin gives null\n", 2},
           {"weight", "q_proj: scheme 'faulty' changes the weight that it is to round\n", 2},
           {"name", "q_proj: its scheme diagnoses 'a/b', which is no name in run.h5\n", 2},
           {"ours", "q_proj: its scheme diagnoses 'flip_rate', which is told of every scheme\n", 2},
           {"libtorch", "block_0: pipeline.0: shape '[3]' is invalid for input of size 2\n", 1},
           {"half", "a code is no whole number from 0 to 255\n", 2},
           {"code", layer + "a code is above 2^bits - 1\n", 2},
           {"shape", layer + "scale has another shape than its groups\n", 2},
           {"type", layer + "scale has another type than it should\n", 2}}) {
    std::filesystem::remove_all(folder_.path() + "/out");
    const ProgramResult result =
        Run("scheme: {type: faulty, fault: " + fault + "}", PluginFile("faulty_plugin"));
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << fault << ": " << result.err;
    EXPECT_NE(File("log.txt").find("  failed: "), std::string::npos) << fault;
  }
}

TEST_F(PluginRunTest, ADiagnosticsNameMayHaveBlanks) {
  const ProgramResult result =
      Run("scheme: {type: faulty, fault: none}", PluginFile("faulty_plugin"));
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(PluginRunTest, ATunedSchemeThatIsNotStraightThroughHasToSaySo) {
  for (const auto& [told, code] : std::map<std::string, int>{{"true", 0}, {"false", 2}}) {
    std::filesystem::remove_all(folder_.path() + "/out");
    const ProgramResult result = Run("scheme: {type: soft, told: " + told + "}, steps: 2, batch: 2",
                                     PluginFile("faulty_plugin"));
    EXPECT_EQ(result.code, code) << result.err;
    const std::string message = "q_proj: scheme 'soft' says that it is straight-through, but what";
    EXPECT_EQ(result.err.find(message) == std::string::npos, code == 0) << result.err;
  }
}

TEST_F(PluginRunTest, ASchemeThatRequiresAnOptionIsInNothingsWay) {
  const ProgramResult table =
      RunProgram(folder_.path(), {"describe", "methods", "--plugin", PluginFile("faulty_plugin")});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("the weight itself is tuned | by its options |"), std::string::npos);
  const ProgramResult wrong =
      Run("scheme: adaround, start: {scheme: rtn}", PluginFile("faulty_plugin"));
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("can't begin from other codes (known: "), std::string::npos)
      << wrong.err;
}

TEST_F(PluginRunTest, OptimizersAndSchedulesComeFromOneToo) {
  const ProgramResult result =
      Run("scheme: signround, steps: 2, batch: 2, optimizer: {type: descent, lr: 0.2}, schedule: "
          "halved",
          PluginFile("faulty_plugin"));
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(PluginRunTest, ARunOfOneThatHasChangedSinceIsTold) {
  const std::string plugin = folder_ / "mine.so";
  std::filesystem::copy_file(PluginFile("toward_zero"), plugin);
  ASSERT_EQ(Run("scheme: toward_zero", plugin).code, 0);
  EXPECT_EQ(Run("scheme: toward_zero", plugin).err.find("was made by another"), std::string::npos);
  const std::string moved = folder_ / "there/mine.so";
  std::filesystem::create_directory(folder_ / "there");
  std::filesystem::copy_file(plugin, moved);
  EXPECT_EQ(Run("scheme: toward_zero", moved).err.find("was made by another"), std::string::npos);
  std::ofstream(moved, std::ios::app) << "other bytes";
  EXPECT_NE(Run("scheme: toward_zero", moved).err.find(" was made by another " + moved),
            std::string::npos);
  std::ofstream(plugin, std::ios::app) << "other bytes";
  const ProgramResult again = Run("scheme: toward_zero", plugin);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find(" was made by another " + plugin + ": remove its folder"),
            std::string::npos)
      << again.err;
}

TEST(PluginTest, BadOnesAreToldBeforeAnythingElse) {
  const TempFolder folder;
  const std::string text = folder.path() + "/text.so";
  std::ofstream(text) << "not a library";
  const std::string missing = folder.path() + "/missing.so";
  const std::string old = PluginFile("old_plugin");
  const std::string throwing = PluginFile("throwing_plugin");
  for (const auto& [file, message] : std::map<std::string, std::string>{
           {missing, missing + ": no such plug-in\n"},
           {text, text + ": can't be opened as a plug-in: " + text + ": file too short\n"},
           {old, old + ": was built for interface 0.0.9-7, this program has " ROUNDLAB_INTERFACE
                       ": build it again with this program's headers\n"},
           {throwing, throwing + ": failed while it added its parts: no license file\n"}}) {
    const ProgramResult result = RunProgram(folder.path(), {"list", "--plugin", file});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.err, message);
    EXPECT_EQ(result.out, "");
  }
}

}  // namespace
}  // namespace roundlab
