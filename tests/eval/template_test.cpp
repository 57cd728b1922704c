#include "eval/template.h"

#include <gtest/gtest.h>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;

std::string Filtered(const std::string& filter, const std::string& text) {
  return TextFilter(filter).Apply(text);
}

// Expected values: Python 3.11's str methods and re.sub.
TEST(TextFilterTest, DoesWhatPythonDoes) {
  EXPECT_EQ(Filtered("strip", " \t\u00a0a b\u3000\n\x1f"), "a b");
  EXPECT_EQ(Filtered("strip", " \n"), "");
  EXPECT_EQ(Filtered("capitalize", "a FEW Women"), "A few women");
  EXPECT_EQ(Filtered("capitalize", "\u00e9T\u00c9 \u01c6"), "\u00c9t\u00e9 \u01c6");
  EXPECT_EQ(Filtered("capitalize", "\u01c6"), "\u01c5");
  EXPECT_EQ(Filtered("capitalize", ""), "");
  EXPECT_EQ(Filtered("capitalize", "\u039f\u0394\u039f\u03a3 \u039f\u03a3.\u039f"),
            "\u039f\u03b4\u03bf\u03c2 \u03bf\u03c3.\u03bf");  // sigma ends the first word alone
  EXPECT_EQ(Filtered("capitalize", "\u00dfA"), "Ssa");
  EXPECT_EQ(Filtered("capitalize", "\ufb01x"), "Fix");
  EXPECT_EQ(Filtered("capitalize", "\u0390A"), "\u0399\u0308\u0301a");
  EXPECT_EQ(Filtered("before _", "so _ got _."), "so ");
  EXPECT_EQ(Filtered("after _", "so _ got _."), " got _.");
  EXPECT_EQ(Filtered("last_word", "a b  c\nd"), "c\nd");
  EXPECT_EQ(Filtered("but_last_word", "a b  c"), "a b ");
  EXPECT_EQ(Filtered("last_word", "alone"), "alone");
  EXPECT_EQ(Filtered("but_last_word", "alone"), "");
  EXPECT_EQ(Filtered("replace _ ' '", "high_school_math"), "high school math");
  EXPECT_EQ(Filtered("replace aa b", "aaaaa"), "bba");
}

TEST(TextFilterTest, WikihowIsHellaswagsPreprocessing) {
  EXPECT_EQ(Filtered("wikihow", " How to sew [title] Thread it. [substeps] Now  knot   it. "),
            "How to sew. Thread it. Now knot  it.");
  EXPECT_EQ(Filtered("wikihow", "a [b\nc] d [e] ] f"), "a [b\nc] d ] f");
  EXPECT_EQ(Filtered("wikihow", "[header] x"), " x");
}

TEST(TextFilterTest, SaysWhatIsWrong) {
  EXPECT_EQ(ErrorOf([] { TextFilter("stirp"); }),
            "unknown filter 'stirp'; did you mean 'strip'? (known: after, before, but_last_word, "
            "capitalize, last_word, replace, strip, wikihow)");
  EXPECT_EQ(ErrorOf([] { TextFilter("before"); }), "filter 'before' takes 1 arguments, got 0");
  EXPECT_EQ(ErrorOf([] { TextFilter("replace '' x"); }),
            "filter 'replace': its first argument is empty");
  EXPECT_EQ(ErrorOf([] { Filtered("after _", "no place"); }), "no '_' in 'no place'");
}

TEST(CodePointsTest, AsPythonsLen) {
  EXPECT_EQ(CodePoints(""), 0);
  EXPECT_EQ(CodePoints("a\u00e9\u3000\U0001f600"), 4);
}

const FieldTexts& Fields() {
  static const FieldTexts kFields = {{"question", {{" Why? "}, false}},
                                     {"choices", {{"x", "y z"}, true}}};
  return kFields;
}

TEST(TemplateTest, FillsPlaces) {
  const auto fill = [](const std::string& text) { return Template(text).Fill(Fields()); };
  EXPECT_EQ(fill("Q: {question | strip}\nA. {choices.1}"), "Q: Why?\nA. y z");
  EXPECT_EQ(fill("{ question }{question|strip|last_word}"), " Why? Why?");
  EXPECT_EQ(fill("{{question}} \\ ''"), "{question} \\ ''");
  EXPECT_EQ(fill(""), "");
  EXPECT_EQ(Template("{q | replace '|' ' '}").Fill({{"q", {{"a|b"}, false}}}), "a b");
  EXPECT_EQ(Template("{q | replace '}' '{' | strip}").Fill({{"q", {{" a}b"}, false}}}), "a{b");
  EXPECT_EQ(Template("{q | replace don't do}").Fill({{"q", {{"don't"}, false}}}), "do");
  EXPECT_EQ(ErrorOf([] { Template("{q | replace '| x}"); }),
            "a place that does not end: '{q | replace '| x}'");
}

TEST(TemplateTest, AListFieldAloneGivesOneTextAnItem) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(Template("{choices}").FillAll(Fields()), (Texts{"x", "y z"}));
  EXPECT_EQ(Template("{choices | last_word}").FillAll(Fields()), (Texts{"x", "z"}));
  EXPECT_EQ(Template("{choices.0}").FillAll(Fields()), (Texts{"x"}));
  EXPECT_EQ(Template("yes").FillAll(Fields()), (Texts{"yes"}));
}

TEST(TemplateTest, AListOfOneStaysAList) {
  const FieldTexts one = {{"c", {{" x"}, true}}};
  EXPECT_TRUE(Template("{c | strip}").FillField(one).list);
  EXPECT_FALSE(Template("{c.0 | strip}").FillField(one).list);
  EXPECT_EQ(Template("{c | strip}").FillField(one).items, std::vector<std::string>{"x"});
}

TEST(TemplateTest, SaysWhatIsWrong) {
  const auto error = [](const std::string& text) {
    return ErrorOf([&] { Template(text).Fill(Fields()); });
  };
  EXPECT_EQ(error("{qestion}"),
            "unknown placeholder 'qestion'; did you mean 'question'? (known: choices, question)");
  EXPECT_EQ(error("a {question"), "a place that does not end: '{question'");
  EXPECT_EQ(error("{}"), "a place without a field: '{}'");
  EXPECT_EQ(error("{choices}!"), "'choices' is a list");
  EXPECT_EQ(error("{question.0}"), "'question' is one text");
  EXPECT_EQ(error("{choices.2}"), "'choices' has 2 items, no number 2");
  EXPECT_EQ(error("{choices.last}"),
            "'choices.last': expected the number of an item behind the dot");
}

}  // namespace
}  // namespace roundlab
