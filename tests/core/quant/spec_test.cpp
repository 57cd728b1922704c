#include "core/quant/spec.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/error.h"

namespace roundlab {
namespace {

TEST(QuantSpecTest, TextsAreReadBack) {
  for (const auto& [grid, name] : GridNames()) {
    QuantSpec spec{3, -1, grid, ScaleType::kBFloat16, grid == GridKind::kSym, 0};
    const std::string text = SpecText(spec);
    EXPECT_EQ(text, std::string("3 -1 ") + name + " bfloat16" +
                        (grid == GridKind::kSym ? " gptq_sym_quirk" : "") + " axis_0");
    EXPECT_EQ(SpecText(ReadQuantSpec(text, "file")), text);
  }
  EXPECT_EQ(SpecText(ReadQuantSpec("4 128 asym float16", "file")), "4 128 asym float16");
}

TEST(QuantSpecTest, OtherTextsAreRefused) {
  for (const std::string bad : {"", "4 128 asym", "9 128 asym float16", "0 128 asym float16",
                                "4 -2 asym float16", "4 128 round float16", "4 128 asym float8",
                                "4 128 asym float16 axis_1", "4b 128 asym float16"}) {
    try {
      ReadQuantSpec(bad, "file");
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()), "file: bad spec '" + bad + "'");
    }
  }
}

}  // namespace
}  // namespace roundlab
