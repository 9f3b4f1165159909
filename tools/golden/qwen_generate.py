"""Golden replies for packages/stablereinforce/src/qwen/policy: greedy generation of transformers, token for token.

    .venv/bin/python tools/golden/qwen_generate.py

Models, prompts and pictures are those of qwen_model.py. Each row is continued alone, in float64, by transformers' own
`generate` with its cache. Where the two likeliest tokens are nearer than 1e-3 nats, float32 could choose the other one: such a
golden file is refused.
"""

import importlib.util
import json
from pathlib import Path

spec = importlib.util.spec_from_file_location("qwen_model", Path(__file__).with_name("qwen_model.py"))
qwen_model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(qwen_model)

import torch  # noqa: E402

NEW = 24


def row_inputs(name, case, row, taken):
    """One row alone; its pictures are the next ones of the case."""
    tokens, mask, images, videos, seconds = qwen_model.unroll({"rows": [row]})
    given = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
    types = (tokens == qwen_model.IMAGE) * 1 + (tokens == qwen_model.VIDEO) * 2
    if images or videos:
        given["mm_token_type_ids"] = torch.from_numpy(types)
    _, _, all_images, all_videos, _ = qwen_model.unroll(case)
    for kind, grids, all_grids, keys in (
        ("images", images, all_images, ("pixel_values", "image_grid_thw")),
        ("videos", videos, all_videos, ("pixel_values_videos", "video_grid_thw")),
    ):
        if not grids:
            continue
        size = lambda some: sum(t * h * w for t, h, w in some) * 1176  # noqa: E731
        data = qwen_model.hashed(f"{name}.{kind}", size(all_grids)).astype("float32")
        part = data[taken[kind] : taken[kind] + size(grids)]
        taken[kind] += size(grids)
        given[keys[0]] = torch.from_numpy(part.reshape(-1, 1176)).double()
        given[keys[1]] = torch.tensor(grids)
    if videos:
        given["second_per_grid_ts"] = torch.tensor(seconds)
    return given, images + videos


def run_row(model, name, case, row, taken):
    given, grids = row_inputs(name, case, row, taken)
    prompt = given["input_ids"].shape[1]
    positions = qwen_model.positions_of(model, given)
    with torch.no_grad():
        made = model.generate(**given, do_sample=False, min_new_tokens=NEW, max_new_tokens=NEW, eos_token_id=None,
                              output_logits=True, return_dict_in_generate=True)
    logp = torch.log_softmax(torch.cat(made.logits).double(), -1)
    tokens = made.sequences[0, prompt:]
    top = logp.topk(2, -1).values
    assert (top[:, 0] - top[:, 1]).min() > 1e-3, f"{name}: a choice too near to call"
    assert (logp.argmax(-1) == tokens).all(), name
    return {
        "tokens": given["input_ids"][0].tolist(),
        "positions": positions[:, 0].tolist(),
        "ropeDelta": int(positions.max()) + 1 - prompt,
        "grids": [list(grid) for grid in grids],
        "reply": tokens.tolist(),
        "logp": [round(x, 7) for x in logp.gather(-1, tokens[:, None])[:, 0].tolist()],
    }


def main():
    torch.set_num_threads(1)
    out = {}
    for name, case in qwen_model.CASES.items():
        model = qwen_model.build(case)
        taken = {"images": 0, "videos": 0}
        out[name] = [run_row(model, name, case, row, taken) for row in case["rows"]]
    (qwen_model.FIXTURES / "qwen-generate.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
