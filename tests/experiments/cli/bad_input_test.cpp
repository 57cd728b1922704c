#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/experiments/cli/bad_input.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::BadInputTest;
using testing::ProgramResult;
using testing::ReadAll;
using testing::RunProgram;
using testing::TinyModel;

TEST_F(BadInputTest, TheInputsOfTheseTestsAreGood) {
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(run.code, 0);
}

TEST_F(BadInputTest, GroupSize0IsTheWholeTensor) {
  const ProgramResult check =
      RunProgram(folder_.path(), {"validate", "c.yaml", "--set", "quant.group_size=0"});
  EXPECT_EQ(check.err, "");
  EXPECT_EQ(check.out, "c.yaml: good, 1 runs\n");
  EXPECT_EQ(check.code, 0);
}

TEST_F(BadInputTest, ModelThatIsNotThere) {
  ExpectRefused({"model=n/"}, "--set model=n/: n/: no such model");
  const std::string config = ReadAll(folder_ / "c.yaml");
  folder_.Write("d.yaml", "axes: [{key: model, values: [m/,\n  n/]}]\n" + config);
  const ProgramResult check = RunProgram(folder_.path(), {"validate", "d.yaml"});
  EXPECT_EQ(check.err, "d.yaml:2:3: n/: no such model\n");
}
TEST_F(BadInputTest, UnknownModelName) {
  ExpectRefused(
      {"model=stories260"},
      "--set model=stories260: model: unknown name 'stories260'; did you mean 'stories260k'? "
      "(known: babyllama-tok105, "
      "bloom-3b, builtin:lab, falcon-7b, gemma-2b, gemma-7b, gemma-7b-it, gpt-j-6b, llama-13b, "
      "llama-2-13b, "
      "llama-2-70b, llama-2-7b, llama-2-7b-chat, llama-3-8b-instruct, llama-30b, llama-65b, "
      "llama-7b, mistral-7b-instruct-v0.2, mistral-7b-v0.1, mixtral-8x7b-instruct-v0.1, "
      "mixtral-8x7b-v0.1, neural-chat-7b-v3-1, neural-chat-7b-v3-3, opt-1.3b, opt-125m, "
      "opt-2.7b, opt-6.7b, phi-2, smollm2, stories260k, tinystories-656k); no such file or "
      "folder either");
}
TEST_F(BadInputTest, TheBuiltInModelByItsLastName) {
  ExpectRefused({"model=lab"},
                "--set model=lab: model: unknown name 'lab'; did you mean 'builtin:lab'?");
}
TEST_F(BadInputTest, ModelOfTheCatalogueThatIsNotThere) {
  ExpectRefused({"model=smollm2"},
                "--set model=smollm2: model 'smollm2' is not at "
                "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf; run "
                "scripts/get_smollm2");
}
TEST_F(BadInputTest, FolderWithoutConfigJson) {
  fs::remove(folder_ / "m/config.json");
  ExpectRefused({}, "m/: no config.json in this folder");
}
TEST_F(BadInputTest, FolderWithoutWeights) {
  fs::remove(folder_ / "m/model.safetensors");
  ExpectRefused({}, "m/: no .safetensors file in this folder, and no pytorch_model.bin");
}
TEST_F(BadInputTest, FolderWithoutTokenizer) {
  fs::remove(folder_ / "m/tokenizer.json");
  ExpectRefused({},
                "m/: no tokenizer: expected tokenizer.json, tokenizer.model, vocab.json with "
                "merges.txt, or tekken.json");
}
TEST_F(BadInputTest, UnknownArchitecture) {
  folder_.Write("m/config.json", R"({"model_type": "lama"})");
  ExpectRefused({},
                "m//config.json: model_type: unknown architecture 'lama'; did you mean 'llama'? "
                "(known: NemotronH_Nano_VL_V2, afmoe, apertus, arcee, aya_vision, baichuan, "
                "bamba, biogpt, bloom, codegen, cohere, cohere2, cohere2_moe, cohere2_vision, "
                "cwm, dbrx, deepseek_v2, deepseek_v3, deepseek_vl, deepseek_vl_hybrid, dots1, "
                "ernie4_5, ernie4_5_moe, exaone4, exaone4_5, exaone_moe, falcon, falcon_h1, "
                "fast_vlm, flex_olmo, fuyu, gemma, gemma2, gemma3, gemma3_text, gemma4, "
                "gemma4_text, gemma4_unified, gemma4_unified_text, glm, glm4, glm46v, glm4_moe, "
                "glm4_moe_lite, glm4v, glm4v_moe, glm4v_moe_text, glm4v_text, glm_ocr, "
                "glm_ocr_text, got_ocr2, gpt-sw3, gpt2, gpt_bigcode, gpt_neo, gpt_neox, "
                "gpt_neox_japanese, gpt_oss, gptj, granite, granite4_vision, "
                "granite4_vision_text, granite_docling, granite_docling_text, granite_swa, "
                "granitemoe, granitemoe_swa, granitemoehybrid, granitemoeshared, helium, "
                "hunyuan_v1_dense, hunyuan_v1_moe, hunyuan_vl, hunyuan_vl_text, hy_v3, "
                "hyperclovax, hyperclovax_vision_v2, idefics2, idefics3, internlm2, internlm3, "
                "internvl, internvl_chat, iquestcoder, jais2, janus, kimi_k25, kimi_linear, "
                "kimi_vl, laguna, lfm2, lfm2_moe, lfm2_vl, lighton_ocr, llama, llama4, "
                "llama4_text, llava, llava_llama, llava_mistral, llava_next, llava_next_video, "
                "llava_onevision, llava_qwen, mellum, minicpm3, minicpmv4_6, minicpmv4_7, "
                "minimax_m2, ministral, ministral3, mistral, mistral3, mistral4, mixtral, "
                "mllama, mllama_text_model, mpt, nanochat, nemotron, nemotron_h, "
                "nemotron_h_omni, olmo, olmo2, olmo3, olmo_hybrid, olmoe, opt, ovis2, "
                "paddleocr_vl, paddleocr_vl_text, perception_lm, persimmon, phi, phi3, phimoe, "
                "pp_chart2table, qianfan_ocr, qwen2, qwen2_5_omni, qwen2_5_omni_text, "
                "qwen2_5_omni_thinker, qwen2_5_vl, qwen2_audio, qwen2_moe, qwen2_vl, qwen3, "
                "qwen3_5, qwen3_5_moe, qwen3_5_moe_text, qwen3_5_text, qwen3_moe, qwen3_next, "
                "qwen3_omni_moe, qwen3_omni_moe_text, qwen3_omni_moe_thinker, qwen3_vl, "
                "qwen3_vl_moe, qwen3_vl_moe_text, qwen3_vl_text, seed_oss, smollm3, smolvlm, "
                "solar_open, stablelm, starcoder2, vaultgemma, video_llama_3, video_llava, "
                "vipllava, voxtral, xglm, youtu)");
}
TEST_F(BadInputTest, TruncatedSafetensors) {
  const auto size = fs::file_size(folder_ / "m/model.safetensors");
  fs::resize_file(folder_ / "m/model.safetensors", size - 4);
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.find("m/model.safetensors: tensor 'model.norm.weight': ends at byte"), 0U)
      << run.err;
  EXPECT_NE(run.err.find(" (truncated?)\n"), std::string::npos) << run.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  fs::resize_file(folder_ / "m/model.safetensors", 5);
  ExpectRefused({},
                "m/model.safetensors: truncated: 5 bytes, expected at least the 8 of the header's "
                "length");
}
TEST_F(BadInputTest, SafetensorsHeaderThatLies) {
  const std::string bytes(16, '\0');
  const auto write = [&](const std::string& header) {
    folder_.Write("m/model.safetensors", testing::Safetensors(header, bytes));
  };
  write(R"({"x": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}})");
  ExpectRefused({},
                "m/model.safetensors: tensor 'x': F32 of shape [5] takes 20 bytes, data_offsets "
                "[0, 16] are 16");
  write(R"({"x": {"dtype": "F31", "shape": [4], "data_offsets": [0, 16]}})");
  ExpectRefused({},
                "m/model.safetensors: tensor 'x': dtype 'F31' is not supported; did you mean "
                "'F32'? (known: BF16, BOOL, F16, F32, F64, I16, I32, I64, I8, U8)");
}
TEST_F(BadInputTest, TiedHeadThatDiffersFromTheEmbedding) {
  folder_.Write("m/model.safetensors",
                testing::Safetensors(
                    R"({"lm_head.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, )"
                    R"("model.embed_tokens.weight": {"dtype": "F32", "shape": [2], )"
                    R"("data_offsets": [8, 16]}})",
                    std::string(15, '\0') + "x"));
  ExpectRefused({},
                "m/model.safetensors: tensor 'lm_head.weight' differs from "
                "'model.embed_tokens.weight', but config.json has tie_word_embeddings: true");
}
TEST_F(BadInputTest, MissingTensor) {
  folder_.Write(
      "m/model.safetensors",
      testing::Safetensors(R"({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})",
                           std::string(16, '\0')));
  ExpectRefused({}, "m/: tensor 'model.embed_tokens.weight' is missing");
}
TEST_F(BadInputTest, ConfigOfAnotherModelThanTheWeights) {
  std::string config = ReadAll(folder_ / "m/config.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = config;
    changed.replace(changed.find(from), from.size(), to);
    folder_.Write("m/config.json", changed);
  };
  with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  ExpectRefused({}, "m/: tensor 'model.layers.2.input_layernorm.weight' is missing");
  with("\"vocab_size\": 256", "\"vocab_size\": 300");
  ExpectRefused({},
                "m/model.safetensors: tensor 'model.embed_tokens.weight' has shape [256, 32], "
                "expected [300, 32]");
}
TEST_F(BadInputTest, WeightsOfATypeThatHoldsNone) {
  std::string bytes = ReadAll(folder_ / "m/model.safetensors");
  bytes.replace(bytes.find("F32"), 3, "I32");
  folder_.Write("m/model.safetensors", bytes);
  ExpectRefused({},
                "m/model.safetensors: tensor 'model.embed_tokens.weight' is I32, expected weights "
                "(F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, "
                "IQ4_NL, IQ4_XS)");
}
TEST_F(BadInputTest, TruncatedGguf) {
  folder_.Write("m.gguf", testing::Bytes<std::uint32_t>(0x46554747) +
                              testing::Bytes<std::uint32_t>(3) + std::string(6, '\0'));
  ExpectRefused(
      {"model=./m.gguf"},
      "./m.gguf: truncated in the number of tensors: 8 bytes expected at offset 8, 6 are left");
}
TEST_F(BadInputTest, NanWeight) {
  TinyModel{.layers = 2, .context = 64, .nan = true}.Write(folder_ / "m");
  ExpectFailedRun({},
                  "m/model.safetensors: tensor 'model.layers.1.mlp.down_proj.weight' holds NaN at "
                  "element 7");
}
TEST_F(BadInputTest, MissingText) {
  ExpectRefused({"eval.0.data.path=no.txt"},
                "--set eval.0.data.path=no.txt: no.txt: cannot open: No such file or directory");
  folder_.Write(
      "d.yaml",
      "extends: c.yaml\neval: [{type: perplexity, seqlen: 16,\n  data: {path: no.txt}}]\n");
  const ProgramResult check = RunProgram(folder_.path(), {"validate", "d.yaml"});
  EXPECT_EQ(check.err, "d.yaml:3:16: no.txt: cannot open: No such file or directory\n");
}
TEST_F(BadInputTest, EmptyText) {
  folder_.Write("text.txt", " \n\n");
  ExpectRefused({}, "c.yaml:5:8: text.txt: no text in this file");
}
TEST_F(BadInputTest, RowsOfEmptyTexts) {
  folder_.Write("text.jsonl", "{\"text\": \"\"}\n{\"text\": \" \"}\n");
  ExpectRefused({"eval.0.data.path=text.jsonl"}, "c.yaml:5:8: text.jsonl: no text in this file");
}
TEST_F(BadInputTest, TextThatIsNotUtf8) {
  folder_.Write("text.txt", "abc \xff def");
  ExpectRefused({}, "c.yaml:5:8: text.txt: text is not UTF-8: byte 0xFF at offset 4");
}
TEST_F(BadInputTest, RowThatIsNotJson) {
  folder_.Write("text.jsonl", "{\"text\": \"a\"}\n{\"text\": \n");
  ExpectRefused({"eval.0.data.path=text.jsonl"},
                "c.yaml:5:8: text.jsonl:2: not JSON: error at byte 10");
}
TEST_F(BadInputTest, DataOfTheCatalogueThatIsNotThere) {
  ExpectRefused({"eval.0.data=ptb"},
                "--set eval.0.data=ptb: data 'ptb' is not at data/ptb/ptb.valid.txt; run "
                "scripts/prepare_data ptb");
}
TEST_F(BadInputTest, FewerTokensThanOneWindow) {
  folder_.Write("text.txt", "fifteen letters");
  ExpectRefused({}, "c.yaml:5:8: text.txt: has 15 tokens, fewer than one window of 16");
}
TEST_F(BadInputTest, SequencesBeyondTheModelsContext) {
  ExpectRefused({"eval.0.seqlen=65"},
                "c.yaml:5:8: eval t: seqlen 65 is longer than the model's context of 64");
  ExpectRefused({"calibration.seqlen=65", "pipeline.0.scheme.type=signround"},
                "--set calibration.seqlen=65: calibration.seqlen 65 is longer than the model's "
                "context of 64");
}
TEST_F(BadInputTest, FewerCalibrationSamplesThanAskedFor) {
  ExpectRefused({"calibration.samples=26", "pipeline.0.scheme.type=signround"},
                "c.yaml:2:14: text.txt: calibration asks for 26 samples of 16 tokens, protocol "
                "plain found 25");
}
TEST_F(BadInputTest, OverridesAndSkipsThatMatchNoLayer) {
  ExpectRefused({"quant.skip=[mlp]"},
                "--set quant.skip=[mlp]:1:2: quant.skip.0: 'mlp' matches no layer; the first is "
                "'model.layers.0.self_attn.q_proj', the last 'model.embed_tokens'");
  ExpectRefused({"quant.overrides=[{match: '.*dwn_proj', bits: 8}]"},
                "--set quant.overrides=[{match: '.*dwn_proj', bits: 8}]:1:10: "
                "quant.overrides.0.match: '.*dwn_proj' matches no layer; the first is "
                "'model.layers.0.self_attn.q_proj', the last 'model.layers.1.mlp.down_proj'");
}
TEST_F(BadInputTest, StagesThatDoNotFitTheModel) {
  ExpectRefused({"pipeline.0={type: round, scheme: signround, loss: soft_labels}"},
                "--set pipeline.0={type: round, scheme: signround, loss: soft_labels}: "
                "pipeline.0: loss 'soft_labels' is of the model's logits and needs unit: {blocks: "
                "2}, the whole model");
  ExpectRefused({"pipeline=[{type: round, scheme: rtn}, {type: lorc, rank: 40}]"},
                "--set pipeline=[{type: round, scheme: rtn}, {type: lorc, rank: 40}]:1:30: "
                "pipeline.1: model.layers.0.self_attn.q_proj: lorc.rank 40 is more than the "
                "smaller side of its weight, 32");
  ExpectRefused({"pipeline.0.scheme={type: squeezellm, sensitivity: none}", "quant.bits=6"},
                "c.yaml:4:12: "
                "pipeline.0: model.layers.0.self_attn.q_proj: scheme 'squeezellm' with quant.bits "
                "6: a table of 64 values is larger than its row of 32 weights");
  ExpectRefused(
      {"pipeline.0.scheme={type: squeezellm, sensitivity: none}",
       "quant={budget: {bits: 8, choices: [3, 8]}, group_size: 0}"},
      "c.yaml:4:12: pipeline.0: of quant.budget's choices 8: "
      "model.layers.0.self_attn.q_proj: scheme 'squeezellm' with quant.bits 8: a table of "
      "256 values is larger than its row of 32 weights");
}
TEST_F(BadInputTest, WhatIsWrongInSomeRunsNamesTheFirst) {
  const std::string axes =
      "axes=[{key: pipeline.1.rank, values: [40, 8]}, {key: quant.bits, values: [3, 4, 5]}]";
  const std::string lorc = "pipeline=[{type: round, scheme: rtn}, {type: lorc}]";
  const std::string problem =
      "pipeline.1: model.layers.0.self_attn.q_proj: lorc.rank 40 is more than the smaller side of "
      "its weight, 32";
  const std::string place = "--set " + lorc + ":1:30: ";
  ExpectRefused({lorc, axes}, place + "40, 3 (and 2 more): " + problem);
  ExpectRefused({lorc, axes, "where=[{pipeline.1.rank: 8}, {quant.bits: 5}]"},
                place + "40, 5: " + problem);
  ExpectRefused({lorc, axes, "where=[{pipeline.1.rank: 40}]"}, place + problem);  // in all of them
}
TEST_F(BadInputTest, PlanTellsWhatTheModelRefuses) {
  const auto plan = [&](const std::string& set) {
    return RunProgram(folder_.path(), {"plan", "c.yaml", "--set", set});
  };
  const ProgramResult skip = plan("quant.skip=[mlp]");
  EXPECT_EQ(skip.code, 2);
  EXPECT_EQ(skip.err,
            "--set quant.skip=[mlp]:1:2: quant.skip.0: 'mlp' matches no layer; the first is "
            "'model.layers.0.self_attn.q_proj', the last 'model.embed_tokens'\n");
  EXPECT_NE(skip.out.find("not run"), std::string::npos) << skip.out;
  EXPECT_EQ(plan("model=n/").code, 0) << "whose model is not here is left out";
  const ProgramResult random = plan("model=random:stories260k");
  EXPECT_EQ(random.code, 2);
  EXPECT_NE(random.err.find("random:stories260k has a vocabulary of 512, and texts have token ids "
                            "up to "),
            std::string::npos)
      << random.err;
}
TEST_F(BadInputTest, AnAxisMayTurnAModelThatIsNamedByAWord) {
  const ProgramResult check =
      RunProgram(folder_.path(), {"validate", "c.yaml", "--set",
                                  "axes=[{key: model.rotate, values: [~, {}], labels: [as it is, "
                                  "turned]}]"});
  EXPECT_EQ(check.err, "");
  EXPECT_EQ(check.out, "c.yaml: good, 2 runs\n");
}
TEST_F(BadInputTest, AllThatIsWrongWithModelAndDataIsToldAtOnce) {
  folder_.Write("text.txt", "");
  ExpectRefused({"model=n/", "eval.0.data.path=no.txt", "pipeline.0.scheme.type=signround"},
                "--set model=n/: n/: no such model\nc.yaml:2:14: text.txt: no text in this file\n"
                "--set eval.0.data.path=no.txt: no.txt: cannot open: No such file or directory");
}
TEST_F(BadInputTest, AFilterThatIsWrongHidesNothingElse) {
  ExpectRefused(
      {"where=[{quant.bit: 4}]", "quant.bits=99", "axes=[{key: seed, values: [1]}]"},
      "--set where=[{quant.bit: 4}]:1:3: where.0: unknown axis 'quant.bit' (known: seed)\n"
      "--set quant.bits=99: quant.bits: 99 is out of range [2, 8]");
}
TEST_F(BadInputTest, ValidateFindsTheSame) {
  fs::remove(folder_ / "m/config.json");
  const ProgramResult check = RunProgram(folder_.path(), {"validate", "c.yaml"});
  EXPECT_EQ(check.err, "m/: no config.json in this folder\n");
  EXPECT_EQ(check.code, 2);
}

}  // namespace
}  // namespace roundlab
