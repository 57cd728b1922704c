// The bytes are a tokenizer.json, a tekken.json or a tokenizer.model of tiktoken's form:
// roundlab::Error, or a tokenizer whose ids are in range.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"
#include "core/text/tokenizer/tiktoken.h"
#include "core/text/tokenizer/tokenizer_json.h"

namespace {

template <typename Load>
void Try(const Load& load) {
  try {
    const auto tokenizer = load();
    for (const std::string_view text :
         {"", "Hello  world's 42\r\n <s>a", " \xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80\xCC\x81\t\n "}) {
      const auto ids = tokenizer->Encode(text, roundlab::SpecialTokens::kDefault);
      for (const std::int32_t id : ids) {
        if (id < 0) std::abort();
      }
      tokenizer->Decode(ids);
    }
  } catch (const roundlab::Error&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  Try([&] { return roundlab::TokenizerFromJson(document, "fuzz"); });
  Try([&] { return roundlab::TokenizerFromTekken(document, "fuzz", {}); });
  Try([&] { return roundlab::TokenizerFromTiktoken(document, "fuzz", {}); });
  return 0;
}
