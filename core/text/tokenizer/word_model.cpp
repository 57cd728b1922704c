#include "core/text/tokenizer/word_model.h"

namespace roundlab {

std::string ByteToken(unsigned char byte) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4U] + kDigits[byte & 15U] + ">";
}

}  // namespace roundlab
