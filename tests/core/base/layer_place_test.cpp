#include "core/base/layer_place.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

TEST(LayerPlaceTest, LayersHaveABlockAndAKind) {
  EXPECT_EQ(PlaceOf("model.layers.12.self_attn.q_proj").block, 12);
  EXPECT_EQ(PlaceOf("model.layers.12.self_attn.q_proj").kind, "q_proj");
  EXPECT_EQ(PlaceOf("model.layers.3.mlp.experts.7.up_proj").block, 3);
  EXPECT_EQ(PlaceOf("model.layers.3.mlp.experts.7.up_proj").kind, "up_proj");
  EXPECT_EQ(PlaceOf("model.layers.3.mlp.experts.up_proj.7").block, 3);
  EXPECT_EQ(PlaceOf("model.layers.3.mlp.experts.up_proj.7").kind, "up_proj");
  EXPECT_EQ(PlaceOf("lm_head").block, 0);
  EXPECT_EQ(PlaceOf("lm_head").kind, "lm_head");
  EXPECT_EQ(PlaceOf("h.3a.x").block, 0);
  EXPECT_EQ(PlaceOf("").kind, "");
}

}  // namespace
}  // namespace roundlab
