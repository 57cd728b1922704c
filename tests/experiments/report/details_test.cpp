#include "experiments/report/details.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "experiments/report/report_tables.h"

namespace roundlab {
namespace {

using Values = std::vector<double>;

TEST(DetailsTest, DownsamplingTakesMeansOfNeighboursAndKeepsTheTotal) {
  Curve curve;
  for (int i = 0; i < 10; ++i) {
    curve.steps.push_back(i);
    curve.values.push_back(i * i);
  }
  const Curve shorter = Downsampled(curve, 4);  // 2, 3, 2, 3 samples
  EXPECT_EQ(shorter.steps, (Values{0.5, 3, 5.5, 8}));
  EXPECT_EQ(shorter.values, (Values{0.5, 29.0 / 3, 30.5, 194.0 / 3}));
  EXPECT_EQ(Downsampled(curve, 10).values, curve.values);
  EXPECT_EQ(Downsampled({}, 4).values, Values{});
}

RunRecord TunedRun(double add) {
  RunRecord run;
  for (const char* unit : {"block_10", "block_2"}) {
    for (int step = 0; step < 3; ++step) {
      run.Record(std::string("tune/") + unit + "/loss", step, 8.0 / (1 << step) + add);
      run.Record(std::string("tune/") + unit + "/lr", step, 1);
    }
  }
  for (const int block : {2, 10}) {
    const std::string layer = "layers/model.layers." + std::to_string(block) + ".mlp.up_proj/";
    run.Array(layer + "flip_rate", {1}, {0.25 + add});
    run.Array(layer + "output_snr_db", {1}, {20 + add});
    run.Array(layer + "offset_histogram", {2}, {3, 1});
    run.Array(layer + "budget_bits", {1}, {block == 2 ? 3.0 : 4.0});
  }
  return run;
}

TEST(DetailsTest, AreMeansOverRunsInNaturalOrder) {
  const Details details = MeanDetails({TunedRun(0), TunedRun(0.5)});
  ASSERT_EQ(details.losses.size(), 2U);
  EXPECT_EQ(details.losses[0].unit, "block_2");
  EXPECT_EQ(details.losses[1].unit, "block_10");
  EXPECT_EQ(details.losses[0].loss.steps, (Values{0, 1, 2}));
  EXPECT_EQ(details.losses[0].loss.values, (Values{8.25, 4.25, 2.25}));
  EXPECT_EQ(details.budget_bits, (LayerValues{{"up_proj", {{2, 3}, {10, 4}}}}));
  EXPECT_EQ(details.flip_rate, (LayerValues{{"up_proj", {{2, 0.5}, {10, 0.5}}}}));
  EXPECT_EQ(details.output_snr_db, (LayerValues{{"up_proj", {{2, 20.25}, {10, 20.25}}}}));
  EXPECT_EQ(details.offsets.at("up_proj"), (Values{12, 4}));
  EXPECT_EQ(AllOffsets(details), (Values{0.75, 0.25}));
  EXPECT_TRUE(MeanDetails({}).losses.empty());
  EXPECT_TRUE(AllOffsets({}).empty());
}

TEST(DetailsTest, WhatIsNotFiniteStaysThatAlsoInAMean) {
  RunRecord run;
  run.Record("tune/block_0/loss", 0, 4);
  run.Record("tune/block_0/loss", 1, std::nan(""));
  run.Array("layers/a.0.k/output_snr_db", {1}, {std::numeric_limits<double>::infinity()});
  run.Array("layers/a.0.k/flip_rate", {0}, {});
  const Details details = MeanDetails({run});
  ASSERT_EQ(details.losses.at(0).loss.values.size(), 2U);
  EXPECT_EQ(details.losses[0].loss.values[0], 4);
  EXPECT_TRUE(std::isnan(details.losses[0].loss.values[1]));
  EXPECT_EQ(details.output_snr_db.at("k").at(0), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(details.flip_rate.empty());
  RunRecord other;
  other.Record("tune/block_0/loss", 1, 2);
  EXPECT_TRUE(std::isnan(MeanDetails({run, other}).losses.at(0).loss.values.at(1)));
  EXPECT_FALSE(HasLogarithms(details.losses[0]));
  EXPECT_TRUE(RelativeLoss(details.losses).steps.empty());
}

TEST(DetailsTest, OutputsAreThoseBehindRepairsWhereThereAreAny) {
  RunRecord plain;
  plain.Array("layers/a.0.k/output_snr_db", {1}, {10});
  RunRecord repaired;
  repaired.Array("layers/a.0.k/output_snr_db", {1}, {10});
  repaired.Array("layers/a.0.k/repaired_output_snr_db", {1}, {16});
  EXPECT_EQ(MeanDetails({plain}).output_snr_db.at("k").at(0), 10);
  EXPECT_EQ(MeanDetails({repaired}).output_snr_db.at("k").at(0), 16);
}

TEST(DetailsTest, WhatWasHandledIsCountedAndShown) {
  RunRecord first;
  first.Array("layers/h.0.q/fallback", {1}, {1});
  first.Array("layers/h.1.q/fallback", {1}, {1});
  first.Array("layers/h.1.q/dead_columns", {1}, {3});
  first.Array("units/block_0/nan_events", {1}, {0});
  RunRecord second;
  second.Array("layers/h.0.q/fallback", {1}, {1});
  second.Array("units/block_0/start_kept", {1}, {1});
  ReportData data;
  ReportPoint& point = data.points.emplace_back();
  point.label = "gptq";
  point.details = MeanDetails({first, second});
  EXPECT_EQ(point.details.handled,
            (std::map<std::string, double>{
                {"dead_columns", 1.5}, {"fallback", 1.5}, {"start_kept", 0.5}}));
  EXPECT_TRUE(point.details.flip_rate.empty());
  data.points.emplace_back().label = "rtn";
  const TextTable table = ResultTables(data).back();
  EXPECT_EQ(table.title, "What was handled");
  EXPECT_EQ(table.header, (std::vector<std::string>{"run", "inputs that are never active",
                                                    "layers rounded in another way",
                                                    "units sent back to their start"}));
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"gptq", "1.5", "1.5", "0.5"}));
  data.points.front().details.handled.clear();
  EXPECT_NE(ResultTables(data).back().title, "What was handled");
}

TEST(DetailsTest, RelativeLossIsTheGeometricMeanOverUnits) {
  const std::vector<UnitCurve> units = {
      {"a", {{0, 1, 2}, {8, 4, 2}}}, {"b", {{0, 1}, {100, 800}}}, {"zero", {{0, 1}, {1, 0}}}};
  const Curve curve = RelativeLoss(units);
  EXPECT_EQ(curve.steps, (Values{0, 1}));  // "b" has no step 2, "zero" no logarithm
  ASSERT_EQ(curve.values.size(), 2U);
  EXPECT_DOUBLE_EQ(curve.values[0], 1);
  EXPECT_DOUBLE_EQ(curve.values[1], 2);  // sqrt(1/2 * 8)
  EXPECT_TRUE(RelativeLoss({}).steps.empty());
}

TEST(DetailsTest, BlocksAverageTheirKinds) {
  EXPECT_EQ(MeanByBlock({{"q", {{0, 1.0}, {1, 3.0}}}, {"k", {{1, 5.0}}}}),
            (std::map<int, double>{{0, 1.0}, {1, 4.0}}));
}

TEST(DetailsTest, SharesAddUpToOne) {
  EXPECT_EQ(Shares({1, 3}), (Values{0.25, 0.75}));
  EXPECT_EQ(Shares({0, 0}), (Values{0, 0}));
}

}  // namespace
}  // namespace roundlab
