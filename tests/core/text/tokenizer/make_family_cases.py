"""Writes family_cases.jsonl: tokenizers of the same parts as those of well-known model families, trained
here on a little text because the real vocabularies are large, and what the Hugging Face library makes of
awkward texts with them. Needs `pip install tokenizers==0.23.3`; run by hand:
    python make_family_cases.py [TEXTS_EACH] > family_cases.jsonl
"""
import json
import random
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split
from tokenizers import Regex

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT4 = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|"
        r"\s+(?!\S)|\s+")
LLAMA3 = CONTRACTIONS + (r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                         r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = CONTRACTIONS + (r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                         r"\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+|[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER +
          r"*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + CONTRACTIONS + r"?|[^\r\n\p{L}\p{N}]?" + UPPER + "+" +
         LOWER + "*" + CONTRACTIONS + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
             r""" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
CASED = "".join("-".join(chr(int(end, 16)) for end in part.split("-")) for part in (  # DeepSeek's letters
    "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A "
    "38C 38E-3A1 3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF "
    "1D00-1D2B 1D6B-1D77 1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D "
    "1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 "
    "1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2134 2139 213C-213F "
    "2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B A722-A76F "
    "A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 "
    "104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943").split())
MARK = "\u2581"
CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 2024, they're here and I'll stay; we've 1234567 reasons.",
    "def main(args):\n    for i in range(10):\n        print(i, args[i])\n\n\treturn None\r\n",
    "caf\u00e9 na\u00efve \u00fcber \u00c5ngstr\u00f6m \u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f \uc548\ub155 "
    "\u0645\u0631\u062d\u0628\u0627\u060c \u0928\u092e\u0938\u094d\u0924\u0947\u0964 \u041f\u0440\u0438\u0432\u0435\u0442!",
    "the theme of the thesis is there; hello hello world, (a) [b] {c} <d> x=y+z != 3.14159 $5 \u20ac6 100% a_b c-d",
    "HELLO World iPhone McDonald USA's DON'T   spaces    and  more     \n\n\nlines", "\U0001f600\U0001f601 \u2764\ufe0f"] * 3
PIECES = ["the", " the", "The", "THE", "It's", "'S", "'ll", "'\u017f", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\r", "\u00a0",
          "\u3000", "\u2009", "1", "12", "123", "1234567", "\u0663", "\u00bd", "\u00b2", "\u2167", "a", "B", "\u01c5", "\u02b0", "\u00e9", "e\u0301",
          "\u212b", "\ufb01", "\u4f60\u597d", "\u3002", "\uff0c", "\u3053", "\u30ab\u309a", "\uac00", "\u1100\u1161", "\u0645\u0631", "\u060c",
          "\u0928\u092e\u0938\u094d", "\u0964", "\u041f\u0440", ".", ",", "!", "?!", "...", "\u2026", "$", "\u20ac", "+", "==", "<", ">", "|", "~",
          "^", "`", "_", "-", "/", "\\", "(", ")", "[", "]", "{", "}", "\u201c", "\u2019", "@", "#", "&", "*", "\U0001f600", "\u200d", "\ufe0f",
          "\u0301", "\u0000", "\u200b", "<s>", "</s>", " </s> ", "<pad>", "<|end|>", "<mask>", "\u2581", "\u2581the", "hello", " hello",
          "world", "return", "\U0002f800", "\u0130", "\u0378", "\U000e0001", "    ", "        ", "xyzzy", "a_b", "//", "/\n", "\u1e9e"]


def split(pattern, behavior="isolated", invert=False):
    return Split(Regex(pattern), behavior, invert)


def byte_bpe(pre_tokenizer, normalizer=None, vocab=360, post=None, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=ByteLevel.alphabet(), special_tokens=["<s>", "</s>", "<pad>"],
        show_progress=False))
    if post is not None:
        tokenizer.post_processor = post
    return tokenizer


def piece_bpe(normalizer, pre_tokenizer, decoder, unk="<unk>", train_pre=None, **options):
    tokenizer = Tokenizer(models.BPE(unk_token=unk, fuse_unk=True, byte_fallback=True, **options))
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = train_pre or Split(MARK, "merged_with_next")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=430, limit_alphabet=60, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"] + ["<0x%02X>" % byte for byte in range(256)]))
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [token for token in document["added_tokens"] if token["id"] < 4]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    else:
        document = json.loads(tokenizer.to_str())
        document["pre_tokenizer"] = None
        tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.decoder = decoder
    return tokenizer


def bos(token="<s>", id=0):
    return processors.TemplateProcessing(single=token + " $A", pair=token + " $A $B", special_tokens=[(token, id)])


def families():
    gpt2 = ByteLevel(add_prefix_space=False)
    plain_bytes = ByteLevel(add_prefix_space=False, use_regex=False)
    digits = Digits(individual_digits=True)
    pieces = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    stripped = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                                  decoders.Strip(" ", 1, 0)])
    runs = [AddedToken(" " * n, normalized=True, special=False) for n in (8, 4, 3, 2)]

    yield "gpt2_prefix", byte_bpe(ByteLevel(add_prefix_space=True)), []
    yield "opt", byte_bpe(gpt2, post=bos("</s>", 1)), [AddedToken("<mask>", lstrip=True, special=True)]
    yield "opt_roberta", byte_bpe(gpt2, post=processors.RobertaProcessing(("</s>", 1), ("<s>", 0))), []
    yield "gpt_neox", byte_bpe(gpt2, normalizers.NFC(), post=processors.ByteLevel()), runs
    yield "codegen", byte_bpe(gpt2), runs + [AddedToken("\t\t", normalized=True, special=False)]
    yield "gpt4", byte_bpe(Sequence([split(GPT4), plain_bytes])), [AddedToken("<|end|>", special=True)]
    yield "gpt4_removed", byte_bpe(Sequence([split(LLAMA3, "removed", True), plain_bytes]), vocab=300), []
    yield "gpt4o", byte_bpe(Sequence([split(GPT4O), plain_bytes])), []
    yield "llama3", byte_bpe(Sequence([split(LLAMA3), plain_bytes]), ignore_merges=True, post=processors.Sequence(
        [processors.ByteLevel(), bos()])), [AddedToken("<|end|>", special=True, normalized=False)]
    yield "qwen2", byte_bpe(Sequence([split(QWEN2), plain_bytes]), normalizers.NFC(),
                            post=processors.ByteLevel(trim_offsets=False)), [AddedToken("<|end|>", special=True)]
    yield "qwen35", byte_bpe(Sequence([split(QWEN35), plain_bytes]), normalizers.NFC()), []
    yield "tekken", byte_bpe(Sequence([split(TEKKEN), plain_bytes]), ignore_merges=True), []
    yield "starcoder", byte_bpe(Sequence([digits, gpt2])), [AddedToken("<|end|>", special=True)]
    yield "command_r", byte_bpe(Sequence([digits, gpt2]), normalizers.NFC()), []
    yield "bloom", byte_bpe(Sequence([split(BLOOM), plain_bytes]), post=processors.ByteLevel(trim_offsets=False)), []
    yield "falcon", byte_bpe(Sequence([Punctuation("contiguous"), gpt2, Digits(False), split("[0-9][0-9][0-9]")])), []
    yield "deepseek_coder", byte_bpe(Sequence(
        [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), digits, plain_bytes]),
        normalizers.Sequence([])), [AddedToken("<|end|>", normalized=True)]
    yield "deepseek_llm", byte_bpe(Sequence(
        [split("[\r\n]"), split("\\s?[" + CASED + "]+"),
         split("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"), split(r"\s+$"), split(CJK), digits,
         plain_bytes]), normalizers.Sequence([])), []
    yield "deepseek_v3", byte_bpe(Sequence(
        [split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK3), plain_bytes])), []
    yield "superbpe", byte_bpe(Sequence([split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))"), plain_bytes])), []
    yield "tiny_aya", byte_bpe(Sequence([split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(GPT4O), plain_bytes])), []
    yield "byte_level_normalizer", byte_bpe(Split("\u0120", "merged_with_next"), normalizers.ByteLevel()), []
    yield "mistral_v1", piece_bpe(normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)]), None,
                                  stripped), []
    yield "llama_legacy_false", piece_bpe(None, Metaspace(prepend_scheme="first", split=False), stripped), [
        AddedToken("<|end|>", rstrip=True, special=True)]
    yield "llama_always", piece_bpe(None, Metaspace(prepend_scheme="always", split=True), stripped), [
        AddedToken("<mask>", lstrip=True, normalized=True)]
    yield "gemma", piece_bpe(normalizers.Replace(" ", MARK), Split(" ", "merged_with_previous"), pieces), [
        AddedToken("\n\n", normalized=False), AddedToken("<mask>", normalized=False)]
    yield "yi", piece_bpe(normalizers.Sequence([normalizers.Replace(" ", MARK)]), None, pieces), []


def texts(seed, count):
    draw = random.Random(seed)
    return ["", " ", "\n"] + ["".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 14)))
                              for _ in range(count)]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    for seed, (name, tokenizer, added) in enumerate(families()):
        if added:
            tokenizer.add_tokens(added)
        text = tokenizer.to_str()
        library = Tokenizer.from_str(text)
        chosen = texts(seed, count)
        plain = [e.ids for e in library.encode_batch(chosen, add_special_tokens=False)]
        special = [e.ids for e in library.encode_batch(chosen, add_special_tokens=True)]
        decoded = [library.decode(ids, skip_special_tokens=False) for ids in plain]
        print(json.dumps(dict(name=name, library="tokenizers " + tokenizers.__version__, tokenizer=text,
                              texts=chosen, ids=plain, special=special, decoded=decoded)))


if __name__ == "__main__":
    main()
