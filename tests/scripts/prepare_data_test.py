"""Tests of scripts/prepare_data.py without the `datasets` library."""
import contextlib
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("ROUNDLAB_SHARED") or ROOT / "../shared")
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import prepare_data  # noqa: E402

CORPORA = prepare_data.CORPORA


def file_of(rows=2, path="tasks/t/test.jsonl", write=prepare_data.json_line, sha256=None):
    return prepare_data.File(path, "owner/set", {}, rows, ("text",), write, sha256)


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def files(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def error(self, file, rows, **options):
        with self.assertRaises(prepare_data.DataError) as caught:
            prepare_data.prepare(file, self.folder, lambda _: rows, **options)
        return str(caught.exception)


class TableTest(unittest.TestCase):
    def test_all_are_files_of_the_catalogue(self):
        catalogue = (ROOT / "configs/catalogue.yaml").read_text()
        for name, source in prepare_data.SOURCES.items():
            self.assertIn(f"- name: {name}\n", catalogue)
            self.assertIn(f"scripts/prepare_data {name}", catalogue)
            for file in source.files:
                self.assertRegex(catalogue, re.escape(f"path: {file.path}") + "[,}]")

    def test_every_file_has_its_own_place_and_the_documentation_names_all(self):
        paths = [file.path for source in prepare_data.SOURCES.values() for file in source.files]
        self.assertEqual(len(paths), len(set(paths)))
        documented = (ROOT / "docs/data.md").read_text()
        for name, source in prepare_data.SOURCES.items():
            self.assertIn(f"| `{name}` |", documented)
            for file in source.files:
                self.assertIn(file.repository, documented)
                self.assertIn(f"{file.rows:,}", documented, file.path)


class RowsTest(unittest.TestCase):
    def test_json_keeps_fields_order_and_letters(self):
        row = {"b": "\u00e4\n\u2028", "a": {"text": ["x", None], "n": [1, True]},
               "t": datetime.datetime(2019, 4, 25, 12, 57, 54)}
        self.assertEqual(prepare_data.json_line(row),
                         '{"b": "\u00e4\\n\u2028", "a": {"text": ["x", null], "n": [1, true]}, '
                         '"t": "2019-04-25T12:57:54Z"}\n')
        with self.assertRaisesRegex(TypeError, "^no JSON form for bytes$"):
            prepare_data.json_line({"a": b""})

    def test_wikitext_lines_are_those_of_the_raw_release(self):
        self.assertEqual(prepare_data.wikitext_line({"text": ""}), " \n")
        self.assertEqual(prepare_data.wikitext_line({"text": " = A = \n"}), " = A = \n")
        self.assertEqual(prepare_data.treebank_line({"sentence": "a <unk> b"}), " a <unk> b \n")


class RealFilesTest(FolderTest):
    """From the original file to the hub's rows (as its loading scripts did it) and back."""

    def back(self, file, rows):
        found = prepare_data.prepare(file, self.folder, lambda _: rows)
        self.assertEqual(found, (file.rows, file.sha256))

    def lines(self, path):
        if not (SHARED / "data" / path).exists():
            self.skipTest(f"needs data/{path} under ROUNDLAB_SHARED or beside the source")
        opened = gzip.open if path.endswith(".gz") else open
        with opened(SHARED / "data" / path, "rt", encoding="utf-8", newline="\n") as text:
            return list(text)

    def test_wikitext(self):
        for file in CORPORA["wikitext2"].files[:2]:
            lines = self.lines(file.path)
            self.back(file, [{"text": line if line.strip() else ""} for line in lines])

    def test_penn_treebank(self):
        for file in CORPORA["ptb"].files[::2]:
            self.back(file, [{"sentence": line.strip()} for line in self.lines(file.path)])


class PrepareTest(FolderTest):
    ROWS = [{"text": "a"}, {"text": "\u00e4"}]
    TEXT = '{"text": "a"}\n{"text": "\u00e4"}\n'.encode()
    DIGEST = hashlib.sha256(TEXT).hexdigest()

    def test_writes_whole_files_with_count_and_hash(self):
        found = prepare_data.prepare(file_of(), self.folder, lambda _: self.ROWS)
        self.assertEqual(found, (2, self.DIGEST))
        self.assertEqual((self.folder / "tasks/t/test.jsonl").read_bytes(), self.TEXT)

    def test_packed_files_are_the_same_bytes_every_time(self):
        file = file_of(path="a.jsonl.gz")
        packed = []
        for _ in range(2):
            self.assertEqual(prepare_data.prepare(file, self.folder, lambda _: self.ROWS, True), (2, self.DIGEST))
            packed.append((self.folder / "a.jsonl.gz").read_bytes())
        self.assertEqual(gzip.decompress(packed[0]), self.TEXT)
        self.assertEqual(packed[0], packed[1])

    def test_another_count_or_hash_is_an_error_and_leaves_nothing(self):
        self.assertEqual(self.error(file_of(rows=3), self.ROWS),
                         "owner/set gave 2 rows, expected 3; nothing was written (--unchecked takes it)")
        self.assertEqual(self.error(file_of(sha256="ab"), self.ROWS),
                         f"owner/set gave SHA-256 {self.DIGEST}, expected ab; nothing was written "
                         "(--unchecked takes it)")
        self.assertEqual(self.files(), [])
        found = prepare_data.prepare(file_of(rows=3), self.folder, lambda _: self.ROWS, unchecked=True)
        self.assertEqual(found, (2, self.DIGEST))

    def test_a_row_without_its_field_is_an_error(self):
        expected = "row 2 of owner/set has no 'text' (it has: txt, n)"
        self.assertEqual(self.error(file_of(), [{"text": ""}, {"txt": "b", "n": 1}], unchecked=True), expected)
        self.assertEqual(self.error(file_of(), [{"text": ""}, {"txt": "b", "n": 1, "text": None}]),
                         "row 2 of owner/set has no 'text' (it has: txt, n, text)")
        self.assertEqual(self.files(), [])

    def test_a_break_midway_leaves_the_old_file(self):
        def broken():
            yield self.ROWS[0]
            raise KeyboardInterrupt

        (self.folder / "a").write_text("old")
        with self.assertRaises(KeyboardInterrupt):
            prepare_data.prepare(file_of(path="a"), self.folder, lambda _: broken(), replace=True)
        self.assertEqual(self.files(), ["a"])
        self.assertEqual((self.folder / "a").read_text(), "old")

    def test_what_is_there_is_checked_and_kept(self):
        def must_not_load(_):
            self.fail("loaded")

        (self.folder / "a").write_bytes(self.TEXT)
        self.assertEqual(prepare_data.prepare(file_of(path="a"), self.folder, must_not_load), (2, self.DIGEST))
        self.assertEqual(self.error(file_of(rows=5, path="a"), []),
                         "is there, but has 2 rows, expected 5: remove it, or give --replace or --unchecked")
        self.assertEqual((self.folder / "a").read_bytes(), self.TEXT)


class MainTest(FolderTest):
    def run_main(self, words, load):
        out, err = io.StringIO(), io.StringIO()
        with unittest.mock.patch.dict(os.environ, {"ROUNDLAB_DATA": str(self.folder)}):
            return prepare_data.main(words, load, out, err), out.getvalue(), err.getvalue()

    def test_one_failure_does_not_stop_the_others(self):
        def load(file):
            if file.options["split"] == "test":
                raise ValueError("no such set")
            return [{"subject": "a", "question": "?", "choices": ["x"], "answer": 0}] * 285

        code, out, err = self.run_main(["mmlu", "mmlu"], load)
        self.assertEqual(code, 1)
        self.assertEqual(self.files(), ["tasks/mmlu/dev.jsonl"])
        digest = hashlib.sha256((self.folder / "tasks/mmlu/dev.jsonl").read_bytes()).hexdigest()
        self.assertEqual(out, f"tasks/mmlu/dev.jsonl  285 rows  sha256 {digest}\n")
        self.assertEqual(err.splitlines(), [
            "tasks/mmlu/test.jsonl", "tasks/mmlu/test.jsonl: no such set", "tasks/mmlu/dev.jsonl",
            "missing files: 1; see above"])

    def test_a_hub_that_cannot_be_reached_ends_it_at_once(self):
        asked = []

        def load(file):
            asked.append(file.path)
            raise ConnectionError("Couldn't reach 'x' on the Hub")

        self.assertEqual(self.run_main(["rte", "mmlu"], load), (
            1, "", "tasks/rte/validation.jsonl\ntasks/rte/validation.jsonl: Couldn't reach 'x' on the Hub: "
                   "stopping (docs/data.md has other ways to get it)\n"))
        self.assertEqual(asked, ["tasks/rte/validation.jsonl"])

    def test_list_names_files_and_licences(self):
        self.assertEqual(self.run_main(["--list", "rte"], None), (
            0, "rte  (research use)\n  tasks/rte/validation.jsonl  277 rows of nyu-mll/glue\n"
               "  tasks/rte/train.jsonl  2490 rows of nyu-mll/glue\n", ""))

    def test_an_unknown_name_ends_with_2_and_the_nearest(self):
        err = io.StringIO()
        with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(err):
            prepare_data.main(["hellaswg"])
        self.assertEqual(caught.exception.code, 2)
        self.assertEqual(err.getvalue().splitlines()[-1],
                         "scripts/prepare_data: error: unknown name 'hellaswg'; did you mean 'hellaswag'? (known: "
                         + ", ".join(sorted(prepare_data.SOURCES)) + ")")


if __name__ == "__main__":
    unittest.main()
