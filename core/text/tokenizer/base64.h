#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace roundlab {

/// The bytes of padded base64 (RFC 4648, section 4); nullopt where it is none.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace roundlab
