"""Writes ggml_blocks.txt: random blocks of each ggml format and what gguf-py makes of them.

Run by hand where gguf (pip install gguf) is:  python make_ggml_blocks.py > ggml_blocks.txt
A line: type, the blocks' bytes, the float32 values; both in hex, values as little-endian bytes.
"""

import datetime
import importlib.metadata

import gguf
import numpy as np

FORMATS = {  # name: blocks, offsets of the float16 scales within a block
    "Q4_0": (4, [0]),
    "Q4_1": (4, [0, 2]),
    "Q5_0": (4, [0]),
    "Q5_1": (4, [0, 2]),
    "Q8_0": (4, [0]),
    "Q4_K": (2, [0, 2]),
    "Q6_K": (2, [208]),
    "Q2_K": (2, [80, 82]),
    "Q3_K": (2, [108]),
    "Q5_K": (2, [0, 2]),
    "IQ4_NL": (4, [0]),
    "IQ4_XS": (2, [0]),
}


def main():
    rng = np.random.default_rng(20240917)
    version = importlib.metadata.version("gguf")
    print(f"# make_ggml_blocks.py, gguf {version}, {datetime.date.today()}")
    for name, (blocks, scales) in FORMATS.items():
        kind = gguf.GGMLQuantizationType[name]
        _, size = gguf.GGML_QUANT_SIZES[kind]
        data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
        for at in scales:  # finite, of either sign, one of them subnormal
            scale = rng.normal(0, 0.05, blocks).astype(np.float16)
            scale[-1] = np.float16(3e-6)
            data[:, at : at + 2] = scale.view(np.uint8).reshape(blocks, 2)
        values = gguf.quants.dequantize(data, kind).astype("<f4")
        print(name, data.tobytes().hex(), values.tobytes().hex())


main()
