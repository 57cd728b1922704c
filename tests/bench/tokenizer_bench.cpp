// Bytes of text a second, one thread. Needs the shared folder (ROUNDLAB_SHARED); benchmarks whose
// tokenizer or text is missing report an error and the others run.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

std::string WikiText() {
  std::ifstream file(testing::SharedFolder() + "/data/wikitext-2-raw/wiki.test.raw",
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The first `bytes` of the text in one call, so that caches of words start empty every time.
void EncodeText(benchmark::State& state, const std::string& tokenizer_path, std::size_t bytes) {
  const std::string path = testing::SharedFolder() + "/" + tokenizer_path;
  std::string text = WikiText().substr(0, bytes);
  while (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
  if (text.empty() || !std::filesystem::exists(path)) {
    state.SkipWithError(("needs data and " + tokenizer_path + " under ROUNDLAB_SHARED").c_str());
    return;
  }
  const auto tokenizer = LoadTokenizer(path);
  std::size_t tokens = 0;
  for (auto _ : state) {
    const auto ids = tokenizer->Encode(text, SpecialTokens::kNone);
    tokens = ids.size();
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.counters["tokens"] = static_cast<double>(tokens);
}

constexpr std::size_t kSentence = 200;
constexpr std::size_t kWhole = std::string::npos;

BENCHMARK_CAPTURE(EncodeText, smollm2_sentence, "tokenizers/smollm2", kSentence);
BENCHMARK_CAPTURE(EncodeText, smollm2_wikitext, "tokenizers/smollm2", kWhole);
BENCHMARK_CAPTURE(EncodeText, gpt2_wikitext, "tokenizers/gpt2", kWhole);
BENCHMARK_CAPTURE(EncodeText, qwen2_wikitext, "tokenizers/qwen2", kWhole);
BENCHMARK_CAPTURE(EncodeText, one_word_wikitext, "models/TinyStories-656K", kWhole);
BENCHMARK_CAPTURE(EncodeText, gguf_spm_wikitext, "tokenizers/ggml-vocab-llama-spm.gguf", kWhole);
BENCHMARK_CAPTURE(EncodeText, sentencepiece_wikitext, "tokenizers/llama2", kWhole);

void Load(benchmark::State& state, const std::string& tokenizer_path) {
  const std::string path = testing::SharedFolder() + "/" + tokenizer_path;
  if (!std::filesystem::exists(path)) {
    state.SkipWithError(("needs " + tokenizer_path + " under ROUNDLAB_SHARED").c_str());
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(LoadTokenizer(path));
}
BENCHMARK_CAPTURE(Load, smollm2, "tokenizers/smollm2")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
