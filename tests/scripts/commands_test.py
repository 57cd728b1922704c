"""Every command of README.md and CONTRIBUTING.md is run somewhere: here, by another test, or by .ci/run.

usage: commands_test.py PROGRAM ROOT
"""

import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

PROGRAM, ROOT = sys.argv.pop(1), pathlib.Path(sys.argv.pop(1))
COMMAND = re.compile(r"(?:\./roundlab|scripts/\w+|\.ci/run|cmake|ctest|roundlab)\b(?!::)[^`#]*")

# A command, and what runs it: "here" (words of the program that do the same without waiting), or a text of .ci/run.
# Those with a network or hours of work are run by hand; each says why.
RUN = {
    "./roundlab quickstart": "ci: ./roundlab quickstart",
    "./roundlab --help": "here: --help",
    "./roundlab run configs/smollm2/bits.yaml": "here: list; by hand: 4 hours and a download",
    "./roundlab run configs/smollm2/protocols.yaml": "here: list; by hand: a download",
    "roundlab compare A B": "here: compare A B -> 2",
    "roundlab report results/runs/EXPERIMENT": "here: report results/runs/EXPERIMENT -> 2",
    "./roundlab ARGS...": "ci: ./roundlab quickstart",
    "./roundlab": "ci: ./roundlab quickstart",
    "scripts/setup": "ci: scripts/setup",
    "scripts/setup --parquet": "ci: scripts/setup --parquet",
    "scripts/setup --cuda": "by hand: a download of 3 GB",
    "scripts/wheel FOLDER": "test: scripts.wheel",
    "roundlab quickstart": "ci: ./roundlab quickstart",
    "./roundlab run FILE --device cuda": "by hand: a GPU",
    "scripts/setup && cmake --preset dev && cmake --build --preset dev": "ci: cmake --build --preset dev",
    "scripts/test": "ci: scripts/test",
    "scripts/test -R Tokenizer": "ci: scripts/test",
    "ctest -R simulated_gpu": "ci: scripts/test",
    ".ci/run": "ci: section 'format'",
    "scripts/format": "ci: scripts/format --check",
    "scripts/format --check": "ci: scripts/format --check",
    "scripts/tidy": "ci: scripts/tidy --torch-free",
    "scripts/tidy FILE.cpp": "ci: scripts/tidy --torch-free",
    "scripts/tidy --torch-free": "ci: scripts/tidy --torch-free",
    "cmake --build build/ci --target all_verify_interface_header_sets": "ci: all_verify_interface_header_sets",
    "cmake --preset asan && cmake --build --preset asan && ctest --preset asan": "ci: only asan",
    "cmake --preset fuzz && cmake --build --preset fuzz --target tests/fuzz/all && ctest --preset fuzz": "ci: only fuzz",
    "cmake --preset bench && cmake --build --preset bench": "ci: cmake --build --preset bench",
    "scripts/get_smollm2": "by hand: a download",
    "scripts/prepare_data": "test: scripts.prepare_data",
}


def commands():
    """The commands of both files: lines of code blocks, and code in a line."""
    found = {}
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        lines = []
        for block in re.findall(r"```\w*\n(.*?)```", text, flags=re.S):
            lines += [line.split("  #")[0].strip().removeprefix("$ ") for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in lines:
            if COMMAND.fullmatch(line):
                found.setdefault(line.strip(), name)
    return found


class CommandsTest(unittest.TestCase):
    def test_each_command_is_run_somewhere(self):
        for command, name in commands().items():
            self.assertIn(command, RUN, f"{name}: say in tests/scripts/commands_test.py what runs it")

    def test_the_list_has_no_others(self):
        self.assertEqual(set(RUN) - set(commands()), set())

    def test_what_ci_runs_is_there(self):
        ci = (ROOT / ".ci/run").read_text()
        for command, how in RUN.items():
            if how.startswith("ci: "):
                self.assertIn(how.removeprefix("ci: "), ci, command)

    def test_what_is_run_here_ends_as_it_should(self):
        with tempfile.TemporaryDirectory() as folder:
            for command, how in RUN.items():
                if not how.startswith("here: "):
                    continue
                words, _, code = how.removeprefix("here: ").partition(";")[0].partition(" -> ")
                done = subprocess.run([PROGRAM, *shlex.split(words)], cwd=folder, capture_output=True, text=True)
                self.assertEqual(done.returncode, int(code or 0), command + ": " + done.stderr)

    def test_files_that_are_named_are_there(self):
        for command in commands():
            for file in re.findall(r"(?:configs|scripts|docs)/[\w./-]+", command):
                self.assertTrue((ROOT / file).exists(), command)


if __name__ == "__main__":
    unittest.main()
