#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/experiments/program.h"

namespace roundlab {
namespace {

using testing::ReadAll;
using testing::TempFolder;

/// The built-in model at 4 bits: nothing in it depends on the machine, so its codes are these
/// everywhere. Another hash is another result for everybody.
TEST(SmokeTest, RoundToNearestOfTheBuiltInModelHasItsCodes) {
  const TempFolder folder;
  folder.Write("smoke.yaml",
               "name: smoke\nmodel: builtin:lab\nquant: {bits: 4, group_size: 32}\n"
               "pipeline: [{type: round, scheme: {type: rtn}}]\n");
  const auto run = testing::RunProgram(folder.path(),
                                       {"run", "smoke.yaml", "--out", "out", "--quiet", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto printed = nlohmann::json::parse(run.out);
  const std::string file =
      folder / printed.at("runs").at(0).at("folder").get<std::string>() + "/run.json";
  EXPECT_EQ(nlohmann::json::parse(ReadAll(file)).at("codes_sha256"),
            "b2aecba756603ed2046d25e1c8b807864b70e0c4adbb6cc3de880599a50f0629");
}

}  // namespace
}  // namespace roundlab
