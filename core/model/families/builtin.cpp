#include "core/model/families/builtin.h"

#include "core/model/families/afmoe.h"
#include "core/model/families/apertus.h"
#include "core/model/families/arcee.h"
#include "core/model/families/baichuan.h"
#include "core/model/families/bamba.h"
#include "core/model/families/biogpt.h"
#include "core/model/families/bloom.h"
#include "core/model/families/cohere.h"
#include "core/model/families/dbrx.h"
#include "core/model/families/deepseek.h"
#include "core/model/families/dots1.h"
#include "core/model/families/ernie4_5_moe.h"
#include "core/model/families/exaone4.h"
#include "core/model/families/exaone_moe.h"
#include "core/model/families/falcon.h"
#include "core/model/families/falcon_h1.h"
#include "core/model/families/flex_olmo.h"
#include "core/model/families/gemma.h"
#include "core/model/families/gemma3.h"
#include "core/model/families/gemma4.h"
#include "core/model/families/glm.h"
#include "core/model/families/glm4_moe.h"
#include "core/model/families/gpt2.h"
#include "core/model/families/gpt_bigcode.h"
#include "core/model/families/gpt_neo.h"
#include "core/model/families/gpt_neox.h"
#include "core/model/families/gpt_oss.h"
#include "core/model/families/gptj.h"
#include "core/model/families/granite.h"
#include "core/model/families/granite_hybrid.h"
#include "core/model/families/granite_swa.h"
#include "core/model/families/helium.h"
#include "core/model/families/hunyuan.h"
#include "core/model/families/hy_v3.h"
#include "core/model/families/internlm.h"
#include "core/model/families/kimi_linear.h"
#include "core/model/families/laguna.h"
#include "core/model/families/lfm2.h"
#include "core/model/families/llama.h"
#include "core/model/families/llama4.h"
#include "core/model/families/minimax_m2.h"
#include "core/model/families/ministral3.h"
#include "core/model/families/mixtral.h"
#include "core/model/families/mllama.h"
#include "core/model/families/mpt.h"
#include "core/model/families/nanochat.h"
#include "core/model/families/nemotron.h"
#include "core/model/families/nemotron_h.h"
#include "core/model/families/olmo.h"
#include "core/model/families/olmo2.h"
#include "core/model/families/olmo_hybrid.h"
#include "core/model/families/olmoe.h"
#include "core/model/families/opt.h"
#include "core/model/families/persimmon.h"
#include "core/model/families/phi.h"
#include "core/model/families/phi3.h"
#include "core/model/families/phimoe.h"
#include "core/model/families/qwen.h"
#include "core/model/families/qwen2_moe.h"
#include "core/model/families/qwen3_moe.h"
#include "core/model/families/qwen3_next.h"
#include "core/model/families/qwen_vl.h"
#include "core/model/families/smollm3.h"
#include "core/model/families/stablelm.h"
#include "core/model/families/starcoder2.h"
#include "core/model/families/xglm.h"

namespace roundlab {

const std::map<std::string, DescribeFamily>& BuiltinFamilies() {
  static const std::map<std::string, DescribeFamily> kFamilies = {
      {"afmoe", DescribeAfMoe},
      {"apertus", DescribeApertus},
      {"arcee", DescribeArcee},
      {"baichuan", DescribeBaichuan},
      {"bamba", DescribeBamba},
      {"biogpt", DescribeBioGpt},
      {"bloom", DescribeBloom},
      {"codegen", DescribeCodeGen},
      {"cohere", DescribeCohere},
      {"cohere2", DescribeCohere2},
      {"cohere2_moe", DescribeCohere2Moe},
      {"cwm", DescribeCwm},
      {"dbrx", DescribeDbrx},
      {"deepseek_v2", DescribeDeepSeekV2},
      {"deepseek_v3", DescribeDeepSeekV3},
      {"dots1", DescribeDots1},
      {"ernie4_5", DescribeErnie},
      {"ernie4_5_moe", DescribeErnieMoe},
      {"exaone4", DescribeExaone4},
      {"exaone_moe", DescribeExaoneMoe},
      {"falcon", DescribeFalcon},
      {"falcon_h1", DescribeFalconH1},
      {"flex_olmo", DescribeFlexOlmo},
      {"gemma", DescribeGemma},
      {"gemma2", DescribeGemma2},
      {"gemma3_text", DescribeGemma3},
      {"gemma4_text", DescribeGemma4},
      {"glm", DescribeGlm},
      {"glm4", DescribeGlm4},
      {"glm4_moe", DescribeGlm4Moe},
      {"glm4_moe_lite", DescribeGlm4MoeLite},
      {"glm4v_moe_text", DescribeGlm4vMoeText},
      {"glm4v_text", DescribeGlm4vText},
      {"glm_ocr_text", DescribeGlmOcrText},
      {"gpt-sw3", DescribeGpt2},
      {"gpt2", DescribeGpt2},
      {"gpt_bigcode", DescribeGptBigCode},
      {"gpt_neo", DescribeGptNeo},
      {"gpt_neox", DescribeGptNeoX},
      {"gpt_neox_japanese", DescribeGptNeoXJapanese},
      {"gpt_oss", DescribeGptOss},
      {"gptj", DescribeGptJ},
      {"granite", DescribeGranite},
      {"granite_swa", DescribeGraniteSwa},
      {"granitemoe", DescribeGraniteMoe},
      {"granitemoe_swa", DescribeGraniteMoeSwa},
      {"granitemoehybrid", DescribeGraniteHybrid},
      {"granitemoeshared", DescribeGraniteMoeShared},
      {"helium", DescribeHelium},
      {"hunyuan_v1_dense", DescribeHunyuan},
      {"hunyuan_v1_moe", DescribeHunyuanMoe},
      {"hunyuan_vl_text", DescribeHunyuanVlText},
      {"hy_v3", DescribeHyV3},
      {"hyperclovax", DescribeHyperClova},
      {"internlm2", DescribeInternLm2},
      {"internlm3", DescribeInternLm3},
      {"iquestcoder", DescribeIQuestCoder},
      {"jais2", DescribeJais2},
      {"kimi_linear", DescribeKimiLinear},
      {"laguna", DescribeLaguna},
      {"lfm2", DescribeLfm2},
      {"lfm2_moe", DescribeLfm2Moe},
      {"llama", DescribeLlama},
      {"llama4_text", DescribeLlama4},
      {"mellum", DescribeMellum},
      {"minicpm3", DescribeMiniCpm3},
      {"minimax_m2", DescribeMiniMaxM2},
      {"ministral", DescribeMistral},
      {"ministral3", DescribeMinistral3},
      {"mistral", DescribeMistral},
      {"mistral4", DescribeMistral4},
      {"mixtral", DescribeMixtral},
      {"mllama_text_model", DescribeMllamaText},
      {"mpt", DescribeMpt},
      {"nanochat", DescribeNanoChat},
      {"nemotron", DescribeNemotron},
      {"nemotron_h", DescribeNemotronH},
      {"olmo", DescribeOlmo},
      {"olmo2", DescribeOlmo2},
      {"olmo3", DescribeOlmo3},
      {"olmo_hybrid", DescribeOlmoHybrid},
      {"olmoe", DescribeOlmoe},
      {"opt", DescribeOpt},
      {"paddleocr_vl_text", DescribePaddleOcrText},
      {"persimmon", DescribePersimmon},
      {"phi", DescribePhi},
      {"phi3", DescribePhi3},
      {"phimoe", DescribePhiMoe},
      {"qwen2", DescribeQwen2},
      {"qwen2_5_vl", DescribeQwen2Vl},
      {"qwen2_moe", DescribeQwen2Moe},
      {"qwen2_vl", DescribeQwen2Vl},
      {"qwen3", DescribeQwen3},
      {"qwen3_5_moe_text", DescribeQwen35MoeText},
      {"qwen3_5_text", DescribeQwen35Text},
      {"qwen3_moe", DescribeQwen3Moe},
      {"qwen3_next", DescribeQwen3Next},
      {"qwen3_omni_moe_text", DescribeQwen3OmniMoeText},
      {"qwen3_vl_moe_text", DescribeQwen3VlMoeText},
      {"qwen3_vl_text", DescribeQwen3VlText},
      {"seed_oss", DescribeSeedOss},
      {"smollm3", DescribeSmolLm3},
      {"solar_open", DescribeSolarOpen},
      {"stablelm", DescribeStableLm},
      {"starcoder2", DescribeStarcoder2},
      {"vaultgemma", DescribeVaultGemma},
      {"xglm", DescribeXglm},
      {"youtu", DescribeYoutu},
  };
  return kFamilies;
}

const std::map<std::string, FamilyAlias>& BuiltinAliases() {
  static const std::map<std::string, FamilyAlias> kAliases = {
      {"gemma4_unified_text",
       {"gemma4_text", {{"hidden_size_per_layer_input", 0}, {"sliding_window", 1024}}}},
      {"granite4_vision_text", {"granite", {}}},
      {"granite_docling_text", {"granite", {}}},
      {"qwen2_5_omni_text", {"qwen2_5_vl", {}}},
  };
  return kAliases;
}

const std::map<std::string, Multimodal>& BuiltinMultimodal() {
  static const std::vector<std::string> kTower = {"vision_tower.", "multi_modal_projector."};
  static const std::vector<std::string> kLlava = {"vision_tower.", "multi_modal_projector.",
                                                  "image_newline"};
  // As LLaVA's authors and those after them write it.
  static const std::vector<std::string> kOwn = {"vision_tower.", "mm_projector.",
                                                "vision_resampler.", "image_newline"};
  static const std::vector<std::string> kIdefics = {"vision_model.", "connector."};
  static const std::vector<std::string> kAudio = {"audio_tower.", "multi_modal_projector."};
  static const std::vector<std::string> kOmni = {
      "vision_model.",  "vision_tower.",     "mlp1.",        "multi_modal_projector.",
      "sound_encoder.", "sound_projection.", "audio_tower.", "embed_audio."};
  static const std::vector<std::string> kGemma4 = {"vision_tower.", "embed_vision.", "audio_tower.",
                                                   "embed_audio."};
  static const std::vector<std::string> kJanus = {"vision_model.", "aligner.", "vqmodel.",
                                                  "high_res_vision_", "generation_"};
  static const std::vector<std::string> kMerged = {"vision_tower.", "merger."};
  static const std::vector<std::string> kThinker = {"thinker.visual.", "thinker.audio_tower.",
                                                    "talker.", "code2wav.", "token2wav."};
  static const char* const kThought = "thinker_config.text_config";
  static const std::vector<std::string> kVisual = {"visual."};
  static const std::map<std::string, Multimodal> kMultimodal = {
      {"NemotronH_Nano_VL_V2", {"nemotron_h", {"vision_model.", "mlp1."}, "llm_config"}},
      {"aya_vision", {"cohere2", kTower}},
      {"cohere2_vision", {"cohere2", kTower}},
      {"deepseek_vl", {"llama", kJanus}},
      {"deepseek_vl_hybrid", {"llama", kJanus}},
      {"exaone4_5", {"exaone4", kVisual}},
      {"fast_vlm", {"qwen2", kTower}},
      {"fuyu", {"persimmon", {"vision_embed_tokens."}}},
      {"gemma3", {"gemma3_text", kTower}},
      {"gemma4", {"gemma4_text", kGemma4}},
      {"gemma4_unified", {"gemma4_unified_text", kGemma4}},
      {"glm46v", {"glm4v_text", kVisual}},
      {"glm4v", {"glm4v_text", kVisual}},
      {"glm4v_moe", {"glm4v_moe_text", kVisual}},
      {"glm_ocr", {"glm_ocr_text", kVisual}},
      {"got_ocr2", {"qwen2", kTower}},
      {"granite4_vision",
       {"granite4_vision_text",
        {"vision_tower.", "layerwise_projectors.", "spatial_projectors.", "image_newline"}}},
      {"granite_docling",
       {"granite_docling_text", {"vision_model.", "connector.", "density_router."}}},
      {"hunyuan_vl", {"hunyuan_vl_text", {"vision_tower.", "vit."}, "text_config", true}},
      {"hyperclovax_vision_v2", {"hyperclovax", {"vision_model.", "vision_projector."}}},
      {"idefics2", {"mistral", kIdefics}},
      {"idefics3", {"llama", kIdefics}},
      {"internvl", {"qwen2", kTower}},
      {"internvl_chat", {"qwen2", {"vision_model.", "mlp1."}, "llm_config"}},
      {"janus", {"llama", kJanus}},
      {"kimi_k25", {"deepseek_v3", {"vision_tower.", "mm_projector."}}},
      {"kimi_vl", {"deepseek_v3", kTower}},
      {"lfm2_vl", {"lfm2", kTower}},
      {"lighton_ocr", {"qwen3", {"vision_encoder.", "vision_projection."}}},
      {"llama4", {"llama4_text", {"vision_model.", "multi_modal_projector."}}},
      {"llava", {"llama", kTower}},
      {"llava_llama", {"llama", kOwn, ""}},
      {"llava_mistral", {"mistral", kOwn, ""}},
      {"llava_next", {"llama", kLlava}},
      {"llava_next_video", {"llama", kLlava}},
      {"llava_onevision", {"qwen2", kLlava}},
      {"llava_qwen", {"qwen2", kOwn, ""}},
      {"minicpmv4_6", {"qwen3_5_text", kMerged}},
      {"minicpmv4_7", {"qwen3_5_text", kMerged}},
      {"mistral3", {"mistral", kTower}},
      {"mllama", {"mllama_text_model", {"vision_model.", "multi_modal_projector."}}},
      {"nemotron_h_omni", {"nemotron_h", kOmni}},
      {"ovis2", {"qwen2", {"vision_tower.", "visual_embeddings_table."}}},
      {"paddleocr_vl",
       {"paddleocr_vl_text", {"visual.", "projector.", "mlp_AR."}, "text_config", true}},
      {"perception_lm", {"llama", kTower}},
      {"pp_chart2table", {"qwen2", kTower}},
      {"qianfan_ocr", {"qwen3", kTower}},
      {"qwen2_5_omni", {"qwen2_5_omni_text", kThinker, kThought}},
      {"qwen2_5_omni_thinker", {"qwen2_5_omni_text", {"visual.", "audio_tower."}}},
      {"qwen2_audio", {"qwen2", kAudio}},
      {"qwen3_5", {"qwen3_5_text", kVisual}},
      {"qwen3_5_moe", {"qwen3_5_moe_text", kVisual}},
      {"qwen3_omni_moe", {"qwen3_omni_moe_text", kThinker, kThought}},
      {"qwen3_omni_moe_thinker", {"qwen3_omni_moe_text", {"visual.", "audio_tower."}}},
      {"qwen3_vl", {"qwen3_vl_text", kVisual}},
      {"qwen3_vl_moe", {"qwen3_vl_moe_text", kVisual}},
      {"smolvlm", {"llama", kIdefics}},
      {"video_llama_3", {"qwen2", {"vision_model.", "projector."}}},
      {"video_llava", {"llama", {"image_tower.", "video_tower.", "multi_modal_projector."}}},
      {"vipllava", {"llama", kTower}},
      {"voxtral", {"llama", kAudio}},
  };
  return kMultimodal;
}

}  // namespace roundlab
