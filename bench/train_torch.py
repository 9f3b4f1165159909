"""The model of bench/train-model.mjs in PyTorch: python train_torch.py FOLDER torch|torch-compile|peak WARMUP STEPS THREADS [cpu|auto]."""
import json
import resource
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder, mode, warmup, steps, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(threads)
device = "cuda" if sys.argv[6:] == ["auto"] and torch.cuda.is_available() else "cpu"


def peak() -> None:
    x = torch.full((2048, 2048), 0.5)
    best = 1e9
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(x, x)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"gflops": 2 * 2048**3 / best / 1e9}))


if mode == "peak":
    peak()
    sys.exit(0)

c = json.load(open(f"{folder}/config.json"))
raw = np.fromfile(f"{folder}/weights.bin", dtype=np.float32)
params, at = {}, 0
for name, shape in c["shapes"]:
    size = int(np.prod(shape))
    params[name] = torch.nn.Parameter(torch.from_numpy(raw[at : at + size].reshape(shape).copy()).to(device))
    at += size
tokens = torch.from_numpy(np.fromfile(f"{folder}/tokens.bin", dtype=np.int32).reshape(c["batch"], c["length"] + 1)).long().to(device)

d, heads, length, batch = c["d"], c["heads"], c["length"], c["batch"]
half = d // heads // 2
angles = torch.arange(length)[:, None].double() * 10000.0 ** (-torch.arange(half).double() / half)
cos, sin = angles.cos().float()[:, None].to(device), angles.sin().float()[:, None].to(device)


def norm(x, g):
    return F.rms_norm(x, (d,), g, 1e-6)


def rotate(x):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def loss_of(p, ids, targets):
    x = F.embedding(ids, p["embed"]).reshape(-1, d)
    for i in range(c["layers"]):
        qkv = (norm(x, p[f"{i}.norm1"]) @ p[f"{i}.qkv"]).reshape(batch, length, 3 * heads, d // heads)
        q, k = rotate(qkv[:, :, : 2 * heads]).transpose(1, 2).chunk(2, 1)
        v = qkv[:, :, 2 * heads :].transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + y.transpose(1, 2).reshape(-1, d) @ p[f"{i}.out"]
        gate, up = (norm(x, p[f"{i}.norm2"]) @ p[f"{i}.gateUp"]).chunk(2, -1)
        x = x + (F.silu(gate) * up) @ p[f"{i}.down"]
    return F.cross_entropy(norm(x, p["norm"]) @ p["embed"].T, targets)


loss_fn = torch.compile(loss_of) if mode == "torch-compile" else loss_of
adam = torch.optim.AdamW(params.values(), lr=1e-3, weight_decay=0.0, fused=True)
ids, targets = tokens[:, :-1], tokens[:, 1:].reshape(-1)
times, losses = [], []
for _ in range(warmup + steps):
    start = time.perf_counter()
    adam.zero_grad(set_to_none=True)
    loss = loss_fn(params, ids, targets)
    loss.backward()
    adam.step()
    losses.append(loss.item())
    times.append((time.perf_counter() - start) * 1000)
print(
    json.dumps(
        {
            "device": device,
            "ms": statistics.median(times[warmup:]),
            "losses": losses,
            "compileMs": times[0],
            "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
