#pragma once

#include <memory>
#include <string>

#include "core/text/tokenizer/pre_tokenizer.h"
#include "core/text/tokenizer/tokenizer.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

// One loader for each form in which tokenizers come; LoadTokenizer chooses. All throw Error naming
// the file and what is wrong with it.

/// tokenizer.json, with BOS and EOS as the files beside it name them.
std::unique_ptr<Tokenizer> LoadTokenizerJson(const std::string& folder);

/// vocab.json with merges.txt: byte-level BPE as GPT-2's or, where tokenizer_config.json names the
/// class GPTNeoXTokenizer or Qwen2Tokenizer, as theirs. Without tokenizer_config.json: GPT-2's.
std::unique_ptr<Tokenizer> LoadVocabMerges(const std::string& folder);

/// tokenizer.model, run by the sentencepiece library. With a file of the tokenizer's beside it
/// (tokenizer_config.json, special_tokens_map.json, added_tokens.json) special and added tokens are
/// found in text first: control, unknown and user-defined pieces, and what the files number or
/// name. Alone it is read as the sentencepiece library itself reads it: none is found.
///
/// Where tokenizer_config.json says tokenizer_class LlamaTokenizer, as transformers' fast one: text
/// is not normalized, and a space is put in front of it unless add_prefix_space is false, with
/// legacy true (default false, as of transformers 5) behind each special token too. Else the
/// model's own normalizer_spec counts, and its space stands at the beginning of the text only. We
/// differ from transformers 5.23 where its conversion loses something that 4.51 and sentencepiece
/// itself have: unknown characters become the unknown piece (5.23 drops them where there are no
/// byte pieces), pieces are merged by their scores (5.23: by their ids, which cuts runs of spaces
/// by Llama 2's differently), unigram models stay unigram models, files without tokenizer_class
/// leave the model its space, and BOS is added where no file speaks of it.
///
/// BOS stands in front by default unless tokenizer_config.json says add_bos_token false, EOS at the
/// end where it says add_eos_token true.
std::unique_ptr<Tokenizer> LoadSentencePiece(const std::string& folder);

/// tokenizer.model of either form: sentencepiece's, or tiktoken's (core/text/tokenizer/tiktoken.h).
std::unique_ptr<Tokenizer> LoadTokenizerModel(const std::string& folder);

/// tekken.json.
std::unique_ptr<Tokenizer> LoadTekken(const std::string& folder);

/// The tokenizer.ggml.* keys of a GGUF file.
std::unique_ptr<Tokenizer> LoadGgufTokenizer(const std::string& path);

/// Patterns of well-known tokenizers, in Oniguruma syntax, for MakeSplit isolated.
inline constexpr const char* kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr const char* kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Split at `regex`, then bytes as characters.
std::unique_ptr<PreTokenizer> MakeSplitByteLevel(const char* regex);

/// The template that puts BOS in front and EOS at the end where they are wanted. Throws Error
/// "<place>: ..." where one is wanted and not known.
TokenTemplate BosEosTemplate(const std::string& place, const SpecialIds& special, bool add_bos,
                             bool add_eos);

}  // namespace roundlab
