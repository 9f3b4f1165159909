"""The loss of bench/loss.mjs in PyTorch: python loss_torch.py FOLDER B T REPEATS THREADS."""
import json
import math
import statistics
import sys
import time

import numpy as np
import torch

folder, B, T, repeats, threads = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
read = lambda name: torch.from_numpy(np.fromfile(f"{folder}/{name}.bin", dtype=np.float32).reshape(B, T))
logp, old, advantage, mask = (read(name) for name in ("logp", "logpOld", "advantage", "mask"))
logp.requires_grad_(True)


def step():
    logp.grad = None
    ratio = (logp - old).clamp(-math.log(1e3), math.log(1e3)).exp()
    objective = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
    loss = -((objective * mask).sum(1) / mask.sum(1)).mean()
    loss.backward()
    return loss.item()


for _ in range(10):
    step()
times = []
for _ in range(repeats):
    start = time.perf_counter()
    loss = step()
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"ms": statistics.median(times), "loss": loss, "gradientNorm": logp.grad.norm().item()}))
