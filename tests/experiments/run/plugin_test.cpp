#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

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
