"""An installed program works without the folder it was built in.

usage: install_test.py BUILD PROGRAM
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, PROGRAM = pathlib.Path(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))
PARQUET = pathlib.Path(__file__).parents[1] / "core/text/data/parquet/hub.parquet"


def run(words, folder, **environment):
    """The program's outcome, in `folder`."""
    drop = ("ROUNDLAB_CONFIGS", "ROUNDLAB_CATALOGUE", "ROUNDLAB_DATA", "ROUNDLAB_MODELS")
    variables = {k: v for k, v in os.environ.items() if k not in drop}
    return subprocess.run([str(w) for w in words], cwd=folder, env=variables | environment, capture_output=True, text=True)


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def install(self):
        done = run(["cmake", "--install", BUILD, "--prefix", self.root / "usr", "--component", "Unspecified"], self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.root / "usr/bin/roundlab"

    def mark_configs(self, configs):
        """Configs that are not those of the source, so that it shows which are read."""
        text = (configs / "catalogue.yaml").read_text()
        self.assertIn("name: smollm2\n", text)
        (configs / "catalogue.yaml").write_text(text.replace("name: smollm2\n", "name: smollm2-of-the-copy\n"))

    def assert_reads_the_copy(self, program, **environment):
        done = run([program, "score", "--model", "smollm", "--text", "x"], self.root, **environment)
        self.assertIn("smollm2-of-the-copy", done.stderr)

    def test_an_installed_program_has_its_configs_and_reads_parquet(self):
        program = self.install()
        done = run([program, "tokenize", "--model", "builtin:lab", "--text", "the dog", "--json"], self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run([program, "validate", self.root / "usr/share/roundlab/configs/lab/quickstart.yaml"], self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.mark_configs(self.root / "usr/share/roundlab/configs")
        self.assert_reads_the_copy(program)

    def test_a_copied_program_has_the_configs_beside_it(self):
        (self.root / "bin").mkdir()
        program = shutil.copy(PROGRAM, self.root / "bin/roundlab")
        shutil.copytree(pathlib.Path(__file__).parents[2] / "configs", self.root / "configs")
        self.mark_configs(self.root / "configs")
        self.assert_reads_the_copy(program)

    def test_the_environment_comes_first(self):
        shutil.copytree(pathlib.Path(__file__).parents[2] / "configs", self.root / "mine")
        self.mark_configs(self.root / "mine")
        self.assert_reads_the_copy(PROGRAM, ROUNDLAB_CONFIGS=str(self.root / "mine"))
        done = run([PROGRAM, "score", "--model", "x", "--text", "x"], self.root, ROUNDLAB_CONFIGS=str(self.root))
        self.assertEqual((done.returncode, done.stderr),
                         (2, f"ROUNDLAB_CONFIGS={self.root}: has no catalogue.yaml\n"))

    def test_the_program_does_not_link_arrow(self):
        libraries = run(["ldd", PROGRAM], self.root).stdout
        self.assertIn("libtorch", libraries)
        self.assertNotIn("arrow", libraries)
        self.assertNotIn("libparquet", libraries)

    def test_a_parquet_file_without_the_library_says_what_to_do(self):
        (self.root / "c.yaml").write_text(
            "model: builtin:lab\neval: [{type: perplexity, name: t, data: {path: %s, format: parquet, field: question},"
            " seqlen: 8, windows: 1}]\n" % PARQUET)
        done = run([PROGRAM, "validate", "c.yaml"], self.root, ROUNDLAB_PARQUET_LIBRARY="/nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertIn("this program can't read Parquet files: it has no libroundlab_parquet.so; run scripts/setup "
                      "--parquet and build again", done.stderr)


if __name__ == "__main__":
    unittest.main()
