#include "core/text/tokenizer/gguf_pre_tokenizer.h"

#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/tokenizer_loaders.h"

namespace roundlab {
namespace {

using Expressions = std::vector<std::string_view>;
using Steps = std::vector<std::unique_ptr<PreTokenizer>>;

// Each expression cuts what the one before has left; bytes as characters in the end.
std::unique_ptr<PreTokenizer> MakeCuts(const Expressions& expressions) {
  Steps steps;
  for (const std::string_view expression : expressions) {
    steps.push_back(MakeSplit(TextPattern::FromRegex(expression), SplitBehavior::kIsolated, false));
  }
  steps.push_back(MakeByteLevel(false, false));
  return MakeSequence(std::move(steps));
}

std::unique_ptr<PreTokenizer> MakeGpt2() { return MakeByteLevel(false, true); }

// Falcon's tokenizer.json: punctuation, GPT-2's split, runs of digits, three digits at a time.
std::unique_ptr<PreTokenizer> MakeFalcon() {
  Steps steps;
  steps.push_back(MakePunctuation(SplitBehavior::kContiguous));
  steps.push_back(MakeByteLevel(false, true));
  steps.push_back(MakeDigits(false));
  steps.push_back(
      MakeSplit(TextPattern::FromRegex("[0-9][0-9][0-9]"), SplitBehavior::kIsolated, false));
  return MakeSequence(std::move(steps));
}

// SmolLM's and StarCoder's tokenizer.json: every digit alone, then GPT-2's split.
std::unique_ptr<PreTokenizer> MakeDigitsByteLevel() {
  Steps steps;
  steps.push_back(MakeDigits(true));
  steps.push_back(MakeByteLevel(false, true));
  return MakeSequence(std::move(steps));
}

std::unique_ptr<PreTokenizer> MakeDefault() {
  return MakeCuts({R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Regex, R"(\p{N}+)", "[0-9][0-9][0-9]"});
}
std::unique_ptr<PreTokenizer> MakeQwen2() { return MakeCuts({kQwen2Regex}); }
std::unique_ptr<PreTokenizer> MakeLlama3() { return MakeCuts({kLlama3Regex}); }

std::unique_ptr<PreTokenizer> MakeQwen35() {
  return MakeCuts({R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
                   R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"});
}

constexpr const char* kCjk = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
constexpr const char* kHanAndKana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";

// Letters with case, as DeepSeek's expression lists them (code points: some of them look alike).
constexpr const char* kCasedLetters =
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293"
    "\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C"
    "\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5"
    "\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77"
    "\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59"
    "\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"
    "\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107"
    "\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE"
    "\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E"
    "\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F"
    "\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2"
    "\U000118A0-\U000118DF\U0001E900-\U0001E943";

std::unique_ptr<PreTokenizer> MakeDeepSeekLlm() {
  const std::string words = "\\s?[" + std::string(kCasedLetters) + "]+";
  return MakeCuts({"[\r\n]", words,
                   "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", R"(\s+$)",
                   kCjk, R"(\p{N}+)"});
}

std::unique_ptr<PreTokenizer> MakeDeepSeekCoder() {
  return MakeCuts({"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, R"(\p{N})"});
}

std::unique_ptr<PreTokenizer> MakeDeepSeekV3() {
  return MakeCuts({R"(\p{N}{1,3})", kHanAndKana,
                   R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
                   R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)"
                   R"(\s*[\r\n]+|\s+(?!\S)|\s+)"});
}

constexpr const char* kBloomRegex = " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";
std::unique_ptr<PreTokenizer> MakeBloom() { return MakeCuts({kBloomRegex}); }
std::unique_ptr<PreTokenizer> MakeViking() { return MakeCuts({kBloomRegex, R"(\p{N})"}); }

std::unique_ptr<PreTokenizer> MakeTekken() {
  return MakeCuts(
      {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
       R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
       R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"});
}

constexpr const char* kGpt4oRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
std::unique_ptr<PreTokenizer> MakeGpt4o() { return MakeCuts({kGpt4oRegex}); }
std::unique_ptr<PreTokenizer> MakeTinyAya() {
  return MakeCuts({R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4oRegex});
}

std::unique_ptr<PreTokenizer> MakeSuperBpe() {
  return MakeCuts({R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"});
}

std::unique_ptr<PreTokenizer> MakeBailing() {
  return MakeCuts({R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}|)"
                   R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"});
}

std::unique_ptr<PreTokenizer> MakeSeedCoder() {
  return MakeCuts({R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}|)"
                   R"( ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"});
}

struct Kind {
  std::unique_ptr<PreTokenizer> (*make)();
  std::vector<const char*> names;
  bool nfc = false;
  bool ignore_merges = false;
  bool adds_bos = false;
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kKinds = {
      {MakeDefault, {"default"}},
      {MakeGpt2,
       {"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat",
        "a.x-4.0", "mellum", "modern-bert", "exaone4"}},
      {MakeDigitsByteLevel,
       {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
        "mellum2"}},
      {MakeFalcon, {"falcon"}},
      {MakeQwen2, {"qwen2", "deepseek-r1-qwen"}, true},
      {MakeQwen2, {"stablelm2", "megrez", "kormo", "f2llmv2", "hunyuan", "solar-open", "grok-2"}},
      {MakeQwen35, {"qwen35"}, true},
      {MakeLlama3,
       {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       false,
       true,
       true},
      {MakeLlama3, {"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}},
      {MakeDeepSeekLlm, {"deepseek-llm"}},
      {MakeDeepSeekCoder, {"deepseek-coder"}},
      {MakeDeepSeekV3, {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}},
      {MakeBloom, {"bloom", "poro-chat", "gpt3-finnish"}},
      {MakeViking, {"viking"}},
      {MakeTekken, {"tekken"}, false, true, true},
      {MakeGpt4o, {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}},
      {MakeTinyAya, {"tiny_aya", "cohere2moe"}},
      {MakeSuperBpe, {"superbpe"}},
      {MakeBailing, {"bailingmoe", "bailingmoe2", "llada-moe"}},
      {MakeSeedCoder, {"seed-coder"}},
  };
  return kKinds;
}

}  // namespace

GgufPreTokenizer MakeGgufPreTokenizer(const std::string& name) {
  std::vector<std::string> known;
  for (const Kind& kind : Kinds()) {
    for (const char* known_name : kind.names) {
      if (name == known_name) {
        return {kind.make(), kind.nfc, kind.ignore_merges, kind.adds_bos};
      }
      known.emplace_back(known_name);
    }
  }
  throw Error("unknown value '" + name + "'" + SuggestionSuffix(name, known));
}

}  // namespace roundlab
