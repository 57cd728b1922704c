"""Writes fewshot.txt beside this file: which examples lm-evaluation-harness puts before a document.

Needs Python with lm_eval (0.4). Run by hand; the result is committed and read by
tests/eval/task_test.cpp. The sampler is the harness's own, seeded as simple_evaluate seeds it.

A line: documents in the pool, how many copies there are of each, examples, whether the documents
are of the pool themselves (1) or others (0); then for documents 0, 1, ... 7 the examples' numbers.
"""
import pathlib

import lm_eval
from lm_eval.api.samplers import get_sampler

SEED = 1234  # fewshot_random_seed of simple_evaluate

CASES = [(40, 1, 5, True), (40, 1, 5, False), (500, 1, 3, True), (24, 6, 3, True), (9, 3, 6, True)]


def main():
    lines = [f"# lm_eval {lm_eval.__version__}"]
    for size, copies, shots, same in CASES:
        pool = [{"number": i // copies} for i in range(size)]
        sampler = get_sampler("default")(pool, rnd=SEED)
        drawn = []
        for i in range(8):
            document = pool[i] if same else None
            drawn.append([example["number"] for example in sampler.sample(shots, document)])
        numbers = " ".join(",".join(map(str, examples)) for examples in drawn)
        lines.append(f"{size} {copies} {shots} {int(same)} {numbers}")
    (pathlib.Path(__file__).parent / "fewshot.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
