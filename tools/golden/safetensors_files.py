"""Golden files for packages/stablereinforce/src/safetensors, written by the reference implementation.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 numpy safetensors
    .venv/bin/python tools/golden/safetensors_files.py            # writes the fixtures
    .venv/bin/python tools/golden/safetensors_files.py --read F   # prints what the reference reads in F, as JSON
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

FIXTURES = Path(__file__).parents[2] / "packages/stablereinforce/test/fixtures"


def reference() -> None:
    """One tensor of every dtype, names out of order, a scalar, an empty tensor, a non-ASCII name."""
    ramp = torch.arange(-3, 4)
    tensors = {
        "z.f32": ramp.to(torch.float32).reshape(7, 1) / 3,
        "a.f64": ramp.to(torch.float64) / 3,
        "b.f16": ramp.to(torch.float16) / 3,
        "c.bf16": ramp.to(torch.bfloat16) / 3,
        "d.i64": ramp.to(torch.int64) * 2**40,
        "e.i32": ramp.to(torch.int32) * 2**20,
        "f.i16": ramp.to(torch.int16) * 2**10,
        "g.i8": ramp.to(torch.int8),
        "h.u8": torch.arange(0, 250, 50).to(torch.uint8),
        "i.bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "10": torch.tensor([10.0]),
        "9": torch.tensor([9.0]),
        "größe": torch.tensor([1, 2], dtype=torch.int32),
    }
    save_file(tensors, FIXTURES / "reference.safetensors", metadata={"format": "pt"})


def conversions() -> None:
    """float32 patterns with the half and bfloat16 patterns PyTorch rounds them to, and a digest of all halves."""
    rng = np.random.default_rng(7)
    special = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF, 1, 0x007FFFFF]
    half = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = half[np.isfinite(half)].astype(np.float32)
    middle = ((finite[:-1].astype(np.float64) + finite[1:]) / 2).astype(np.float32)  # ties between halves
    picked = np.concatenate([middle[::97], finite[::97]]).view(np.uint32)
    near = np.concatenate([picked, picked + 1, picked - 1])
    edge = np.array([65504, 65519.996, 65520, 65536, 2.0**-24, 2.0**-25, 2.0**-25 * 1.0001, 2.0**-26], np.float32)
    bf_ties = (rng.integers(0, 2**16, 500, dtype=np.uint32) << 16) | 0x8000
    anything = rng.integers(0, 2**32, 3000, dtype=np.uint32)
    bits = np.concatenate([np.array(special, np.uint32), near, edge.view(np.uint32), bf_ties, anything])
    values = torch.from_numpy(bits.view(np.float32).copy())
    wide = half.astype(np.float32).view(np.uint32).copy()
    wide[np.isnan(half)] = 0x7FC00000
    save_file(
        {
            "f32_bits": torch.from_numpy(bits.view(np.int32).copy()),
            "f16_bits": values.to(torch.float16).view(torch.int16),
            "bf16_bits": values.to(torch.bfloat16).view(torch.int16),
        },
        FIXTURES / "conversions.safetensors",
        metadata={"all_halves_sha256": hashlib.sha256(wide.astype("<u4").tobytes()).hexdigest()},
    )


def read(path: str) -> None:
    with safe_open(path, framework="pt") as file:
        tensors = {
            name: {
                "dtype": str(file.get_tensor(name).dtype),
                "shape": list(file.get_tensor(name).shape),
                "values": file.get_tensor(name).to(torch.float64).flatten().tolist(),
            }
            for name in file.keys()
        }
        print(json.dumps({"metadata": file.metadata(), "tensors": tensors}, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(sys.argv[2])
    else:
        FIXTURES.mkdir(parents=True, exist_ok=True)
        reference()
        conversions()
