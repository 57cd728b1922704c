#include <gtest/gtest.h>

#include <string>

#include "core/config/fields.h"
#include "core/config/node.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

/// The tree as one line: {a: 1, b: [x, ~]}.
std::string Flat(const ConfigNode& node) {
  std::string text;
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "~";
    case ConfigNode::Kind::kScalar:
      return node.scalar;
    case ConfigNode::Kind::kSequence:
      for (const auto& e : node.elements) text += (text.empty() ? "" : ", ") + Flat(e);
      return "[" + text + "]";
    case ConfigNode::Kind::kMapping:
      for (const auto& m : node.members) {
        text += (text.empty() ? "" : ", ") + m.key + ": " + Flat(m.value);
      }
      return "{" + text + "}";
  }
  return text;
}

/// The config after one override, or the error.
std::string Overridden(const std::string& yaml, const std::string& assignment) {
  ConfigNode root = ParseYaml(yaml, "a.yaml");
  const std::string error = ErrorOf([&] { ApplyOverride(assignment, &root); });
  return error.empty() ? Flat(root) : error;
}

TEST(ToYamlTest, ReadsBackToAnEqualTree) {
  const ConfigNode root = ParseYaml(
      "a: {b: [1, ~, 'null', '', x y, 'a: b', {c: []}], d: {}}\n'e,f': \"line\\nbreak\"\ng: '~'\n",
      "a.yaml");
  const ConfigNode again = ParseYaml(ToYaml(root), "again.yaml");
  EXPECT_EQ(Flat(again), Flat(root));
  EXPECT_EQ(again.Find("g")->kind, ConfigNode::Kind::kScalar);
  EXPECT_EQ(again.Find("a")->Find("b")->elements[2].kind, ConfigNode::Kind::kScalar);
  EXPECT_EQ(again.Find("a")->Find("b")->elements[3].kind, ConfigNode::Kind::kScalar);
}

TEST(OverrideTest, EntersMappingsAndSequencesAndMakesMappings) {
  EXPECT_EQ(Overridden("a: 1\n", "a=2"), "{a: 2}");
  EXPECT_EQ(Overridden("a: 1\n", "b.c.d=2"), "{a: 1, b: {c: {d: 2}}}");
  EXPECT_EQ(Overridden("p: [{x: 1}, {x: 2}]\n", "p.1.x=5"), "{p: [{x: 1}, {x: 5}]}");
  EXPECT_EQ(Overridden("p: [1, 2]\n", "p=[3]"), "{p: [3]}");
  EXPECT_EQ(Overridden("p: [{x: 1}]\n", "p.0={y: [1, {z: w}]}"), "{p: [{y: [1, {z: w}]}]}");
  EXPECT_EQ(Overridden("", "a.b=1"), "{a: {b: 1}}");
  EXPECT_EQ(Overridden("a:\n", "a.b=1"), "{a: {b: 1}}");
  EXPECT_EQ(Overridden("a: 1\n", "a="), "{a: ~}");
  EXPECT_EQ(Overridden("a: 1\n", "a=b=c"), "{a: b=c}");
}

TEST(OverrideTest, AWordAloneIsWhatItIsShortFor) {
  EXPECT_EQ(Overridden("scheme: rtn\n", "scheme.b=5"), "{scheme: {type: rtn, b: 5}}");
  EXPECT_EQ(Overridden("p: [rtn]\n", "p.0.b=5"), "{p: [{type: rtn, b: 5}]}");
  EXPECT_EQ(Overridden("model: m\n", "model.rotate.learn={}"),
            "{model: {path: m, rotate: {learn: {}}}}");
  EXPECT_EQ(Overridden("data: c4\n", "data.split=x"), "{data: {name: c4, split: x}}");
  EXPECT_EQ(Overridden("budget: 3\n", "budget.sequences=4"), "{budget: {bits: 3, sequences: 4}}");
}

TEST(OverrideTest, PathsThatLeadNowhereAreErrors) {
  EXPECT_EQ(Overridden("p: [1, 2]\n", "p.2=5"),
            "--set p.2=5: '2' is no index into a sequence of 2");
  EXPECT_EQ(Overridden("p: [1, 2]\n", "p.-1=5"),
            "--set p.-1=5: '-1' is no index into a sequence of 2");
  EXPECT_EQ(Overridden("p: [1, 2]\n", "p.x=5"),
            "--set p.x=5: 'x' is no index into a sequence of 2");
  EXPECT_EQ(Overridden("a: 1\n", "a"), "--set a: expected KEY.PATH=VALUE");
  EXPECT_EQ(Overridden("a: 1\n", "=1"), "--set =1: expected KEY.PATH=VALUE");
}

TEST(ExtendsTest, MergesKeyByKeyAndTheExtendingFileWins) {
  const TempFolder folder;
  folder.Write("base.yaml", "a: 1\nm: {x: 1, y: {p: 1, q: 2}}\ns: [1, 2]\n");
  folder.Write("mid.yaml", "extends: base.yaml\nm: {y: {q: 3}, z: 4}\n");
  std::filesystem::create_directory(folder / "sub");
  folder.Write("sub/top.yaml", "extends: ../mid.yaml\ns: [9]\nb: 2\n");
  EXPECT_EQ(Flat(LoadConfig(folder / "sub/top.yaml")),
            "{s: [9], b: 2, m: {y: {q: 3, p: 1}, z: 4, x: 1}, a: 1}");
}

TEST(ExtendsTest, AScalarReplacesAMappingAndTheOtherWayRound) {
  const TempFolder folder;
  folder.Write("base.yaml", "a: {x: 1}\nb: 1\n");
  EXPECT_EQ(Flat(LoadConfig(folder.Write("t.yaml", "extends: base.yaml\na: 5\nb: {y: 2}\n"))),
            "{a: 5, b: {y: 2}}");
}

TEST(ExtendsTest, OfAListTheLaterFileWinsAndOneFileMayComeTwice) {
  const TempFolder folder;
  folder.Write("base.yaml", "a: 1\nb: 1\nc: 1\n");
  folder.Write("one.yaml", "extends: base.yaml\nb: 2\nd: {x: 1}\n");
  folder.Write("two.yaml", "c: 3\nb: 3\nd: {y: 2}\n");
  const std::string top = folder.Write("t.yaml", "extends: [one.yaml, two.yaml]\nc: 9\n");
  EXPECT_EQ(Flat(LoadConfig(top)), "{c: 9, b: 3, d: {y: 2, x: 1}, a: 1}");
  const std::string twice = folder.Write("u.yaml", "extends: [one.yaml, base.yaml]\n");
  EXPECT_EQ(LoadConfig(twice).Find("b")->scalar, "1");
}

TEST(ExtendsTest, ValuesKeepTheirFile) {
  const TempFolder folder;
  folder.Write("base.yaml", "a: 1\n");
  const ConfigNode root = LoadConfig(folder.Write("t.yaml", "extends: base.yaml\n"));
  EXPECT_EQ(root.Find("a")->where.ToString(), folder / "base.yaml" + ":1:4");
}

TEST(ExtendsTest, CircleMissingFileAndWrongTypeAreErrors) {
  const TempFolder folder;
  const std::string a = folder.Write("a.yaml", "extends: b.yaml\n");
  const std::string b = folder.Write("b.yaml", "extends: a.yaml\n");
  EXPECT_EQ(ErrorOf([&] { LoadConfig(a); }), b + ":1:10: extends: '" + a + "' extends itself");
  const std::string c = folder.Write("c.yaml", "extends: none.yaml\n");
  EXPECT_EQ(ErrorOf([&] { LoadConfig(c); }),
            c + ":1:10: extends: no such file '" + folder / "none.yaml" + "'");
  const std::string d = folder.Write("d.yaml", "extends: {file: a.yaml}\n");
  EXPECT_EQ(ErrorOf([&] { LoadConfig(d); }),
            d + ":1:10: extends: expected a file name, got a mapping");
}

TEST(QuoteScalarTest, AnyTextReadsBack) {
  const std::string nasty[] = {"",
                               " ",
                               "a b",
                               "a: b",
                               "- x",
                               "#no",
                               "x #y",
                               "~",
                               "null",
                               "true",
                               "yes",
                               "0x10",
                               "1e3",
                               "'",
                               "\"",
                               "\\",
                               "\\n",
                               "a\nb",
                               "\t",
                               "\r\n",
                               "[a",
                               "{a: b}",
                               "&x",
                               "*x",
                               "!t",
                               "%d",
                               "@x",
                               "`",
                               "|",
                               ">",
                               "?",
                               ":",
                               "a:",
                               "-",
                               "---",
                               "...",
                               "\x01\x1f\x7f",
                               "\xc3\xa4",
                               "\xf0\x9f\x98\x80",
                               "=",
                               "<<"};
  for (const std::string& text : nasty) {
    const std::string yaml = "k: " + QuoteScalar(text) + "\n";
    const ConfigNode root = ParseYaml(yaml, "q");
    ASSERT_NE(root.Find("k"), nullptr) << yaml;
    EXPECT_EQ(root.Find("k")->kind, ConfigNode::Kind::kScalar) << yaml;
    EXPECT_EQ(root.Find("k")->scalar, text) << yaml;
  }
}

}  // namespace
}  // namespace roundlab
