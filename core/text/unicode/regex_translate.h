#pragma once

#include <string>
#include <string_view>

namespace roundlab {

/// The Hugging Face library compiles the patterns of a tokenizer.json with Oniguruma in Ruby
/// syntax; we run PCRE2. TranslateRegex rewrites such a pattern so that PCRE2 (UTF, UCP, MULTILINE,
/// newline LF) matches the same: classes by Oniguruma's Unicode 16.0 (PCRE2 10.42 has 14.0, counts
/// U+180E as space and no mark as \w), \h a hexadecimal digit, \v U+000B, {,n} from zero, {n,m}+ a
/// repeated group. A construct whose meaning differs and that no known tokenizer uses (nested and
/// POSIX classes, &&, back references, \G, \K, \X, absence operators) throws Error "regex
/// '<pattern>': <what> at offset N is not supported".
std::string TranslateRegex(std::string_view pattern);

}  // namespace roundlab
