"""Writes the corpora and tasks of the experiments below ROUNDLAB_DATA, from the Hugging Face hub.

scripts/prepare_data runs this with Python's `datasets` library; everything but load() needs only the
standard library. A file is written beside its place, counted, hashed and only then renamed; one that is
there is checked and kept. stdout: a line a file; messages: stderr. Exit code 0: all there; 1: some failed;
2: bad arguments.

ROUNDLAB_DATASETS_FROM=FOLDER reads copies of the hub's repositories, FOLDER/OWNER/NAME, in place of the hub.
"""
import argparse
import collections
import datetime
import difflib
import gzip
import hashlib
import json
import os
import pathlib
import sys

# What a file is made from. options: of datasets.load_dataset. rows: of the official data set. sha256: of the
# contents, where the original file is known to us byte for byte.
File = collections.namedtuple("File", "path repository options rows fields write sha256",
                              defaults=(None,))
Source = collections.namedtuple("Source", "licence files")


class DataError(Exception):
    """What is wrong with a file or its rows."""


def value_of(value):
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"no JSON form for {type(value).__name__}")


def json_line(row):
    return json.dumps(row, ensure_ascii=False, default=value_of) + "\n"


def wikitext_line(row):
    """The line of the raw release: the hub's set has "" for its blank lines " \\n"."""
    return row["text"] or " \n"


def treebank_line(row):
    """The line of the benchmark's file, which has a space at both ends; the hub's set strips it."""
    return f" {row['sentence']} \n"


def one(path, repository, rows, fields, write=json_line, sha256=None, **options):
    return File(path, repository, options, rows, tuple(fields.split()), write, sha256)


def task(name, repository, fields, splits, config=None):
    named = {"name": config} if config else {}
    return [one(f"tasks/{name}/{split}.jsonl", repository, rows, fields, split=split, **named)
            for split, rows in splits.items()]


def wikitext(path, split, rows, sha256=None):
    return one(path, "Salesforce/wikitext", rows, "text", wikitext_line, sha256,
               name="wikitext-2-raw-v1", split=split)


def treebank(path, split, rows, sha256=None):
    # The hub's set is a script, which `datasets` runs no more: these are its rows as the hub exported them.
    return one(path, "ptb-text-only/ptb_text_only", rows, "sentence", treebank_line, sha256,
               revision="refs/convert/parquet", data_dir="penn_treebank", split=split)


def c4(shard, rows):
    return one(f"c4/{shard}", "allenai/c4", rows, "text", data_files={"train": f"en/{shard}"}, split="train")


# Names and files of configs/catalogue.yaml.
CORPORA = {
    "wikitext2": Source("CC BY-SA 3.0", [
        wikitext("wikitext-2-raw/wiki.test.raw", "test", 4358,
                 "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"),
        wikitext("wikitext-2-raw/wiki.valid.raw", "validation", 3760,
                 "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7"),
        wikitext("wikitext-2-raw/wiki.train.raw", "train", 36718)]),
    "ptb": Source("LDC, not open", [
        treebank("ptb/ptb.valid.txt", "validation", 3370,
                 "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
        treebank("ptb/ptb.test.txt", "test", 3761),
        treebank("ptb/ptb.train.txt.gz", "train", 42068,
                 "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf")]),
    "c4": Source("ODC-BY", [
        c4("c4-validation.00000-of-00008.json.gz", 45576),
        c4("c4-train.00000-of-01024.json.gz", 356317)]),
    "pile": Source("mixed, research use", [
        one("pile/pile-10k.jsonl.gz", "NeelNanda/pile-10k", 10000, "text", split="train")]),
}
# The repositories lm-eval 0.4 names, so that rows, fields and labels are the harness's. train: its few-shot rows.
TASKS = {
    "hellaswag": Source("MIT", task(
        "hellaswag", "Rowan/hellaswag", "activity_label ctx_a ctx_b endings label",
        {"validation": 10042, "train": 39905})),
    "winogrande": Source("CC BY", task(
        "winogrande", "allenai/winogrande", "sentence option1 option2 answer",
        {"validation": 1267, "train": 40398}, "winogrande_xl")),
    "piqa": Source("AFL 3.0", task(
        "piqa", "baber/piqa", "goal sol1 sol2 label", {"validation": 1838, "train": 16113})),
    "boolq": Source("CC BY-SA 3.0", task(
        "boolq", "aps/super_glue", "question passage label", {"validation": 3270, "train": 9427}, "boolq")),
    "openbookqa": Source("Apache-2.0", task(
        "openbookqa", "allenai/openbookqa", "question_stem choices answerKey",
        {"test": 500, "train": 4957}, "main")),
    "arc_easy": Source("CC BY-SA 4.0", task(
        "arc_easy", "allenai/ai2_arc", "question choices answerKey", {"test": 2376, "train": 2251}, "ARC-Easy")),
    "arc_challenge": Source("CC BY-SA 4.0", task(
        "arc_challenge", "allenai/ai2_arc", "question choices answerKey",
        {"test": 1172, "train": 1119}, "ARC-Challenge")),
    "rte": Source("research use", task(
        "rte", "nyu-mll/glue", "sentence1 sentence2 label", {"validation": 277, "train": 2490}, "rte")),
    "truthfulqa": Source("Apache-2.0", task(
        "truthfulqa", "truthfulqa/truthful_qa", "question mc1_targets mc2_targets",
        {"validation": 817}, "multiple_choice")),
    "lambada_openai": Source("modified MIT", task(
        "lambada_openai", "EleutherAI/lambada_openai", "text", {"test": 5153}, "default")),
    "mmlu": Source("MIT", task(
        "mmlu", "cais/mmlu", "subject question choices answer", {"test": 14042, "dev": 285}, "all")),
}
SOURCES = {**CORPORA, **TASKS}


def load(file):
    """The rows of a file's data set, as dicts."""
    import datasets  # only here: the rest works without it

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    mirror = os.environ.get("ROUNDLAB_DATASETS_FROM")
    if not mirror:
        return datasets.load_dataset(file.repository, **file.options)
    folder = pathlib.Path(mirror, file.repository)
    if not folder.is_dir():
        raise DataError(f"no folder {folder} (ROUNDLAB_DATASETS_FROM needs a copy of each repository, OWNER/NAME)")
    options = {key: value for key, value in file.options.items() if key != "revision"}
    if not (folder / "README.md").exists() and "data_files" not in options:
        folder /= options.pop("name", "") if (folder / options.get("name", "")).is_dir() else ""
        folder /= options.pop("data_dir", "")
        options = {"split": options["split"], "data_files": {options["split"]: split_files(folder, options["split"])}}
    return datasets.load_dataset(str(folder), **options)


def split_files(folder, split):
    """The files of a split, SPLIT-*, SPLIT.* or SPLIT/*, below a folder without the hub's description."""
    found = sorted(str(path) for path in folder.rglob("*") if path.is_file() and
                   (path.name.startswith((f"{split}-", f"{split}.")) or path.parent.name == split))
    if not found:
        raise DataError(f"no file of split '{split}' in {folder}")
    return found


def write_rows(path, file, rows):
    with open(path, "wb") as raw:
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if file.path.endswith(".gz") else raw
        for number, row in enumerate(rows, 1):
            missing = [field for field in file.fields if row.get(field) is None]
            if missing:
                raise DataError(f"row {number} of {file.repository} has no '{missing[0]}' (it has: {', '.join(row)})")
            packed.write(file.write(row).encode("utf-8"))
        if packed is not raw:
            packed.close()


def check(path, file, unchecked):
    """(lines, SHA-256) of what is in the file, unpacked."""
    lines, digest = 0, hashlib.sha256()
    with (gzip.open if file.path.endswith(".gz") else open)(path, "rb") as content:
        while block := content.read(1 << 20):
            lines += block.count(b"\n")
            digest.update(block)
    found = digest.hexdigest()
    if not unchecked and lines != file.rows:
        raise DataError(f"{lines} rows, expected {file.rows}")
    if not unchecked and file.sha256 not in (None, found):
        raise DataError(f"SHA-256 {found}, expected {file.sha256}")
    return lines, found


def prepare(file, folder, load_rows, replace=False, unchecked=False):
    """Makes one file and gives its (lines, SHA-256). Throws DataError, or what load_rows throws."""
    path = pathlib.Path(folder, file.path)
    if path.exists() and not replace:
        try:
            return check(path, file, unchecked)
        except (DataError, OSError, EOFError) as error:
            raise DataError(f"is there, but has {error}: remove it, or give --replace or --unchecked") from error
    rows = load_rows(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write_rows(part, file, rows)
        try:
            found = check(part, file, unchecked)
        except DataError as error:
            raise DataError(f"{file.repository} gave {error}; nothing was written (--unchecked takes it)") from error
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return found


def list_sources(names, out):
    for name in names:
        print(f"{name}  ({SOURCES[name].licence})", file=out)
        for file in SOURCES[name].files:
            print(f"  {file.path}  {file.rows} rows of {file.repository}", file=out)


def unknown(name):
    near = difflib.get_close_matches(name, SOURCES, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown name '{name}'{hint} (known: {', '.join(sorted(SOURCES))})"


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="scripts/prepare_data", allow_abbrev=False,
        description="Writes corpora and tasks below ROUNDLAB_DATA (default: data); all where no NAME is given.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(SOURCES))
    parser.add_argument("--list", action="store_true", help="print what there is, with licences, and stop")
    parser.add_argument("--replace", action="store_true", help="write files anew that are there")
    parser.add_argument("--unchecked", action="store_true", help="take files with other counts and hashes too")
    given = parser.parse_args(words)
    for name in given.names:
        if name not in SOURCES:
            parser.error(unknown(name))
    return given


def main(words, load_rows=load, out=sys.stdout, err=sys.stderr):
    given = arguments(words)
    names = list(dict.fromkeys(given.names or SOURCES))
    if given.list:
        list_sources(names, out)
        return 0
    failed = 0
    for file in [file for name in names for file in SOURCES[name].files]:
        print(file.path, file=err)
        try:
            lines, digest = prepare(file, os.environ.get("ROUNDLAB_DATA") or "data", load_rows,
                                    given.replace, given.unchecked)
        except ConnectionError as error:  # the others would wait for it as long, one after the other
            print(f"{file.path}: {error}: stopping (docs/data.md has other ways to get it)", file=err)
            return 1
        except Exception as error:  # of the library or the disk: the other files go on
            failed += 1
            print(f"{file.path}: {str(error) or type(error).__name__}", file=err)
            continue
        print(f"{file.path}  {lines} rows  sha256 {digest}", file=out, flush=True)
    if failed:
        print(f"missing files: {failed}; see above", file=err)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
