"""Writes tokenizer_cases.jsonl: small hand-made tokenizer.json documents and what the Hugging Face
library makes of awkward texts with them. Needs `pip install tokenizers==0.23.3`; run by hand:
    python make_tokenizer_cases.py > tokenizer_cases.jsonl
"""
import json

import tokenizers
from tokenizers import Tokenizer, pre_tokenizers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
MARK = "\u2581"
TEXTS = [
    "", "Hello the thing", "  the  the ", "the12345 12 1\u00bd\u0663", "it's IT'S 's\u017f",
    "a\r\nb\n\n\n c \t\u00a0\u180e\u3000x", "\u00e9 e\u0301 \ufb01 \u212b \uac00 \u1100\u1161",
    "\u4f60\u597d,\u4e16\u754c!", "<s>the</s> <mask> the<mask>the", "the the1 _the the.",
    "\U0001f600\u200d\U0001f525 \U0001f1e9\U0001f1ea", "$x=\u20ac1.50; (a)[b]{c}", "THE Th\u0130",
    "\u0897\u1c89\U000105c0\U00011bf0 \u16fe4", "\u2581the \u2581", "the" * 40 + " " * 9,
]


def bpe(alphabet, merges, **options):
    vocab = {}
    for token in alphabet:
        vocab.setdefault(token, len(vocab))
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    model = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None,
                 end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                 ignore_merges=False)
    model.update(options, vocab=vocab, merges=[list(merge) for merge in merges])
    return model


def byte_level_model(**options):
    merges = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("l", "l"), ("H", "e"), ("He", "ll"),
              ("Hell", "o"), ("i", "n"), ("in", "g"), ("1", "2"), ("\u010a", "\u010a"),
              ("\u0120", "\u0120"), ("\u00c3", "\u00a9"), ("'", "s"), ("3", "4"), ("the", "the")]
    return bpe(sorted(pre_tokenizers.ByteLevel.alphabet()), merges, **options)


def text_model(*extra, **options):
    merges = [("t", "h"), ("th", "e"), (MARK, "the"), ("e", MARK), (MARK, MARK), ("1", "2"),
              ("h", "e"), ("l", "l"), ("the", MARK), (MARK, "t")]
    return bpe(list(extra) + list("abcdefghilnorstx12345.,!'THE") + [MARK, " "], merges,
               **options)


def added(content, **flags):
    token = dict(id=0, content=content, single_word=False, lstrip=False, rstrip=False,
                 normalized=False, special=False)
    token.update(flags)
    return token


def document(model, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None,
             tokens=()):
    return dict(version="1.0", truncation=None, padding=None, added_tokens=list(tokens),
                normalizer=normalizer, pre_tokenizer=pre_tokenizer, post_processor=post_processor,
                decoder=decoder, model=model)


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def byte_level(prefix=False, regex=True):
    return dict(type="ByteLevel", add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return dict(type="Split", pattern={kind: pattern}, behavior=behavior, invert=invert)


def metaspace(scheme, cut=True):
    return dict(type="Metaspace", replacement=MARK, prepend_scheme=scheme, split=cut)


def cases():
    digits = dict(type="Digits", individual_digits=True)
    runs = dict(type="Digits", individual_digits=False)
    bytes_decoder = byte_level()
    llama_decoder = sequence(
        "decoders", dict(type="Replace", pattern={"String": MARK}, content=" "),
        dict(type="ByteFallback"), dict(type="Fuse"),
        dict(type="Strip", content=" ", start=1, stop=0))
    template = dict(
        type="TemplateProcessing",
        single=[{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        special_tokens={"<s>": {"id": "<s>", "ids": [1, 2], "tokens": ["a", "b"]},
                        "</s>": {"id": "</s>", "ids": [3], "tokens": ["c"]}})
    specials = [added("<s>", special=True), added("</s>", special=True, rstrip=True),
                added("<mask>", special=True, lstrip=True), added("the", single_word=True)]
    fallback = ["<unk>"] + ["<0x%02X>" % byte for byte in range(256)]
    mark_spaces = dict(type="Replace", pattern={"String": " "}, content=MARK)
    llama = sequence("normalizers", dict(type="Prepend", prepend=MARK), mark_spaces)

    yield "gpt2", document(byte_level_model(), None, byte_level(), None, bytes_decoder)
    yield "prefix_space", document(byte_level_model(), None, byte_level(True), byte_level())
    yield "smollm", document(byte_level_model(), None,
                             sequence("pretokenizers", digits, byte_level()))
    yield "falcon", document(
        byte_level_model(), None,
        sequence("pretokenizers", dict(type="Punctuation", behavior="Contiguous"), byte_level(),
                 runs, split("[0-9][0-9][0-9]")))
    yield "llama3", document(
        byte_level_model(ignore_merges=True), None,
        sequence("pretokenizers", split(LLAMA3), byte_level(regex=False)),
        sequence("processors", byte_level(), template), bytes_decoder, specials)
    yield "qwen2_nfc", document(
        byte_level_model(), dict(type="NFC"),
        sequence("pretokenizers", split(LLAMA3.replace("{1,3}", "")), byte_level(regex=False)))
    yield "llama_spm", document(
        text_model(*fallback, byte_fallback=True, unk_token="<unk>", fuse_unk=True), llama, None,
        template, llama_decoder, [added("<unk>", normalized=True, special=True), added("<s>")])
    for scheme in ("always", "first", "never"):
        yield "metaspace_" + scheme, document(
            text_model("<unk>", unk_token="<unk>"), None, metaspace(scheme, scheme != "never"),
            None, metaspace(scheme), specials)
    yield "normalized_tokens", document(
        text_model("<unk>", unk_token="<unk>", fuse_unk=True),
        sequence("normalizers", dict(type="NFKC"), dict(type="Lowercase"),
                 dict(type="Strip", strip_left=True, strip_right=True)),
        dict(type="WhitespaceSplit"), None, None,
        [added("THE", normalized=True), added("\u212b", normalized=True, single_word=True)])
    yield "no_unk", document(text_model(), dict(type="NFD"), dict(type="Whitespace"))
    for behavior in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        yield "split_" + behavior, document(
            text_model("<unk>", unk_token="<unk>"), dict(type="NFKD"),
            split(r"\s|[.,!]|the", behavior, behavior == "Removed"))


def write_cases(named_documents, texts):
    """Prints a line a case: the document, the texts, and the library's ids and decoded texts."""
    for name, tokenizer in named_documents:
        text = json.dumps(tokenizer)
        library = Tokenizer.from_str(text)
        plain = [e.ids for e in library.encode_batch(texts, add_special_tokens=False)]
        special = [e.ids for e in library.encode_batch(texts, add_special_tokens=True)]
        decoded = [library.decode(ids, skip_special_tokens=False) for ids in plain]
        print(json.dumps(dict(name=name, library="tokenizers " + tokenizers.__version__,
                              tokenizer=text, texts=texts, ids=plain, special=special,
                              decoded=decoded)))


if __name__ == "__main__":
    write_cases(cases(), TEXTS)
