// The bytes are a tokenizer.json: roundlab::Error, or a tokenizer whose ids are in range.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"
#include "core/text/tokenizer/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = roundlab::TokenizerFromJson(document, "fuzz");
    for (const std::string_view text :
         {"", "Hello  world's 42\r\n <s>a", " \xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80\xCC\x81\t\n "}) {
      const auto ids = tokenizer->Encode(text, roundlab::SpecialTokens::kDefault);
      for (const std::int32_t id : ids) {
        if (id < 0) std::abort();
      }
      tokenizer->Decode(ids);
    }
  } catch (const roundlab::Error&) {
    return 0;
  }
  return 0;
}
