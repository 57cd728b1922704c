"""Writes unigram_cases.jsonl: small hand-made tokenizer.json documents with a Unigram model and what
the Hugging Face library makes of awkward texts with them. Needs `pip install tokenizers==0.23.3`;
run by hand:
    python make_unigram_cases.py > unigram_cases.jsonl
"""
import base64
import struct

from make_tokenizer_cases import write_cases

MARK = "\u2581"
TEXTS = [
    "", "Hello the thing", "  the  the ", "aaaaaaaab abab", "a\r\nb\n\n\n c \t\u00a0\u3000x",
    "\u00e9 e\u0301 \ufb01 \u212b \u2122 \uac00", "\u4f60\u597d,\u4e16\u754c!", "<unk> <unk><unk>x",
    "<s>the</s> the<mask>the", "\u2581the \u2581", "zzz the zz", "\U0001f600\u200d\U0001f525",
    "e\u0301\u0302 o\u0308x\u0308 \u2122\u0301 \u0600a\u0601", "the" * 40 + " " * 9, "\x00\x01a\x7f",
    "aaaaa",
]
RULES = {"\r\n": " ", "\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "\ufb01": "fi", "\x7f": "",
         "\u2122": "TM", "\u212b": "\u00c5", "e\u0301": "\u00e9", "o": "0", "x": "y", "H": "h",
         "\u0600": "a", "\u200d": ""}


def charsmap(rules):
    """The bytes that sentencepiece has for such rules."""
    texts, offsets = b"", {}
    for replacement in rules.values():
        if replacement not in offsets:
            offsets[replacement] = len(texts)
            texts += replacement.encode() + b"\0"
    values = {key.encode(): offsets[value] for key, value in rules.items()}
    children = {prefix: set() for prefix in sorted({key[:n] for key in values for n in range(len(key) + 1)})}
    for prefix in filter(None, children):
        children[prefix[:-1]].add(prefix[-1])
    units, places, blocks = {0: 0}, {b"": 0}, set()
    for prefix in children:
        labels = sorted(children[prefix]) + [0] * (prefix in values)
        block = next(b for b in range(1, 1 << 20)
                     if b not in blocks and all(b ^ label not in units for label in labels))
        blocks.add(block)
        for label in labels:
            units[block ^ label] = label
            places[prefix + bytes([label])] = block ^ label
        place = places[prefix]
        units[place] |= (place ^ block) << 10 | (prefix in values) << 8
        if prefix in values:
            units[block] = 0x80000000 | values[prefix]
    array = [units.get(place, 0x80000000) for place in range((max(units) | 255) + 1)]
    return struct.pack("<I", 4 * len(array)) + struct.pack("<%dI" % len(array), *array) + texts


def precompiled(rules):
    return dict(type="Precompiled", precompiled_charsmap=base64.b64encode(charsmap(rules)).decode())


def unigram(*more, fallback=False, unk_id=0):
    pieces = {"<unk>": 0.0}
    if fallback:
        pieces.update({"<0x%02X>" % byte: 0.0 for byte in range(256)})
    for i, letter in enumerate(MARK + "abcdefghilnorst012,.TMH" + "\u00e9\u00c5\u4f60"):
        pieces[letter] = -7.25 - i / 7
    for i, piece in enumerate([MARK + "the", "the", "he", "ab", "aa", "aaa", "ba", "ing", "in", "ll",
                               MARK + MARK, MARK + "t", "\u597d,", "hello", MARK + "Hello"]):
        pieces[piece] = -3.1 - i / 3
    pieces.update(more)
    return dict(type="Unigram", unk_id=unk_id, byte_fallback=fallback, vocab=list(pieces.items()))


def added(content, **flags):
    token = dict(id=0, content=content, single_word=False, lstrip=False, rstrip=False,
                 normalized=False, special=False)
    token.update(flags)
    return token


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def document(model, normalizer=None, pre_tokenizer=None, decoder=None, post_processor=None, tokens=()):
    return dict(version="1.0", truncation=None, padding=None, added_tokens=list(tokens),
                normalizer=normalizer, pre_tokenizer=pre_tokenizer, post_processor=post_processor,
                decoder=decoder, model=model)


def metaspace(scheme, split=True):
    return dict(type="Metaspace", replacement=MARK, prepend_scheme=scheme, split=split)


def cases():
    specials = [added("<s>", special=True), added("</s>", special=True, rstrip=True),
                added("<mask>", special=True, lstrip=True)]
    front = dict(type="TemplateProcessing",
                 single=[{"SpecialToken": {"id": "</s>", "type_id": 0}},
                         {"Sequence": {"id": "A", "type_id": 0}}],
                 pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                 special_tokens={"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}})
    spaces = dict(type="Replace", pattern={"String": " "}, content=MARK)
    pieces = sequence("decoders", dict(type="Replace", pattern={"String": MARK}, content=" "),
                      dict(type="ByteFallback"), dict(type="Fuse"),
                      dict(type="Strip", content=" ", start=1, stop=0))
    yield "xglm", document(unigram(), precompiled(RULES), metaspace("always"), metaspace("always"),
                           front, specials)
    yield "t5", document(unigram(), precompiled(RULES),
                         sequence("pretokenizers", dict(type="WhitespaceSplit"), metaspace("always")),
                         metaspace("always"), None, specials + [added("th", normalized=True)])
    yield "helium", document(unigram(fallback=True),
                             sequence("normalizers", dict(type="Prepend", prepend=MARK), spaces), None,
                             pieces, None, specials)
    yield "first", document(unigram(("a", -3.0)), sequence("normalizers", dict(type="Nmt"),
                                                          dict(type="NFKC")),
                            metaspace("first", False), metaspace("first"), None, specials)
    yield "never", document(unigram(("zz", -1.5), ("<unk><unk>", 30.0)), None, metaspace("never"))
    yield "ties", document(dict(type="Unigram", unk_id=0, vocab=[
        [MARK, -1.0], ["a", -1.0], ["aa", -2.0], ["aaa", -3.0], ["b", -0.5], ["ab", -1.5],
        ["ba", -1.5], ["aab", -2.5], ["a", -1.0]]), spaces)
    # "a" "aa" "aa" and "aa" "aaa" are the same but for rounding, that of the library's reader included
    yield "rounding", document(dict(type="Unigram", unk_id=0, vocab=[
        ["<unk>", 0.0], ["a", -3.108978748321533], ["aa", -5.978224277496338],
        ["aaa", -9.087203025817871]]))
    yield "untyped", document({"unk_id": 0, "vocab": [["<unk>", 0], ["a", -1], ["the", 2]]})


if __name__ == "__main__":
    write_cases(cases(), TEXTS)
