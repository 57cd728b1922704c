#include "core/config/value_fields.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/config/enum_field.h"
#include "core/config/optional_field.h"

namespace roundlab {
namespace {

enum class Grid { kAsym, kSym };
const EnumNames<Grid> kGrids = {{Grid::kAsym, "asym"}, {Grid::kSym, "sym"}};

struct Entry {
  std::string match;
  std::optional<std::int64_t> bits;
  std::optional<Grid> grid;
  void Fields(FieldVisitor& f) {
    f.String("match", &match, "names", Presence::kRequired);
    OptionalInt bits_field(&bits, Between(2, 8));
    f.Value("bits", bits_field, "bits");
    OptionalEnum grid_field(&grid, kGrids);
    f.Value("grid", grid_field, "grid");
    f.Rule([this]() -> std::string { return match == "bad" ? "match may not be bad" : ""; });
  }
};

struct Options {
  std::vector<Entry> entries;
  std::vector<std::string> skip;
  std::optional<Entry> section;
  double x = 0.1;
  std::vector<double> levels = {0.5, 0.25};
  std::vector<Grid> grids;
  void Fields(FieldVisitor& f) {
    EnumList grids_field(&grids, kGrids);
    f.Value("grids", grids_field, "grids");
    RealList levels_field(&levels, Between(0, 1));
    f.Value("levels", levels_field, "numbers");
    ListOf<Entry> list(&entries);
    f.Value("entries", list, "entries");
    StringList skip_field(&skip);
    f.Value("skip", skip_field, "names");
    OptionalSection<Entry> section_field(&section);
    f.Value("section", section_field, "one more");
    f.Real("x", &x, Above(0), "a number");
    f.Rule([this]() -> std::string {
      return skip.size() > entries.size() ? "more skips than entries" : "";
    });
  }
};

Options Read(const std::string& yaml, std::string* errors) {
  Options options;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(yaml, "a.yaml"), "q", FieldsOf(&options), &diagnostics);
  if (errors != nullptr) *errors = ConfigError(diagnostics).what();
  return options;
}

std::string ErrorsOf(const std::string& yaml) {
  std::string errors;
  Read(yaml, &errors);
  return errors;
}

TEST(ValueFieldsTest, ReadWhatIsThereAndLeaveOutWhatIsNot) {
  const Options options = Read(
      "entries: [{match: a, bits: 3}, {match: b, grid: sym}]\nskip: [x]\nsection: {match: c}\n",
      nullptr);
  ASSERT_EQ(options.entries.size(), 2U);
  EXPECT_EQ(options.entries[0].bits, 3);
  EXPECT_EQ(options.entries[0].grid, std::nullopt);
  EXPECT_EQ(options.entries[1].bits, std::nullopt);
  EXPECT_EQ(options.entries[1].grid, Grid::kSym);
  EXPECT_EQ(options.skip, std::vector<std::string>{"x"});
  ASSERT_TRUE(options.section.has_value());
  EXPECT_EQ(options.section->match, "c");
  EXPECT_FALSE(Read("x: 1\n", nullptr).section.has_value());
  EXPECT_EQ(Read("levels: [1, 0.125]\n", nullptr).levels, (std::vector<double>{1, 0.125}));
  EXPECT_EQ(options.levels, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(Read("grids: [sym, asym]\n", nullptr).grids,
            (std::vector<Grid>{Grid::kSym, Grid::kAsym}));
}

TEST(ValueFieldsTest, ErrorsNameTheElement) {
  EXPECT_EQ(ErrorsOf("entries: {match: a}\n"),
            "a.yaml:1:10: q.entries: expected a sequence, got a mapping");
  EXPECT_EQ(ErrorsOf("entries: [{match: a}, {match: b, bits: 1}]\n"),
            "a.yaml:1:40: q.entries.1.bits: 1 is out of range [2, 8]");
  EXPECT_EQ(ErrorsOf("entries: [{match: a, bits: x}]\n"),
            "a.yaml:1:28: q.entries.0.bits: expected an integer, got 'x'");
  EXPECT_EQ(ErrorsOf("entries: [{match: a, grid: syn}]\n"),
            "a.yaml:1:28: q.entries.0.grid: unknown value 'syn'; did you mean 'sym'? (known: asym, "
            "sym)");
  EXPECT_EQ(ErrorsOf("entries: [{bits: 3}]\n"),
            "a.yaml:1:11: missing required key 'q.entries.0.match'");
  EXPECT_EQ(ErrorsOf("entries: [a]\n"), "a.yaml:1:11: q.entries.0: expected a mapping");
  EXPECT_EQ(ErrorsOf("skip: x\n"), "a.yaml:1:7: q.skip: expected a sequence, got a scalar");
  EXPECT_EQ(ErrorsOf("skip: [x, [y]]\n"), "a.yaml:1:11: q.skip.1: expected a text, got a sequence");
  EXPECT_EQ(ErrorsOf("levels: 0.5\n"), "a.yaml:1:9: q.levels: expected a sequence, got a scalar");
  EXPECT_EQ(ErrorsOf("levels: [0.5, 2]\n"), "a.yaml:1:15: q.levels.1: 2 is out of range [0, 1]");
  EXPECT_EQ(ErrorsOf("levels: [a, [1]]\n"),
            "a.yaml:1:10: q.levels.0: expected a number, got 'a'\n"
            "a.yaml:1:13: q.levels.1: expected a number, got a sequence");
  EXPECT_EQ(ErrorsOf("grids: sym\n"), "a.yaml:1:8: q.grids: expected a sequence, got a scalar");
  EXPECT_EQ(ErrorsOf("grids: [asym, syn]\n"),
            "a.yaml:1:15: q.grids.1: unknown value 'syn'; did you mean 'sym'? (known: asym, sym)");
  EXPECT_EQ(ErrorsOf("section: 3\n"), "a.yaml:1:10: q.section: expected a mapping");
}

TEST(ValueFieldsTest, RulesAreAskedOnceAllElseIsGood) {
  EXPECT_EQ(ErrorsOf("skip: [x]\n"), "a.yaml:1:1: q: more skips than entries");
  EXPECT_EQ(ErrorsOf("skip: [x]\nx: 0\n"), "a.yaml:2:4: q.x: 0 is out of range (0, inf)");
  EXPECT_EQ(ErrorsOf("entries: [{match: bad}]\n"),
            "a.yaml:1:19: q.entries.0: match may not be bad");
}

TEST(ValueFieldsTest, NullRemovesASection) {
  ConfigNode root = ParseYaml("section: {match: c}\n", "base.yaml");
  ApplyOverride("section=null", &root);
  Options options;
  options.section.emplace();
  std::vector<Diagnostic> diagnostics;
  ReadFields(root, "q", FieldsOf(&options), &diagnostics);
  EXPECT_TRUE(diagnostics.empty());
  EXPECT_FALSE(options.section.has_value());
}

TEST(ValueFieldsTest, CanonicalTextReadsBackToItself) {
  const char* const configs[] = {
      "{}",
      "x: 1e-300\n",
      "x: 12345678901234567890\n",
      "entries: [{match: '.*: \"q\"', bits: 2, grid: asym}, {match: \"a\\nb\"}]\n",
      "entries: [{match: a}, {match: b}, {match: c}]\nskip: ['- x', '#', \"\\t\"]\n",
      "section: {match: ' s ', bits: 8}\nx: 0.30000000000000004\n",
      "levels: []\n",
      "grids: [sym, asym, sym]\n",
      "levels: [0.30000000000000004, 1, 1e-300]\n",
  };
  for (const char* yaml : configs) {
    std::string errors;
    Options options = Read(yaml, &errors);
    ASSERT_EQ(errors, "") << yaml;
    const std::string text = WriteFields(FieldsOf(&options));
    Options again = Read(text.empty() ? "{}" : text, &errors);
    EXPECT_EQ(errors, "") << text;
    EXPECT_EQ(WriteFields(FieldsOf(&again)), text);
    EXPECT_EQ(again.x, options.x);
    EXPECT_EQ(again.levels, options.levels);
    EXPECT_EQ(again.grids, options.grids);
  }
}

}  // namespace
}  // namespace roundlab
