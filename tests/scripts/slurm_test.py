"""`roundlab run --engine slurm` on a real Slurm of one node, which this test starts and ends.

usage: slurm_test.py ROUNDLAB MAKE_TINY_MODEL [UNITTEST ARGS...]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import local_slurm  # noqa: E402

ROUNDLAB, MAKE_TINY_MODEL = (os.path.abspath(word) for word in sys.argv[1:3])
SLURM = None  # the LocalSlurm of all tests

# Two runs, of about STEPS / 50 seconds each.
SWEEP = """name: sweep
model: m/
calibration: {data: {path: text.txt}, protocol: plain, samples: 8, seqlen: 32}
quant: {bits: 2, group_size: 16}
pipeline: [{type: round, scheme: {type: signround}, steps: STEPS, batch: 4}]
eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 32}]
threads: 1
seeds: [0, 1]
axes: [{key: quant.bits, name: bits, values: [2]}]
tables: [{rows: bits, value: t/perplexity}]
"""


def setUpModule():
    global SLURM
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    SLURM = local_slurm.LocalSlurm(folder.name)
    unittest.addModuleCleanup(SLURM.stop)


class SlurmTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="a sweep ")  # a space: paths must be quoted
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        subprocess.run([MAKE_TINY_MODEL, folder.name], check=True)

    def start(self, out, steps, *words):
        (self.folder / "sweep.yaml").write_text(SWEEP.replace("STEPS", str(steps)))
        process = subprocess.Popen(
            [ROUNDLAB, "run", "sweep.yaml", "--out", out, "--format", "csv", *words], cwd=self.folder,
            env=dict(SLURM.environment, OMP_NUM_THREADS="1"), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, code=0):
        """The table of perplexities."""
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, code, out + err + self.logs())
        return out.split("\n\n")[0]

    def logs(self):
        return "".join(f"\n{path}:\n{path.read_text()}" for path in self.folder.rglob("slurm/*.log"))

    def wait(self, condition, what, process=None):
        end = time.monotonic() + 60
        while not condition():
            if time.monotonic() > end or (process and process.poll() is not None):
                self.fail(f"not seen: {what}; the queue:\n{SLURM.ask('squeue', '--states=all')}{self.logs()}")
            time.sleep(0.02)

    def job(self, out):
        return (self.folder / out / "sweep/slurm/job.txt").read_text().strip()

    def first_run(self, out):
        """The folder of the array's task 0."""
        return self.folder / out / "sweep" / (self.folder / out / "sweep/slurm/runs.txt").read_text().split()[0]

    def has_checkpoint(self, out):
        try:
            return any((self.first_run(out) / "checkpoint").iterdir())
        except FileNotFoundError:
            return False

    def times_begun(self, run):
        return (run / "log.txt").read_text().count(": model ")

    def test_a_requeued_task_goes_on_and_the_table_is_that_of_a_local_run(self):
        local = self.finish(self.start("local", 300, "--quiet"))
        process = self.start("out", 300, "--engine", "slurm", "--jobs", "2")
        self.wait(lambda: self.has_checkpoint("out"), "a checkpoint", process)
        task, run = self.job("out") + "_0", self.first_run("out")
        self.assertEqual(SLURM.ask("scontrol", "requeue", task), "")
        self.wait(lambda: SLURM.ask("squeue", "--noheader", "--job=" + task, "--format=%T") == "PENDING",
                  "the task is pending", process)
        self.assertFalse((run / "run.json").exists(), "it was stopped")
        self.assertEqual(SLURM.ask("scontrol", "update", "jobid=" + task, "StartTime=now"), "")
        self.assertEqual(self.finish(process), local)
        self.assertEqual(self.times_begun(run), 2, (run / "log.txt").read_text())
        self.assertIn("complete", (run / "log.txt").read_text())

    def test_a_task_that_somebody_stops_is_submitted_again(self):
        process = self.start("out", 200, "--engine", "slurm", "--quiet")
        self.wait(lambda: self.has_checkpoint("out"), "a checkpoint", process)
        run, job = self.first_run("out"), self.job("out")
        self.assertEqual(SLURM.ask("scancel", "--batch", "--signal=TERM", job + "_0"), "")
        self.assertIn(",2,", self.finish(process))
        self.assertNotEqual(self.job("out"), job)
        self.assertEqual(self.times_begun(run), 2, (run / "log.txt").read_text())

    def test_an_interrupt_ends_the_array_and_the_same_command_goes_on(self):
        process = self.start("out", 200, "--engine", "slurm", "--slurm-options", "--time=10 --comment=x")
        self.wait(lambda: self.has_checkpoint("out"), "a checkpoint", process)
        job = self.job("out")
        process.send_signal(signal.SIGINT)
        self.finish(process, 130)
        self.assertEqual(SLURM.ask("squeue", "--noheader", "--job=" + job), "")
        self.assertFalse((self.first_run("out") / "run.json").exists())
        table = self.finish(self.start("out", 200, "--engine", "slurm", "--quiet"))
        self.assertIn(",2,", table)
        self.assertNotEqual(self.job("out"), job)

    def test_a_killed_submitter_is_followed_by_the_same_command(self):
        process = self.start("out", 200, "--engine", "slurm")
        self.wait(lambda: self.has_checkpoint("out"), "a checkpoint", process)
        process.kill()
        process.communicate()
        job = self.job("out")
        again = self.start("out", 200, "--engine", "slurm")
        self.assertIn(",2,", self.finish(again))
        self.assertEqual(self.job("out"), job, "no second array")

    def test_a_task_that_is_killed_is_a_failed_run(self):
        process = self.start("out", 200, "--engine", "slurm", "--json", "--quiet", "--jobs", "1")
        self.wait(lambda: self.has_checkpoint("out"), "a checkpoint", process)
        job, run = self.job("out"), self.first_run("out")
        processes = subprocess.run(["ps", "-eo", "pid,args"], text=True, check=True, stdout=subprocess.PIPE)
        executes = [int(line.split()[0]) for line in processes.stdout.splitlines()
                    if f" execute {run.resolve()} " in line]
        self.assertEqual(len(executes), 1)
        os.kill(executes[0], signal.SIGKILL)
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 1, err)
        runs = {run["id"]: run for run in json.loads(out)["runs"]}
        self.assertEqual(runs[run.name]["reason"], "killed by signal 9 (Killed); out of memory?")
        self.assertEqual(sorted(run["status"] for run in runs.values()), ["complete", "failed"])
        retried = self.start("out", 200, "--engine", "slurm", "--retry-failed")
        self.assertIn(",2,", self.finish(retried))
        self.assertNotEqual(self.job("out"), job)

    def test_what_slurm_refuses_is_said_in_its_words(self):
        process = self.start("out", 10, "--engine", "slurm", "--slurm-options", "--partition=none")
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2)
        self.assertIn("sbatch: error: invalid partition specified: none\n", err)


if __name__ == "__main__":
    missing = local_slurm.missing()
    if missing:
        print("skipped: no Slurm:", missing)
    else:
        unittest.main(argv=sys.argv[:1] + sys.argv[3:])
