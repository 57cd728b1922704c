"""Reads what runs leave with the readers of others: TensorBoard's own, h5py with pandas."""
import glob
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

WRITER = os.environ["ROUNDLAB_RUN_FILES"]
EXAMPLE = pathlib.Path(__file__).parents[2] / "docs/example/read_run.py"
LOSS = {unit: [2.0 ** -unit / (1 + step) for step in range(20)] for unit in (0, 1)}


def has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


class Writer:
    """A run that goes on, up to the end of the with statement."""

    def __init__(self, folder, what):
        self.process = subprocess.Popen([WRITER, folder, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"written\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name


@unittest.skipUnless(has("tensorboard"), "needs Python's tensorboard library")
class TensorBoardTest(FolderTest):
    def check(self, accumulator, last_steps):
        accumulator.Reload()
        self.assertEqual(sorted(accumulator.Tags()["scalars"]),
                         [f"tune/block_{unit}/{series}" for unit in (0, 1) for series in ("loss", "lr")])
        for unit, count in ((0, 20), (1, last_steps)):
            events = accumulator.Scalars(f"tune/block_{unit}/loss")
            self.assertEqual([event.step for event in events], list(range(count)))
            for event, loss in zip(events, LOSS[unit]):
                self.assertAlmostEqual(event.value, loss, delta=1e-7 * loss)  # float32
                self.assertGreater(event.wall_time, 1.7e9)

    def test_a_resumed_run_has_each_step_once(self):
        from tensorboard.backend.event_processing import event_accumulator
        watching = event_accumulator.EventAccumulator(self.folder)
        with Writer(self.folder, "live"):
            self.check(watching, 5)
        with Writer(self.folder, "again"):
            self.check(watching, 8)
            self.check(event_accumulator.EventAccumulator(self.folder), 8)

    def test_all_checksums_are_right(self):
        from tensorboard.compat.tensorflow_stub import errors
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
        with Writer(self.folder, "live"):
            pass
        file, = glob.glob(self.folder + "/events.out.tfevents.*")

        def read(path):
            reader = PyRecordReader_New(path)
            count = 0
            while True:
                try:
                    reader.GetNext()
                except errors.OutOfRangeError:
                    return count
                count += 1

        self.assertEqual(read(file), 2 + 2 * (20 + 5))
        data = bytearray(pathlib.Path(file).read_bytes())
        data[-6] ^= 1
        broken = self.folder + "/broken"
        pathlib.Path(broken).write_bytes(data)
        with self.assertRaises(errors.DataLossError):
            read(broken)


@unittest.skipUnless(has("h5py", "pandas"), "needs Python's h5py and pandas libraries")
class ExampleTest(FolderTest):
    def example(self):
        spec = importlib.util.spec_from_file_location("read_run", EXAMPLE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_a_finished_run(self):
        subprocess.run([WRITER, self.folder, "finished"], check=True)
        read_run = self.example()
        with read_run.open_run(self.folder) as run:
            self.assertEqual(read_run.status(run), "complete")
            loss = read_run.curves(run).query("series == 'loss' and unit == 'block_1'")
            self.assertEqual(list(loss["step"]), list(range(20)))
            self.assertEqual(list(loss["value"]), LOSS[1])
            table = read_run.layers(run)
            self.assertEqual(list(table.index), ["a.0.q_proj", "a.1.q_proj"])
            self.assertEqual(dict(table.loc["a.0.q_proj"]), {"flip_rate": 0.25})

    def test_a_run_that_goes_on(self):
        with Writer(self.folder, "live"):
            shown = subprocess.run([sys.executable, EXAMPLE, self.folder], check=True, capture_output=True, text=True)
        self.assertIn("running, 2 units, 25 steps so far", shown.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
