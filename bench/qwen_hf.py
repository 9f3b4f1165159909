"""The PyTorch side of bench/qwen.mjs: `vision` or `step` on stdin, the median of five and a number to compare on stdout."""

import json
import statistics
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

folder, inputs_file, threads = sys.argv[1:4]
torch.set_num_threads(int(threads))
model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).train()
given = load_file(inputs_file)
patches, grids, tokens = given["patches"], given["grids"].long(), given["tokens"].long()
mask, kinds = torch.ones_like(tokens), torch.zeros_like(tokens)


def vision():
    with torch.no_grad():
        seen = model.model.visual(patches, grid_thw=grids)
    merged = seen if isinstance(seen, torch.Tensor) else seen.pooler_output
    return merged.abs().mean().item()


def step():
    model.zero_grad(set_to_none=True)
    loss = model(input_ids=tokens, attention_mask=mask, mm_token_type_ids=kinds, labels=tokens).loss
    loss.backward()
    return loss.item()


for line in sys.stdin:
    work = {"vision": vision, "step": step}[line.strip()]
    value = work()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - began))
    print(json.dumps({"ms": statistics.median(times), "value": value}), flush=True)
