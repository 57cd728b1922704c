#include "core/model/shapes.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/model/families.h"

namespace roundlab {

const std::vector<NamedShape>& NamedShapes() {
  static const std::vector<NamedShape> kShapes = {
      {"bloom-560m",
       R"({"model_type":"bloom","hidden_size":1024,"n_layer":24,"n_head":16,"vocab_size":250880})"},
      {"falcon-7b",
       R"({"model_type":"falcon","hidden_size":4544,"num_hidden_layers":32,
           "num_attention_heads":71,"vocab_size":65024})"},
      {"falcon-40b",
       R"({"model_type":"falcon","hidden_size":8192,"num_hidden_layers":60,
           "num_attention_heads":128,"num_kv_heads":8,"new_decoder_architecture":true,
           "vocab_size":65024})"},
      {"gemma-2b",
       R"({"model_type":"gemma","hidden_size":2048,"intermediate_size":16384,
           "num_hidden_layers":18,"num_attention_heads":8,"num_key_value_heads":1,"head_dim":256,
           "vocab_size":256000,"max_position_embeddings":8192})"},
      {"gemma2-2b",
       R"({"model_type":"gemma2","hidden_size":2304,"intermediate_size":9216,
           "num_hidden_layers":26,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,
           "vocab_size":256000,"max_position_embeddings":8192})"},
      {"gemma3-1b",
       R"({"model_type":"gemma3_text","hidden_size":1152,"intermediate_size":6912,
           "num_hidden_layers":26,"num_attention_heads":4,"num_key_value_heads":1,"head_dim":256,
           "sliding_window":512,"vocab_size":262144,"max_position_embeddings":32768})"},
      {"gpt2",
       R"({"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12,"n_positions":1024,
           "vocab_size":50257})"},
      {"gpt2-xl",
       R"({"model_type":"gpt2","n_embd":1600,"n_layer":48,"n_head":25,"n_positions":1024,
           "vocab_size":50257})"},
      {"pythia-1.4b",
       R"({"model_type":"gpt_neox","hidden_size":2048,"intermediate_size":8192,
           "num_hidden_layers":24,"num_attention_heads":16,"vocab_size":50304,
           "max_position_embeddings":2048})"},
      {"gptj-6b",
       R"({"model_type":"gptj","n_embd":4096,"n_layer":28,"n_head":16,"n_positions":2048,
           "vocab_size":50400})"},
      {"llama2-7b",
       R"({"model_type":"llama","hidden_size":4096,"intermediate_size":11008,
           "num_hidden_layers":32,"num_attention_heads":32,"rms_norm_eps":1e-5,
           "vocab_size":32000,"max_position_embeddings":4096})"},
      {"llama2-13b",
       R"({"model_type":"llama","hidden_size":5120,"intermediate_size":13824,
           "num_hidden_layers":40,"num_attention_heads":40,"rms_norm_eps":1e-5,
           "vocab_size":32000,"max_position_embeddings":4096})"},
      {"llama2-70b",
       R"({"model_type":"llama","hidden_size":8192,"intermediate_size":28672,
           "num_hidden_layers":80,"num_attention_heads":64,"num_key_value_heads":8,
           "rms_norm_eps":1e-5,"vocab_size":32000,"max_position_embeddings":4096})"},
      {"llama3-8b",
       R"({"model_type":"llama","hidden_size":4096,"intermediate_size":14336,
           "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
           "rms_norm_eps":1e-5,"rope_theta":500000,"vocab_size":128256,
           "max_position_embeddings":8192})"},
      {"mistral-7b",
       R"({"model_type":"mistral","hidden_size":4096,"intermediate_size":14336,
           "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
           "rms_norm_eps":1e-5,"sliding_window":4096,"vocab_size":32000,
           "max_position_embeddings":32768})"},
      {"mixtral-8x7b",
       R"({"model_type":"mixtral","hidden_size":4096,"intermediate_size":14336,
           "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
           "vocab_size":32000,"max_position_embeddings":32768})"},
      {"olmo2-7b",
       R"({"model_type":"olmo2","hidden_size":4096,"intermediate_size":11008,
           "num_hidden_layers":32,"num_attention_heads":32,"rope_theta":500000,
           "rms_norm_eps":1e-6,"vocab_size":100352,"max_position_embeddings":4096})"},
      {"opt-125m",
       R"({"model_type":"opt","hidden_size":768,"ffn_dim":3072,"num_hidden_layers":12,
           "num_attention_heads":12,"vocab_size":50272,"max_position_embeddings":2048})"},
      {"opt-6.7b",
       R"({"model_type":"opt","hidden_size":4096,"ffn_dim":16384,"num_hidden_layers":32,
           "num_attention_heads":32,"vocab_size":50272,"max_position_embeddings":2048})"},
      {"phi-2",
       R"({"model_type":"phi","hidden_size":2560,"intermediate_size":10240,
           "num_hidden_layers":32,"num_attention_heads":32,"partial_rotary_factor":0.4,
           "vocab_size":51200,"max_position_embeddings":2048})"},
      {"phi3-mini",
       R"({"model_type":"phi3","hidden_size":3072,"intermediate_size":8192,
           "num_hidden_layers":32,"num_attention_heads":32,"sliding_window":2047,
           "vocab_size":32064,"max_position_embeddings":4096})"},
      {"qwen2-7b",
       R"({"model_type":"qwen2","hidden_size":3584,"intermediate_size":18944,
           "num_hidden_layers":28,"num_attention_heads":28,"num_key_value_heads":4,
           "rope_theta":1000000,"vocab_size":152064,"max_position_embeddings":32768})"},
      {"qwen3-8b",
       R"({"model_type":"qwen3","hidden_size":4096,"intermediate_size":12288,
           "num_hidden_layers":36,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
           "rope_theta":1000000,"vocab_size":151936,"max_position_embeddings":40960})"},
      {"qwen3-30b-a3b",
       R"({"model_type":"qwen3_moe","hidden_size":2048,"intermediate_size":6144,
           "num_hidden_layers":48,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,
           "num_experts":128,"num_experts_per_tok":8,"moe_intermediate_size":768,
           "norm_topk_prob":true,"rope_theta":1000000,"vocab_size":151936,
           "max_position_embeddings":40960})"},
      {"stablelm-3b",
       R"({"model_type":"stablelm","hidden_size":2560,"intermediate_size":6912,
           "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":32,
           "vocab_size":50304,"max_position_embeddings":4096})"},
      {"starcoder2-3b",
       R"({"model_type":"starcoder2","hidden_size":3072,"intermediate_size":12288,
           "num_hidden_layers":30,"num_attention_heads":24,"num_key_value_heads":2,
           "sliding_window":4096,"vocab_size":49152,"max_position_embeddings":16384})"},
  };
  return kShapes;
}

ModelDescription DescribeShape(const std::string& name) {
  std::vector<std::string> known;
  for (const NamedShape& shape : NamedShapes()) {
    if (name == shape.name) return DescribeHuggingFace(shape.config, "random:" + name);
    known.emplace_back(shape.name);
  }
  throw Error("unknown shape '" + name + "'" + SuggestionSuffix(name, known));
}

}  // namespace roundlab
