"""Whole runs on the simulated GPU beside those on the CPU.

usage: runs_test.py ROUNDLAB SOURCE   (in the environment that roundlab_simulated() sets)"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
CONFIG = """name: simulated
model: {path: builtin:lab, dtype: bfloat16}
calibration: {data: lab, samples: 6, seqlen: 64}
quant: {bits: 3, group_size: 32}
axes:
  - name: method
    values:
      fp: {}
      rtn: {pipeline: [{type: round, scheme: rtn}]}
      mse: {quant.range: mse, pipeline: [{type: round, scheme: rtn}]}
      hqq: {quant.grid: float_zero, pipeline: [{type: round, scheme: hqq}]}
      lorc: {pipeline: [{type: round, scheme: rtn}, lorc]}
      gptq: {pipeline: [{type: round, scheme: gptq}]}
      awq: {pipeline: [awq_scale, {type: round, scheme: rtn}, {type: kv_cache, bits: 4}]}
      signround: {pipeline: [{type: round, scheme: signround, steps: 4, batch: 2}]}
      flexround: {pipeline: [{type: round, scheme: flexround, steps: 4, batch: 2, gradient_precision: float8}]}
eval:
  - {type: perplexity, data: lab, seqlen: 128, windows: 4}
  - {type: divergence, data: lab, seqlen: 64, windows: 2}
compute: {threads: 1}
"""


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "config.yaml").write_text(CONFIG)

    def run_all(self, name, *more, status=0, **environment):
        """What is in run.json, by the config without `compute`; all output."""
        out = self.folder / name
        words = [PROGRAM, "run", str(self.folder / "config.yaml"), "--out", str(out), *more]
        done = subprocess.run(words, env={**os.environ, "ROUNDLAB_CONFIGS": SOURCE + "/configs", **environment},
                              capture_output=True, text=True)
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, text)
        results = [json.loads(file.read_text()) for file in out.glob("*/*/run.json")]
        return {re.sub(r"^compute:\n( .*\n)*", "", r["config"], flags=re.M): r for r in results}, text

    def same_codes(self, some, other, configs=None):
        for config in configs or some:
            self.assertEqual(some[config]["status"], "complete", config)
            self.assertEqual(some[config].get("codes_sha256"), other[config].get("codes_sha256"), config)

    def test_as_on_the_cpu(self):
        cpu, _ = self.run_all("cpu", "--device", "cpu")
        gpu, _ = self.run_all("gpu", "--device", "cuda")
        self.assertEqual(len(cpu), 9)
        self.assertEqual(sorted(cpu), sorted(gpu))
        alike = [c for c in cpu if not re.search("type: (gptq|awq_scale|signround|flexround)", c)]
        self.assertEqual(len(alike), 5)
        self.same_codes(cpu, gpu, alike)
        for config in cpu:  # in 16 bits, whose last bits part
            for key, value in cpu[config]["metrics"].items():
                if key.endswith("/perplexity"):
                    self.assertAlmostEqual(gpu[config]["metrics"][key] / value, 1, delta=0.03, msg=config)
            self.assertGreater(gpu[config]["memory"]["peak_device_bytes"], 0)

    def test_the_same_each_time(self):
        few = ["--device", "cuda", "--only", "method=fp,gptq,signround"]
        once, _ = self.run_all("once", *few)
        again, _ = self.run_all("again", *few)
        self.assertEqual(len(once), 3)
        self.same_codes(once, again)
        for config in once:
            quality = {k: v for k, v in once[config]["metrics"].items() if not k.startswith("cost/")}
            self.assertEqual(quality, {k: again[config]["metrics"].get(k) for k in quality})

    def test_runs_side_by_side_have_a_card_each(self):
        few = ["--device", "cuda", "--only", "method=gptq,signround"]
        one, _ = self.run_all("one", *few)
        two, _ = self.run_all("two", *few, "--jobs", "2", SIMULATED_GPU_COUNT="2")
        logs = "".join(file.read_text() for file in (self.folder / "two").glob("*/*/log.txt"))
        self.assertRegex(logs, "on cuda:0(.|\n)*on cuda:1|on cuda:1(.|\n)*on cuda:0")
        self.same_codes(one, two)

    def test_a_card_without_bfloat16_is_refused(self):
        _, text = self.run_all("old", "--device", "cuda", "--only", "method=rtn", status=2, SIMULATED_GPU_CAPABILITY="75")
        self.assertIn("(compute capability 7.5) has no bfloat16 products", text)

    def test_too_small_a_card_is_told(self):
        _, text = self.run_all("small", "--device", "cuda", "--only", "method=signround", status=2, SIMULATED_GPU_MIB="4")
        self.assertRegex(text, "out of memory|memory on the GPU")


if __name__ == "__main__":
    unittest.main()
