#pragma once

#include <string>
#include <string_view>

namespace roundlab {

/// The Hugging Face library asks several Unicode versions at once: Oniguruma and the Rust `regex`
/// crate 16.0, the Rust standard library 17.0, its punctuation table 8.0, its normalizer 9.0. The
/// functions below give its answers; the tables behind them were read off the library itself
/// (tokenizers 0.23.3) code point by code point.

/// General category as of Unicode 16.0, "Lu", "Cn", ...
std::string_view GeneralCategory(char32_t code_point);

bool IsWhiteSpace(char32_t code_point);   ///< White_Space (25 code points)
bool IsWord(char32_t code_point);         ///< \w of Unicode UTS 18, with U+200C and U+200D
bool IsNumeric(char32_t code_point);      ///< categories Nd, Nl, No
bool IsPunctuation(char32_t code_point);  ///< ASCII punctuation, and P as of Unicode 8.0

/// Appends the full lower-case mapping of one code point (no final-sigma rule).
void AppendLowercase(char32_t code_point, std::string* out);

/// Appends the simple title-case mapping of one code point (Unicode 14).
void AppendTitlecase(char32_t code_point, std::string* out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

/// Unicode normalization, UAX 15, with the data of Unicode 9.0.
/// Throws Error where utf8proc refuses (out of memory).
std::string NormalizeUnicode(std::string_view text, NormalForm form);

}  // namespace roundlab
