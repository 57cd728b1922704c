#include "core/model/families/builtin.h"

#include "core/model/families/apertus.h"
#include "core/model/families/arcee.h"
#include "core/model/families/baichuan.h"
#include "core/model/families/bloom.h"
#include "core/model/families/cohere.h"
#include "core/model/families/dbrx.h"
#include "core/model/families/exaone4.h"
#include "core/model/families/falcon.h"
#include "core/model/families/gemma.h"
#include "core/model/families/gemma3.h"
#include "core/model/families/glm.h"
#include "core/model/families/gpt2.h"
#include "core/model/families/gpt_bigcode.h"
#include "core/model/families/gpt_neo.h"
#include "core/model/families/gpt_neox.h"
#include "core/model/families/gptj.h"
#include "core/model/families/granite.h"
#include "core/model/families/helium.h"
#include "core/model/families/hunyuan.h"
#include "core/model/families/internlm.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixtral.h"
#include "core/model/families/mpt.h"
#include "core/model/families/nemotron.h"
#include "core/model/families/olmo.h"
#include "core/model/families/olmo2.h"
#include "core/model/families/olmoe.h"
#include "core/model/families/opt.h"
#include "core/model/families/persimmon.h"
#include "core/model/families/phi.h"
#include "core/model/families/phi3.h"
#include "core/model/families/phimoe.h"
#include "core/model/families/qwen.h"
#include "core/model/families/qwen2_moe.h"
#include "core/model/families/qwen3_moe.h"
#include "core/model/families/smollm3.h"
#include "core/model/families/stablelm.h"
#include "core/model/families/starcoder2.h"
#include "core/model/families/xglm.h"

namespace roundlab {

const std::map<std::string, DescribeFamily>& BuiltinFamilies() {
  static const std::map<std::string, DescribeFamily> kFamilies = {
      {"apertus", DescribeApertus},
      {"arcee", DescribeArcee},
      {"baichuan", DescribeBaichuan},
      {"bloom", DescribeBloom},
      {"codegen", DescribeCodeGen},
      {"cohere", DescribeCohere},
      {"cohere2", DescribeCohere2},
      {"dbrx", DescribeDbrx},
      {"ernie4_5", DescribeErnie},
      {"exaone4", DescribeExaone4},
      {"falcon", DescribeFalcon},
      {"gemma", DescribeGemma},
      {"gemma2", DescribeGemma2},
      {"gemma3", DescribeGemma3Multimodal},
      {"gemma3_text", DescribeGemma3},
      {"glm", DescribeGlm},
      {"glm4", DescribeGlm4},
      {"gpt2", DescribeGpt2},
      {"gpt_bigcode", DescribeGptBigCode},
      {"gpt_neo", DescribeGptNeo},
      {"gpt_neox", DescribeGptNeoX},
      {"gptj", DescribeGptJ},
      {"granite", DescribeGranite},
      {"granitemoe", DescribeGraniteMoe},
      {"helium", DescribeHelium},
      {"hunyuan_v1_dense", DescribeHunyuan},
      {"internlm2", DescribeInternLm2},
      {"internlm3", DescribeInternLm3},
      {"llama", DescribeLlama},
      {"ministral", DescribeMistral},
      {"mistral", DescribeMistral},
      {"mixtral", DescribeMixtral},
      {"mpt", DescribeMpt},
      {"nemotron", DescribeNemotron},
      {"olmo", DescribeOlmo},
      {"olmo2", DescribeOlmo2},
      {"olmo3", DescribeOlmo3},
      {"olmoe", DescribeOlmoe},
      {"opt", DescribeOpt},
      {"persimmon", DescribePersimmon},
      {"phi", DescribePhi},
      {"phi3", DescribePhi3},
      {"phimoe", DescribePhiMoe},
      {"qwen2", DescribeQwen2},
      {"qwen2_moe", DescribeQwen2Moe},
      {"qwen3", DescribeQwen3},
      {"qwen3_moe", DescribeQwen3Moe},
      {"seed_oss", DescribeSeedOss},
      {"smollm3", DescribeSmolLm3},
      {"stablelm", DescribeStableLm},
      {"starcoder2", DescribeStarcoder2},
      {"xglm", DescribeXglm},
  };
  return kFamilies;
}

}  // namespace roundlab
