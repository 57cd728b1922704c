#include <gtest/gtest.h>

#include <string>

#include "rounding/stages/round.h"

namespace roundlab {
namespace {

RoundOptions Read(const std::string& yaml) {
  RoundOptions options;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(yaml, "a.yaml"), "", FieldsOf(&options), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(diagnostics);
  return options;
}

std::string Canonical(const std::string& yaml) {
  return Stages().FromText("type: round\n" + yaml).canonical;
}

TEST(RoundOptionsTest, ASchemeAloneIsTunedAsItsAuthorsDo) {
  const RoundOptions options = Read("scheme: omniquant");
  EXPECT_EQ(options.tune.optimizer.type, "adamw");
  EXPECT_EQ(options.tune.steps, 2560);
  EXPECT_EQ(options.tune.batch, 1);
  EXPECT_EQ(options.tune.select, Select::kLast);
  EXPECT_EQ(options.tune.loss.type, "mse");  // what the scheme leaves open is the stage's
  EXPECT_EQ(Read("scheme: signround").tune.steps, 200);
  EXPECT_EQ(Read("scheme: signround_v2").tune.loss.type, "trimmed_mse");
}

TEST(RoundOptionsTest, WhatAConfigSaysGoesBefore) {
  const RoundOptions options = Read("steps: 10\nscheme: flexround\nloss: mse");
  EXPECT_EQ(options.tune.steps, 10);
  EXPECT_EQ(options.tune.loss.type, "mse");
  EXPECT_EQ(options.tune.batch, 2);
}

TEST(RoundOptionsTest, CanonicalTextHasWhatDiffersFromTheSchemesOwn) {
  EXPECT_EQ(Canonical("scheme: omniquant"), Canonical("scheme: omniquant\nsteps: 2560\nbatch: 1"));
  const std::string other = Canonical("scheme: omniquant\nsteps: 200");
  EXPECT_NE(other.find("steps: 200\n"), std::string::npos) << other;
  EXPECT_EQ(Stages().FromText(other).canonical, other);
  EXPECT_EQ(Canonical("scheme: rtn\nsteps: 7"), Canonical("scheme: rtn"));
}

}  // namespace
}  // namespace roundlab
