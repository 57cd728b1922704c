"""Writes torch_file.bin: a small dictionary of tensors as torch.save leaves it, with what real ones have: an OrderedDict with
attributes, parameters, tensors that share a storage or begin within it, every type of element.

Run by hand where torch (pip install torch) is:  python make_torch_file.py
"""

import collections
import pathlib

import torch

shared = torch.arange(12, dtype=torch.float32) / 4
state = collections.OrderedDict(
    {
        "model.embed.weight": shared.view(4, 3),
        "lm_head.weight": shared.view(4, 3),  # tied
        "rows": shared.view(4, 3)[1:3],
        "parameter": torch.nn.Parameter(torch.tensor([1.5, -2.0]).half()),
        "bf16": torch.tensor([[0.1, 3.0]]).bfloat16(),
        "f64": torch.tensor(0.1, dtype=torch.float64),
        "bool": torch.tensor([True, False]),
        "none": torch.empty(0, 7),
    }
)
for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
    state[str(dtype).removeprefix("torch.")] = torch.tensor([1, 2, 3], dtype=dtype)
state._metadata = collections.OrderedDict({"": {"version": 1}})
torch.save(state, pathlib.Path(__file__).with_name("torch_file.bin"))
