"""Writes sentencepiece/NAME.model, small models trained here, and sentencepiece_cases.jsonl: folders of a
tokenizer.model with the files beside it, and the ids that transformers reads from texts with them. Needs
`pip install transformers==5.23.0 sentencepiece==0.2.3 protobuf`; run by hand:
    python make_sentencepiece_cases.py
Left out is where we differ from it on purpose (core/text/tokenizer/tokenizer_loaders.h).
"""
import io
import json
import os
import pathlib
import random
import shutil
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import sentencepiece
import transformers

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "the cat sat on the mat and the dog ran to the red barn", "she said that they were happy to see the sea",
    "once upon a time there was a little girl named Lily", "he was happy, but she wasn't; they didn't know why",
    "there are 12 apples, 34 pears and 567 plums in 2024", "the day the world stood still", "  two  spaces",
    "caf\u00e9 \u00e0 la carte", "in the end, the other thing is the same", "where there is a will there is a way"]
PIECES = ["a", "b", "the", " ", " ", "  ", "   ", "\n", "\t", "<s>", "</s>", "<unk>", "<x>", "<y>", "<mask>", "<pad>",
          "w", "one ", "there", " way", "\u2581", "\u2581the", "\u00e9", "\u6c49", "\U0001f600", ".", ",", "12", "<ctl>",
          "<x", "x>", "\u00a0", "\r\n", "\n\n", "<0x41>"]
LLAMA = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}


def train():
    folder = HERE / "sentencepiece"
    folder.mkdir(exist_ok=True)
    base = dict(minloglevel=2, model_type="bpe", normalization_rule_name="identity",
                remove_extra_whitespaces=False, character_coverage=0.995)
    for name, options in {
            "llama": dict(vocab_size=360, byte_fallback=True),
            "symbols": dict(vocab_size=360, byte_fallback=True, add_dummy_prefix=False,
                            user_defined_symbols=["<mask>", "\n\n"], control_symbols=["<ctl>"]),
            "squeezing": dict(vocab_size=360, byte_fallback=True, remove_extra_whitespaces=True)}.items():
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES * 4), model_writer=out,
                                                 **(base | options))
        (folder / (name + ".model")).write_bytes(out.getvalue())


def token(content, **flags):
    return dict(dict(content=content, lstrip=False, rstrip=False, normalized=False, single_word=False,
                     special=False), **flags)


def cases():
    own = {"0": token("<unk>", special=True), "1": token("<s>", special=True), "2": token("</s>", special=True)}
    for model in ("llama", "symbols", "squeezing"):
        yield model, {"tokenizer_config": LLAMA}
    yield "llama", {"tokenizer_config": LLAMA | {"legacy": True}}
    yield "llama", {"tokenizer_config": LLAMA | {"legacy": False, "add_bos_token": False, "add_eos_token": True}}
    yield "llama", {"tokenizer_config": LLAMA | {"add_prefix_space": False}}
    yield "symbols", {"tokenizer_config": LLAMA | {"add_prefix_space": False, "legacy": True}}
    yield "symbols", {"tokenizer_config": LLAMA | {"legacy": True}}
    yield "llama", {"tokenizer_config": LLAMA, "added_tokens": {"<x>": 360, "<y>": 361}}
    yield "llama", {"tokenizer_config": LLAMA | {"bos_token": "<x>", "eos_token": "<y>", "add_eos_token": True},
                    "added_tokens": {"<x>": 360, "<y>": 361}}
    yield "llama", {"tokenizer_config": LLAMA | {"added_tokens_decoder": own | {
        "360": token("<x>", lstrip=True, rstrip=True), "361": token("<y>", rstrip=True, special=True)}}}
    yield "llama", {"tokenizer_config": LLAMA | {"legacy": True, "added_tokens_decoder": own | {
        "360": token("<x>", lstrip=True, special=True), "361": token("<y>", rstrip=True, normalized=True)}}}
    yield "llama", {"tokenizer_config": LLAMA | {"added_tokens_decoder": own | {
        "360": token("<x>", single_word=True), "361": token("<pad>", normalized=True, single_word=True)}}}
    yield "squeezing", {"tokenizer_config": LLAMA | {
        "pad_token": "<pad>", "additional_special_tokens": ["<x>", "<y>"]}}
    yield "llama", {"tokenizer_config": LLAMA, "special_tokens_map": {
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}}
    yield "symbols", {"tokenizer_config": {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True,
                                           "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
                                           "mask_token": "<mask>"}}


def texts(seed):
    draw = random.Random(seed)
    return ["", " ", "<s>", "a</s> b", "the <unk> of the day", "the <x> <y> a"] + [
        "".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 12))) for _ in range(60)]


def main():
    train()
    with open(HERE / "sentencepiece_cases.jsonl", "w") as out:
        for number, (model, files) in enumerate(cases()):
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(HERE / "sentencepiece" / (model + ".model"), folder + "/tokenizer.model")
                for name, content in (files | {"config": {"model_type": "llama"}}).items():
                    pathlib.Path(folder, name + ".json").write_text(json.dumps(content))
                library = transformers.AutoTokenizer.from_pretrained(folder)
                chosen = texts(number)
                ids = [library(text)["input_ids"] for text in chosen]
            out.write(json.dumps(dict(model=model, library="transformers " + transformers.__version__,
                                      files=files, texts=chosen, ids=ids)) + "\n")


if __name__ == "__main__":
    main()
