#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/tiny_model.h"

namespace roundlab::testing {

/// A tiny model, calibration tokens at random, and a pipeline over both.
class PipelineFixture : public ::testing::Test {
 protected:
  PipelineFixture(std::int64_t rows, std::int64_t seqlen) {
    TinyModel().Write(folder_.path());
    files_ = std::make_unique<ModelFiles>(folder_.path());
    at::Generator generator = at::detail::createCPUGenerator(3);
    inputs_.source = files_.get();
    inputs_.tokens = at::randint(0, 256, {rows, seqlen}, generator, at::TensorOptions(at::kLong));
  }

  QuantizedModel Run(const std::vector<std::string>& stages, RunRecord* record = nullptr) {
    std::vector<StageRecipe> pipeline;
    for (const std::string& text : stages) pipeline.push_back(Stages().FromText(text));
    RunRecord none;
    QuantizedModel made =
        QuantizeModel(inputs_, quant_, pipeline, record != nullptr ? record : &none, &log_);
    EXPECT_EQ(made.CodesSha256().size(), 64U);  // whatever a stage makes can be hashed and stored
    return made;
  }
  LanguageModel With(const QuantizedModel& model) {
    return {*files_, at::kFloat, [&](DecoderBlock* block) { model.ApplyTo(block); }};
  }
  /// Mean squared error of the last hidden states.
  double Error(const QuantizedModel& model) {
    const at::Tensor gap = With(model).Hidden(inputs_.tokens) -
                           LanguageModel(*files_, at::kFloat).Hidden(inputs_.tokens);
    return gap.square().mean(at::kDouble).item<double>();
  }

  TempFolder folder_;
  std::unique_ptr<ModelFiles> files_;
  PipelineInputs inputs_;
  QuantOptions quant_;
  Log log_{"", true};
};

}  // namespace roundlab::testing
