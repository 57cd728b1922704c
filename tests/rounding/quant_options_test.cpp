#include "rounding/quant_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

const std::vector<std::string> kLayers = {
    "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj",
    "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.down_proj"};

QuantOptions Parse(const std::string& yaml) {
  QuantOptions options;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(yaml, "a.yaml"), "quant", FieldsOf(&options), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(diagnostics);
  return options;
}

std::string OptionsError(const std::string& yaml) {
  return testing::ErrorOf([&] { Parse(yaml).CheckAgainst(kLayers); });
}

TEST(QuantOptionsTest, TheFirstOverrideThatMatchesTheWholeNameCounts) {
  const QuantOptions options = Parse(
      "bits: 4\ngroup_size: 64\noverrides:\n"
      "  - {match: '.*1\\.mlp\\..*', bits: 3, grid: sym}\n"
      "  - {match: '.*down_proj', bits: 8, group_size: -1}\n"
      "  - {match: 'q_proj', bits: 2}\n");  // part of a name only
  EXPECT_EQ(options.For(kLayers[0])->bits, 4);
  EXPECT_EQ(options.For(kLayers[0])->group_size, 64);
  EXPECT_EQ(options.For(kLayers[1])->bits, 8);
  EXPECT_EQ(options.For(kLayers[1])->group_size, -1);
  EXPECT_EQ(options.For(kLayers[1])->grid, GridKind::kAsym);
  EXPECT_EQ(options.For(kLayers[3])->bits, 3);
  EXPECT_EQ(options.For(kLayers[3])->group_size, 64);
  EXPECT_EQ(options.For(kLayers[3])->grid, GridKind::kSym);
}

TEST(QuantOptionsTest, SkippedLayersHaveNoSpec) {
  const QuantOptions options = Parse(
      "bits: 4\nskip: ['.*layers\\.0\\..*', lm_head]\n"
      "overrides: [{match: '.*down_proj', bits: 8}]\n");
  EXPECT_FALSE(options.For(kLayers[0]).has_value());
  EXPECT_FALSE(options.For(kLayers[1]).has_value());  // a skip goes before an override
  EXPECT_EQ(options.For(kLayers[2])->bits, 4);
  EXPECT_EQ(options.For(kLayers[3])->bits, 8);
  options.CheckAgainst(kLayers);
}

TEST(QuantOptionsTest, PatternsMustMatchSomeLayer) {
  EXPECT_EQ(OptionsError("bits: 4\noverrides: [{match: '.*down_proj', bits: 8}]\n"
                         "skip: [lm_head, model.embed_tokens]\n"),
            "");
  EXPECT_EQ(
      OptionsError("bits: 4\noverrides: [{match: '.*', bits: 3}, {match: '.*gate', bits: 8}]\n"),
      "quant.overrides.1.match: '.*gate' matches no layer; the first is "
      "'model.layers.0.self_attn.q_proj', the last 'model.layers.1.mlp.down_proj'");
  EXPECT_EQ(OptionsError("bits: 4\noverrides: [{match: lm_head, bits: 8}]\n"),
            "quant.overrides.0.match: 'lm_head' matches no layer; the first is "
            "'model.layers.0.self_attn.q_proj', the last 'model.layers.1.mlp.down_proj'");
  EXPECT_EQ(OptionsError("bits: 4\nskip: [lm_head, down_proj]\n"),
            "quant.skip.1: 'down_proj' matches no layer; the first is "
            "'model.layers.0.self_attn.q_proj', the last 'model.embed_tokens'");
}

TEST(QuantOptionsTest, PatternsMustBeRegularExpressions) {
  // What follows is the standard library's own text.
  EXPECT_THAT(
      OptionsError("bits: 4\noverrides: [{match: '(down', bits: 8}]\n"),
      ::testing::StartsWith("a.yaml:2:13: quant.overrides.0: '(down' is no regular expression: "));
  EXPECT_THAT(OptionsError("bits: 4\nskip: ['[a']\n"),
              ::testing::StartsWith("a.yaml:2:7: quant: skip: '[a' is no regular expression: "));
}

TEST(QuantOptionsTest, OverridesAreCheckedLikeTheSection) {
  EXPECT_EQ(OptionsError("bits: 4\noverrides: [{match: '.*', bits: 9}]\n"),
            "a.yaml:2:33: quant.overrides.0.bits: 9 is out of range [2, 8]");
  EXPECT_EQ(OptionsError("bits: 4\noverrides: [{bits: 3}]\n"),
            "a.yaml:2:13: missing required key 'quant.overrides.0.match'");
  EXPECT_EQ(OptionsError("bits: 4\noverrides: [{match: '.*', grid: symm}]\n"),
            "a.yaml:2:33: quant.overrides.0.grid: unknown value 'symm'; did you mean 'sym'? "
            "(known: asym, float_zero, power, sym, sym_full, sym_restricted)");
}

TEST(QuantOptionsTest, WritesWhatItReads) {
  const std::string yaml =
      "bits: 3\ngroup_size: 64\nrange: {type: mse, norm: 2}\n"
      "overrides:\n  - {match: '.*down_proj', bits: 8}\nskip: [lm_head]\n";
  QuantOptions first = Parse(yaml);
  const std::string canonical = WriteFields(FieldsOf(&first));
  QuantOptions second = Parse(canonical);
  EXPECT_EQ(WriteFields(FieldsOf(&second)), canonical);
  EXPECT_EQ(second.range.type, "mse");
  EXPECT_EQ(second.overrides.at(0).bits, 8);
  EXPECT_FALSE(second.overrides.at(0).grid.has_value());
}

}  // namespace
}  // namespace roundlab
