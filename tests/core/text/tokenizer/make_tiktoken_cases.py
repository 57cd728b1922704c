"""Writes tiktoken/tokenizer.model, in tiktoken's form as Llama 3's, and tiktoken/tekken.json, as Mistral's, of
a small vocabulary trained here, and tiktoken_cases.jsonl, what tiktoken reads from texts with them. Needs
`pip install tokenizers==0.23.3 tiktoken==0.14.0`; run by hand:
    python make_tiktoken_cases.py
"""
import base64
import json
import pathlib

import tiktoken
from tokenizers import decoders

from make_family_cases import LLAMA3, TEKKEN, ByteLevel, byte_bpe, split, texts
from tokenizers.pre_tokenizers import Sequence

HERE = pathlib.Path(__file__).parent
LLAMA3_SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>"] + ["<|reserved_special_token_%d|>" % i for i in range(4)] + [
    "<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"] + [
    "<|reserved_special_token_%d|>" % i for i in range(5, 251)]
TEKKEN_SPECIAL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
WITH_SPECIAL = ["a<|eot_id|> b<|begin_of_text|>", "<|reserved_special_token_250|><|reserved_special_token_251|>", "<s>[INST] hi [/INST]</s>",
                "<SPECIAL_9> <|end_of_text|"]


def ranks(pattern):
    tokenizer = byte_bpe(Sequence([split(pattern), ByteLevel(add_prefix_space=False, use_regex=False)]), vocab=420)
    alphabet = {c: b for b, c in bytes_to_characters().items()}
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])][3:]
    return {bytes(alphabet[c] for c in token): rank for rank, token in enumerate(tokens)}


def bytes_to_characters():
    visible = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    hidden = [b for b in range(256) if b not in visible]
    return {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def cases(name, encoding, first_id, bos, seed):
    chosen = texts(seed, 40) + WITH_SPECIAL
    ids = [encoding.encode(text, allowed_special="all") for text in chosen]
    return dict(name=name, library="tiktoken " + tiktoken.__version__, texts=chosen, bos=bos, ids=[
        [id + first_id if id < encoding.first_special else id - encoding.first_special for id in row] for row in ids])


def encoding(pattern, base, special):
    made = tiktoken.Encoding("small", pat_str=pattern, mergeable_ranks=base,
                             special_tokens={token: len(base) + i for i, token in enumerate(special)})
    made.first_special = len(base)
    return made


def main():
    folder = HERE / "tiktoken"
    folder.mkdir(exist_ok=True)
    base = ranks(LLAMA3)
    (folder / "tokenizer.model").write_text(
        "".join("%s %d\n" % (base64.b64encode(token).decode(), rank) for token, rank in base.items()))
    llama3 = encoding(LLAMA3, base, LLAMA3_SPECIAL)
    llama3.first_special = 1 << 30
    lines = [cases("tokenizer.model", llama3, 0, len(base), 1)]
    base = ranks(TEKKEN)
    special = TEKKEN_SPECIAL + ["<SPECIAL_%d>" % i for i in range(5, 10)]
    padding = [dict(rank=len(base) + i, token_bytes=base64.b64encode(b"padding%d" % i).decode(), token_str=None)
               for i in range(3)]
    (folder / "tekken.json").write_text(json.dumps(dict(
        config=dict(pattern=TEKKEN, num_vocab_tokens=len(base) + 3, default_vocab_size=len(base) + 10,
                    default_num_special_tokens=10, version="v7"),
        vocab=[dict(rank=rank, token_bytes=base64.b64encode(token).decode(), token_str=None)
               for token, rank in base.items()] + padding,
        special_tokens=[dict(rank=i, token_str=token, is_control=True) for i, token in enumerate(TEKKEN_SPECIAL)])))
    lines.append(cases("tekken.json", encoding(TEKKEN, base, special), 10, 1, 2))
    with open(HERE / "tiktoken_cases.jsonl", "w") as out:
        for line in lines:
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
