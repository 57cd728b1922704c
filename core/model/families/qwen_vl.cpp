#include "core/model/families/qwen_vl.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/qwen.h"
#include "core/model/families/wrapped.h"

namespace roundlab {
namespace {

ConfigDefaults QwenVlDefaults(double theta) {
  ConfigDefaults defaults;
  defaults.max_positions = 128000;
  defaults.rope.theta = theta;
  defaults.rope.sections = true;
  return defaults;
}

}  // namespace

ModelDescription DescribeQwen2Vl(const ConfigReader& config) {
  // Published files have the text's keys beside those of the whole.
  const ConfigReader text = config.Has("text_config") ? config.Inside("text_config") : config;
  ConfigDefaults defaults = QwenVlDefaults(1e6);
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.max_positions = 32768;
  ModelDescription d = ReadQwen2(text, defaults, 80);
  d.tied_head = d.tied_head || config.BoolOr("tie_word_embeddings", false);
  NameWrapped({"visual."}, &d);
  return d;
}

ModelDescription DescribeQwen3Vl(const ConfigReader& config) {
  ConfigDefaults defaults = QwenVlDefaults(5e5);
  defaults.kv_heads = 32;
  defaults.head_dim = 128;
  const ConfigReader text = config.Inside("text_config");
  ModelDescription d = ReadCommon(text, defaults);
  UseLlamaPlans(&d);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = text.BoolOr("attention_bias", false);
  d.tied_head = config.BoolOr("tie_word_embeddings", false);
  NameWrapped({"visual."}, &d);
  return d;
}

}  // namespace roundlab
