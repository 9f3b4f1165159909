"""The Hugging Face side of bench/judge.mjs: requests as JSON lines on stdin, results as JSON lines on stdout."""

import json
import resource
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

folder, rows_file, threads = sys.argv[1:4]
torch.set_num_threads(int(threads))
torch.set_grad_enabled(False)
model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
rows = load_file(rows_file)
IMAGE, VIDEO = model.config.image_token_id, model.config.video_token_id


def inputs_of(indices):
    """Rows padded on the left, as batches of prompts are."""
    tokens = [rows[f"{i}.tokens"].long() for i in indices]
    length = max(map(len, tokens))
    ids = torch.stack([torch.nn.functional.pad(t, (length - len(t), 0)) for t in tokens])
    mask = torch.stack([torch.nn.functional.pad(torch.ones_like(t), (length - len(t), 0)) for t in tokens])
    types = ((ids == IMAGE) * 1 + (ids == VIDEO) * 2) * mask
    return dict(input_ids=ids, attention_mask=mask, mm_token_type_ids=types,
                pixel_values=torch.cat([rows[f"{i}.patches"] for i in indices]),
                image_grid_thw=torch.cat([rows[f"{i}.grids"].long() for i in indices]))


def generate(indices, request):
    n = request["newTokens"]
    how = dict(do_sample=False) if request.get("greedy") else dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0)
    given = inputs_of(indices)
    made = model.generate(**given, **how, min_new_tokens=n, max_new_tokens=n, eos_token_id=None, pad_token_id=0)
    return made[:, given["input_ids"].shape[1]:].tolist()


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


for line in sys.stdin:
    request = json.loads(line)
    torch.manual_seed(request.get("seed", 0))
    first, count, batch = request["from"], request["count"], request["batch"]
    began, used, tokens = time.perf_counter(), cpu(), []
    for at in range(first, first + count, batch):
        tokens += generate(range(at, min(at + batch, first + count)), request)
    seconds, spent = time.perf_counter() - began, cpu() - used
    print(json.dumps({"perSecond": count / seconds, "cpuMs": spent * 1e3 / count, "tokens": tokens}), flush=True)
