#include "experiments/report/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "experiments/report/plot_scale.h"

namespace roundlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) {
    ++count;
  }
  return count;
}

TEST(PlotScaleTest, LinearAndLogarithmicPlacesAreInProportion) {
  const PlotScale linear({0, 50, 100}, false, 0, 104);
  EXPECT_DOUBLE_EQ(linear(0), 0);  // begins at 0, with a margin of 4 % above
  EXPECT_DOUBLE_EQ(linear(100), 100);
  const PlotScale log({1, 100}, true, 300, 84);  // from below to above, margins of 4 %
  EXPECT_DOUBLE_EQ(log(10), 192);
  EXPECT_DOUBLE_EQ(log(1), 292);
  EXPECT_DOUBLE_EQ(log(100), 92);
  EXPECT_FALSE(log.Draws(0));
  EXPECT_FALSE(linear.Draws(std::nan("")));
  EXPECT_TRUE(linear.Draws(-1));
}

TEST(PlotScaleTest, OneValueOrNoneStillHasARange) {
  for (const bool log : {false, true}) {
    for (const std::vector<double>& values : {std::vector<double>{}, {7.0}, {std::nan("")}}) {
      const PlotScale scale(values, log, 0, 100);
      EXPECT_FALSE(scale.Ticks(5).empty());
      if (values == std::vector<double>{7.0}) {
        EXPECT_NEAR(scale(7), 50, 1e-9);
      }
    }
  }
}

TEST(PlotScaleTest, WholeTicksAreWholeNumbers) {
  const auto labels = [](const std::vector<double>& values) {
    std::string text;
    for (const Tick& tick : PlotScale(values, false, 0, 100).Ticks(7, true))
      text += tick.label + " ";
    return text;
  };
  EXPECT_EQ(labels({0, 1}), "0 1 ");
  EXPECT_EQ(labels({0, 29}), "0 5 10 15 20 25 30 ");
  EXPECT_EQ(labels({0, 0}), "0 1 ");
}

TEST(PlotScaleTest, RowsGoDownFromTheFirst) {
  const PlotScale rows = PlotScale::OfRows(4, 100, 180);
  EXPECT_DOUBLE_EQ(rows(0), 110);
  EXPECT_DOUBLE_EQ(rows(3), 170);
}

TEST(WantsLogTest, OnlyForPositiveValuesOverSixTimesApart) {
  EXPECT_TRUE(WantsLog({1, 7}));
  EXPECT_FALSE(WantsLog({1, 6}));
  EXPECT_FALSE(WantsLog({0, 7}));
  EXPECT_FALSE(WantsLog({-1, 7}));
  EXPECT_FALSE(WantsLog({}));
  EXPECT_TRUE(WantsLog({1, 7, std::nan("")}));
}

Plot Sample() {
  Plot plot;
  plot.name = "p-1";
  plot.title = "a < b & \"c\"";
  plot.description = "it's </desc>";
  plot.x.label = "<x>";
  plot.y.label = "y";
  plot.series.push_back({"one<", PlotMark::kLine, {{0, 0}, {1, 1}, {2, std::nan("")}, {3, 2}}});
  plot.series.push_back({"two", PlotMark::kLineAndPoints, {{0, 2, 1, 3, "<label>"}, {1, 2}}});
  return plot;
}

TEST(SvgPlotTest, EveryTextIsEscaped) {
  Plot plot = Sample();
  plot.lines.push_back({"<line>", 1});
  const std::string svg = ToSvg(plot, "");
  for (const char* raw : {"<x>", "one<", "<label>", "<line>", "& ", "</desc></desc>", "\"c\""}) {
    EXPECT_THAT(svg, Not(HasSubstr(raw)));
  }
  EXPECT_THAT(svg, HasSubstr("<title id=\"p-1-title\">a &lt; b &amp; &quot;c&quot;</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc id=\"p-1-about\">it&#39;s &lt;/desc&gt;</desc>"));
  EXPECT_THAT(svg, HasSubstr("aria-labelledby=\"p-1-title p-1-about\""));
  EXPECT_THAT(svg, HasSubstr("<title>&lt;label&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>two: &lt;x&gt; 1.0000, y 2.0000</title>"));
}

TEST(SvgPlotTest, AGapBreaksALineAndMarksHaveIntervals) {
  const std::string svg = ToSvg(Sample(), "");
  const std::size_t line = svg.find("class=\"line\" d=\"");
  ASSERT_NE(line, std::string::npos);
  const std::string path = svg.substr(line + 16, svg.find('"', line + 16) - line - 16);
  EXPECT_EQ(Count(path, "M"), 2U) << path;
  EXPECT_EQ(Count(path, "L"), 1U) << path;
  EXPECT_EQ(Count(svg, "class=\"mark\""), 2U);
  EXPECT_EQ(Count(svg, "class=\"interval\""), 1U);
  EXPECT_EQ(Count(svg, "class=\"entry\""), 2U);
  EXPECT_EQ(Count(svg, "class=\"series\""), 2U);
}

TEST(SvgPlotTest, WhatIsNotDrawnIsTold) {
  Plot plot = Sample();
  EXPECT_THAT(ToSvg(plot, ""), HasSubstr(">Not drawn: one&lt;: 1 of 4 not finite</text>"));
  plot.series.erase(plot.series.begin());
  EXPECT_THAT(ToSvg(plot, ""), Not(HasSubstr("Not drawn")));
  plot.y.log = true;
  plot.series[0].points.push_back({2, -1});
  plot.series[0].points.push_back({std::numeric_limits<double>::infinity(), 1});
  plot.lines = {{"fp", std::nan("")}, {"zero", 0}, {"seen", 2}};
  const std::string svg = ToSvg(plot, "");
  for (const char* told : {"two: 1 of 4 not finite", "two: 1 of 4 not positive", "fp: not finite",
                           "zero: not positive"}) {
    EXPECT_THAT(svg, HasSubstr(std::string(">Not drawn: ") + told + "</text>"));
  }
  EXPECT_EQ(Count(svg, "Not drawn"), 4U);
}

TEST(SvgPlotTest, PointsWithoutAnXComeLast) {
  std::vector<PlotPoint> points = {{3, 0}, {std::nan(""), 1}, {1, 2}, {2, 3}};
  SortByX(&points);
  std::vector<double> ys;
  for (const PlotPoint& p : points) ys.push_back(p.y);
  EXPECT_EQ(ys, (std::vector<double>{2, 3, 0, 1}));
}

TEST(SvgPlotTest, AnIntervalThatReachesBelowALogarithmicAxisEndsAtItsEdge) {
  Plot plot = Sample();
  plot.y.log = true;
  plot.series = {{"m", PlotMark::kPoints, {{1, 10, -5, 25, ""}, {2, 100}}}};
  const std::string svg = ToSvg(plot, "");
  EXPECT_EQ(Count(svg, "class=\"interval\""), 1U);
  EXPECT_THAT(svg, HasSubstr(",250V"));  // where the axis begins
}

TEST(SvgPlotTest, StepsHaveACornerBetweenBins) {
  Plot plot = Sample();
  plot.series = {{"h", PlotMark::kSteps, {{0, 1}, {1, 3}, {2, 3}}}};
  const std::string svg = ToSvg(plot, "");
  const std::size_t line = svg.find("class=\"line\" d=\"");
  const std::string path = svg.substr(line + 16, svg.find('"', line + 16) - line - 16);
  EXPECT_EQ(Count(path, "L"), 4U) << path;
  EXPECT_EQ(Count(svg, "class=\"entry\""), 0U);  // one series needs no legend
}

TEST(SvgPlotTest, RowsHaveTheirNamesAndIntervalsOfX) {
  Plot plot = Sample();
  plot.y.categories = {"first", "second"};
  plot.series = {{"m", PlotMark::kPoints, {{5, 0, 4, 6, ""}, {7, 1, 6.5, 7.5, ""}}}};
  const std::string svg = ToSvg(plot, "");
  EXPECT_THAT(svg, HasSubstr(">first</text>"));
  EXPECT_THAT(svg, HasSubstr(">second</text>"));
  EXPECT_THAT(svg, HasSubstr("data-y=\"rows\""));
  EXPECT_EQ(Count(svg, "class=\"interval\""), 2U);
}

TEST(SvgPlotTest, ScalesAreToldToTheScript) {
  Plot plot = Sample();
  plot.y.log = true;
  const std::string svg = ToSvg(plot, "");
  EXPECT_THAT(svg, HasSubstr("data-x=\"linear 62"));
  EXPECT_THAT(svg, HasSubstr("data-y=\"log 250"));
  EXPECT_THAT(svg, HasSubstr("y (log)"));
}

TEST(SvgPlotTest, AFileOfItsOwnHasItsStyle) {
  EXPECT_THAT(ToSvg(Sample(), ".a{}"), HasSubstr("<style>.a{}</style>"));
  EXPECT_THAT(ToSvg(Sample(), ""), Not(HasSubstr("<style")));
}

TEST(SvgPlotTest, NothingToDrawIsStillADrawing) {
  Plot plot = Sample();
  plot.series.clear();
  EXPECT_THAT(ToSvg(plot, ""), HasSubstr("</svg>"));
  plot.series.push_back({"none", PlotMark::kPoints, {{std::nan(""), 1}}});
  EXPECT_EQ(Count(ToSvg(plot, ""), "class=\"mark\""), 0U);
}

}  // namespace
}  // namespace roundlab
