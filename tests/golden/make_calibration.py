"""Writes calibration.txt beside this file: which tokens Python's own libraries take for calibration.

Needs Python with datasets and tokenizers, and the shared folder in ROUNDLAB_SHARED. Run by hand; the
result is committed and read by tests/core/text/data/calibration_golden_test.cpp. The documents are drawn
by datasets' shuffle and by Python's random, the ids are those of the tokenizers library, and the
rules are those of auto-round 0.16.1 (pile-10k) and of the GPTQ code (datautils.py, get_c4 and
get_wikitext2).

A line: protocol, seed, samples, tokens a sample, tokenizer, data, SHA-256 of the ids as int32.
"""
import gzip
import hashlib
import json
import os
import pathlib
import random

import datasets
import numpy
import tokenizers

SHARED = pathlib.Path(os.environ["ROUNDLAB_SHARED"])
PILE = "data/pile/pile-sample.jsonl.gz"
C4 = "data/c4/c4-en-train.part.jsonl.gz"
WIKITEXT = "data/wikitext-2-raw/wiki.valid.raw"


def documents(path):
    with gzip.open(SHARED / path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file if line.strip()]


def wikitext_rows(path):
    """The rows of the data set: a blank line is the empty string, others keep their newline."""
    lines = (SHARED / path).read_text(encoding="utf-8").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line + "\n" if line.strip() else "" for line in lines]


def encoder(folder):
    tokenizer = tokenizers.Tokenizer.from_file(str(SHARED / folder / "tokenizer.json"))
    return lambda text: tokenizer.encode(text).ids


def signround(encode, texts, seed, samples, length):
    rows = []
    for text in datasets.Dataset.from_dict({"text": texts}).shuffle(seed=seed)["text"]:
        ids = encode(text)[:length]
        if len(ids) < length or ids.count(ids[-1]) > length // 2:
            continue
        rows.append(ids)
        if len(rows) == samples:
            break
    return rows


def gptq_c4(encode, texts, seed, samples, length):
    random.seed(seed)
    rows = []
    while len(rows) < samples:
        ids = encode(texts[random.randint(0, len(texts) - 1)])
        if len(ids) <= length:
            continue
        begin = random.randint(0, len(ids) - length - 1)
        rows.append(ids[begin:begin + length])
    return rows


def gptq_wikitext2(encode, texts, seed, samples, length):
    ids = encode("\n\n".join(texts))
    random.seed(seed)
    rows = []
    for _ in range(samples):
        begin = random.randint(0, len(ids) - length - 1)
        rows.append(ids[begin:begin + length])
    return rows


def main():
    lines = [f"# datasets {datasets.__version__}, tokenizers {tokenizers.__version__}, "
             f"numpy {numpy.__version__}"]
    cases = [
        (signround, PILE, 42, 128, 512), (signround, PILE, 7, 16, 2048),
        (gptq_c4, C4, 0, 128, 512), (gptq_c4, C4, 42, 32, 1024),
        (gptq_wikitext2, WIKITEXT, 0, 128, 2048), (gptq_wikitext2, WIKITEXT, 3, 8, 333),
    ]
    for folder in ("tokenizers/gpt2", "tokenizers/smollm2"):
        encode = encoder(folder)
        for make, data, seed, samples, length in cases:
            texts = wikitext_rows(data) if data == WIKITEXT else documents(data)
            rows = make(encode, texts, seed, samples, length)
            assert len(rows) == samples
            digest = hashlib.sha256(numpy.array(rows, dtype="<i4").tobytes()).hexdigest()
            lines.append(f"{make.__name__} {seed} {samples} {length} {folder} {data} {digest}")
    (pathlib.Path(__file__).parent / "calibration.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
