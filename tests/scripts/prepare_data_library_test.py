"""Tests of scripts/prepare_data.py through Python's `datasets` library, on folders made here."""
import gzip
import importlib.util
import json
import os
import unittest
import unittest.mock

import prepare_data_test
from prepare_data_test import prepare_data


@unittest.skipUnless(importlib.util.find_spec("datasets"), "needs Python's datasets library")
class ThroughTheLibraryTest(prepare_data_test.FolderTest):
    """Copies of repositories as they lie on the hub, read by the library itself."""

    def setUp(self):
        super().setUp()
        cache = str(self.folder / "cache")
        import datasets
        for patch in (unittest.mock.patch.dict(os.environ, {"ROUNDLAB_DATASETS_FROM": str(self.folder / "hub")}),
                      unittest.mock.patch.object(datasets.config, "HF_DATASETS_CACHE", cache)):
            patch.start()
            self.addCleanup(patch.stop)
        datasets.disable_progress_bars()

    def copy(self, path, rows):
        path = self.folder / "hub" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        else:
            with gzip.open(path, "wt") as text:
                text.writelines(json.dumps(row) + "\n" for row in rows)

    def rows(self, name, index=0):
        return [json.loads(line) for line in self.result(name, index)]

    def result(self, name, index=0):
        file = prepare_data.SOURCES[name].files[index]
        prepare_data.prepare(file, self.folder / "data", prepare_data.load, unchecked=True)
        path = self.folder / "data" / file.path
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return text.decode("utf-8").splitlines(keepends=True)

    def test_a_folder_for_each_config(self):
        rows = [{"id": "a", "question": "b", "choices": {"text": ["c", "d"], "label": ["A", "B"]},
                 "answerKey": "A"}]
        self.copy("allenai/ai2_arc/ARC-Easy/test-00000-of-00001.parquet", rows)
        self.copy("allenai/ai2_arc/ARC-Easy/train-00000-of-00001.parquet", rows * 3)
        self.copy("allenai/ai2_arc/ARC-Challenge/test-00000-of-00001.parquet", rows * 2)
        self.assertEqual(self.rows("arc_easy"), rows)
        self.assertEqual(len(self.result("arc_easy", 1)), 3)
        self.assertEqual(len(self.result("arc_challenge")), 2)

    def test_a_set_without_configs(self):
        rows = [{"goal": "a", "sol1": "b", "sol2": "c", "label": 1}]
        self.copy("baber/piqa/data/validation-00000-of-00001.parquet", rows)
        self.assertEqual(self.rows("piqa"), rows)

    def test_the_default_config(self):
        self.copy("EleutherAI/lambada_openai/data/test-00000-of-00001.parquet", [{"text": "a \u00e4"}])
        self.assertEqual(self.result("lambada_openai"), ['{"text": "a \u00e4"}\n'])

    def test_configs_of_a_readme(self):
        self.copy("cais/mmlu/x/test-0.parquet",
                  [{"question": "a", "subject": "b", "choices": ["c"], "answer": 0}])
        (self.folder / "hub/cais/mmlu/README.md").write_text(
            "---\nconfigs:\n- config_name: all\n  data_files:\n  - split: test\n    path: x/test-*\n---\n")
        self.assertEqual(self.result("mmlu"),
                         ['{"question": "a", "subject": "b", "choices": ["c"], "answer": 0}\n'])

    def test_splits_are_told_by_name_without_a_readme(self):
        row = {"question": "a", "subject": "b", "choices": ["c"], "answer": 0}
        for split, rows in (("dev", 1), ("validation", 2), ("test", 3)):
            self.copy(f"cais/mmlu/all/{split}-00000-of-00001.parquet", [row] * rows)
        self.assertEqual([len(self.rows("mmlu", 0)), len(self.rows("mmlu", 1))], [3, 1])

    def test_the_exported_rows_of_the_treebank(self):
        self.copy("ptb-text-only/ptb_text_only/penn_treebank/test/0000.parquet", [{"sentence": "a b"}])
        self.assertEqual(self.result("ptb", 1), [" a b \n"])

    def test_a_shard_of_c4_keeps_its_times(self):
        row = {"text": "a", "timestamp": "2019-04-25T12:57:54Z", "url": "u"}
        self.copy("allenai/c4/en/c4-train.00000-of-01024.json.gz", [row])
        self.copy("allenai/c4/en/c4-train.00001-of-01024.json.gz", [row, row])
        self.assertEqual(self.rows("c4", 1), [row])

    def test_a_missing_copy_is_named(self):
        with self.assertRaises(prepare_data.DataError) as caught:
            prepare_data.load(prepare_data.SOURCES["rte"].files[0])
        self.assertEqual(str(caught.exception),
                         f"no folder {self.folder}/hub/nyu-mll/glue (ROUNDLAB_DATASETS_FROM needs a copy of "
                         "each repository, OWNER/NAME)")
        self.copy("baber/piqa/data/test-00000-of-00001.parquet", [{"goal": "a"}])
        with self.assertRaises(prepare_data.DataError) as caught:
            prepare_data.load(prepare_data.SOURCES["piqa"].files[0])
        self.assertEqual(str(caught.exception),
                         f"no file of split 'validation' in {self.folder}/hub/baber/piqa")


if __name__ == "__main__":
    unittest.main(verbosity=2)
