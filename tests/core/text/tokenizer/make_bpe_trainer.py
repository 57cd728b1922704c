"""Writes bpe_trainer.json beside this file: what BpeTrainer of the Hugging Face tokenizers library
makes of a few small texts, and ids of a text that was not among them.

Needs Python with tokenizers. Run by hand; the result is committed and read by bpe_trainer_test.cpp.
"""
import json
import pathlib

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

STORY = (
    "Mira lives in Tolby. She keeps a morrel. The morrels of Mira aren't old; they're 12 years old.\n"
    "Tovan lives in Harven. He doesn't keep a morrel.\n\nQuestion: Where does Mira live?\nAnswer: Tolby\n"
)
CASES = [
    {"name": "story", "documents": [STORY, STORY.replace("Mira", "Selia"), "two two  two"], "vocab": 320},
    {"name": "runs", "documents": ["aaaa aaaaa aaaaaaaa bababab abab", "aaa bbbb ab ab"], "vocab": 275},
    {"name": "exhausted", "documents": ["ab ab c"], "vocab": 400},
    {"name": "unicode", "documents": ["Straße naïve 東京 東京タワー 😀😀 e\u0301", "Straßen 東京"], "vocab": 290},
]
PROBE = "Mira's morrel isn't in Tolby, Selia. 東京 aaaaaaa 😀"

cases = []
for case in CASES:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        case["documents"],
        trainers.BpeTrainer(
            vocab_size=case["vocab"],
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(made["vocab"], key=made["vocab"].get)
    cases.append({**case, "tokens": vocab, "merges": made["merges"], "probe": PROBE,
                  "ids": tokenizer.encode(PROBE).ids})
with open(pathlib.Path(__file__).parent / "bpe_trainer.json", "w") as out:
    json.dump({"tokenizers": tokenizers.__version__, "cases": cases}, out, ensure_ascii=True)
    out.write("\n")
