"""A wheel is installed into a fresh virtual environment and run there with the torch beside it.

usage: wheel_test.py PROGRAM LIBTORCH
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM, LIBTORCH = pathlib.Path(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))
ROOT = pathlib.Path(__file__).parents[2]


def run(*words):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True)


class WheelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        if run(sys.executable, "-m", "venv", root / "env").returncode != 0:
            raise unittest.SkipTest("needs Python's venv library")
        cls.python, cls.roundlab = root / "env/bin/python", root / "env/bin/roundlab"
        made = run(ROOT / "scripts/wheel", root / "wheels", PROGRAM)
        assert made.returncode == 0, made.stderr
        cls.wheel = pathlib.Path(made.stdout.strip())
        done = run(cls.python, "-m", "pip", "install", "--no-deps", "--no-index", cls.wheel)
        assert done.returncode == 0, done.stderr
        packages = run(cls.python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))").stdout.strip()
        cls.packages = pathlib.Path(packages)

    def set_torch(self, version):
        """In place of 500 MB: a package of that version around the libraries of this build."""
        for old in self.packages.glob("torch-*.dist-info"):
            (old / "METADATA").unlink()
            old.rmdir()
        (self.packages / "torch").mkdir(exist_ok=True)
        (self.packages / "torch/__init__.py").touch()
        if not (self.packages / "torch/lib").exists():
            (self.packages / "torch/lib").symlink_to(LIBTORCH / "lib")
        if version:
            info = self.packages / f"torch-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")

    def test_it_is_small(self):
        self.assertLess(self.wheel.stat().st_size, 40 * 2**20)

    def test_its_command_has_the_program_its_configs_and_the_built_in_model(self):
        self.set_torch("2.11.0+cpu")
        done = run(self.roundlab, "score", "--model", "builtin:lab", "--text", "the dog", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"nll"', done.stdout)
        done = run(self.python, "-m", "roundlab", "validate", self.packages / "roundlab/configs/lab/quickstart.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_another_torch_is_told_with_the_way_to_the_right_one(self):
        self.set_torch("2.9.1")
        done = run(self.roundlab, "list")
        self.assertEqual(done.returncode, 1)
        self.assertIn("torch 2.9.1 of", done.stderr)
        self.assertIn("-m pip install torch==2.11.0", done.stderr)

    def test_bad_usage_is_told(self):
        done = run(ROOT / "scripts/wheel")
        self.assertEqual(done.returncode, 1)
        self.assertIn("usage: scripts/wheel FOLDER [PROGRAM]", done.stderr)


if __name__ == "__main__":
    unittest.main()
