"""Golden numbers for packages/stablereinforce/src/qwen/model: vision rows, logits, log-probabilities, loss, gradients, LoRA.

    .venv/bin/pip install torch==2.13.0 numpy safetensors transformers==5.23.0 peft==0.21.2
    .venv/bin/python tools/golden/qwen_model.py

transformers' Qwen2_5_VLForConditionalGeneration in float64 with weights made by a rule that packages/stablereinforce/test/hashed.ts
follows too, so that no weights are kept: element i of tensor `name` is a hash of both, scaled.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this folder: its files are named after what they make, and must not stand in for modules

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

FIXTURES = Path(__file__).parents[2] / "packages/stablereinforce/test/fixtures"
IMAGE, VIDEO, START, END = 3, 4, 1, 2  # token ids


def hashed(name, size):
    """`size` numbers in [-1, 1) from FNV-1a of the name and murmur3's finaliser of the place."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    h = (np.arange(size, dtype=np.uint64) * 0x9E3779B1 + seed) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> shift)) * factor) & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8).astype(np.float64) / 2**23 - 1


def weight(name, shape):
    values = hashed(name, int(np.prod(shape))).reshape(shape)
    if name.endswith(".bias"):
        values = 0.3 * values
    elif len(shape) == 1:
        values = 1 + 0.3 * values
    elif "embed_tokens" not in name:
        values = values * (1.5 / np.sqrt(np.prod(shape[1:])))
    return torch.from_numpy(values.astype(np.float32)).double()


def disk(name):
    """Name on disk of a runtime name."""
    for new, old in (("model.visual.", "visual."), ("model.language_model.", "model.")):
        if name.startswith(new):
            return old + name[len(new):]
    return name


def config(*, text, vision, tied):
    hidden, layers, heads, kv, inner, vocab, section = text
    depth, width, vheads, vinner, window, full = vision
    return Qwen2_5_VLConfig(
        text_config=dict(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv,
            intermediate_size=inner, vocab_size=vocab, rms_norm_eps=1e-6, max_position_embeddings=512, hidden_act="silu",
            rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": section},
        ),
        vision_config=dict(
            depth=depth, hidden_size=width, num_heads=vheads, intermediate_size=vinner, out_hidden_size=hidden,
            window_size=window, fullatt_block_indexes=full, tokens_per_second=2,
        ),
        image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
        tie_word_embeddings=tied,
    )


# text: hidden, layers, heads, kv heads, inner, vocabulary, M-RoPE sections
# vision: depth, width, heads, inner, window in pixels, blocks with full attention
# rows: token ids; ("image", grid) and ("video", grid, seconds per grid) stand for their pads
CASES = {
    # three images of different sizes, windows of 4 merged patches that need padding, two rows of one prompt
    "sizes": dict(
        config=config(text=(32, 2, 4, 2, 48, 41, [1, 1, 2]), vision=(3, 32, 2, 40, 56, [1]), tied=True),
        rows=[[7, ("image", (1, 4, 6)), 9, 12, ("image", (1, 10, 6)), 30, 31, 40], [8, ("image", (1, 2, 2)), 5, 6, 7]],
    ),
    # images of one size and full windows, multi-head attention, left padding
    "same": dict(
        config=config(text=(24, 2, 3, 3, 40, 37, [1, 2, 1]), vision=(2, 16, 4, 24, 56, [1]), tied=False),
        rows=[[10, ("image", (1, 4, 4)), 11, 12, 13], [("image", (1, 4, 4)), 20, 21], [9, 8, ("image", (1, 4, 4)), 7]],
        left=True,
    ),
    # a video beside an image; one key head; window of 112 pixels over larger grids; no block with full attention but the last
    "video": dict(
        config=config(text=(48, 1, 6, 1, 64, 53, [2, 1, 1]), vision=(2, 24, 3, 32, 112, [1]), tied=True),
        rows=[[5, ("video", (3, 4, 6), 0.5), 6, 7, 8, 50], [6, ("image", (1, 12, 10)), 9, 10]],
    ),
    # no image at all
    "text": dict(
        config=config(text=(16, 3, 2, 1, 24, 29, [2, 1, 1]), vision=(1, 16, 2, 24, 56, [0]), tied=True),
        rows=[[5, 6, 7, 8, 9, 10, 28], [11, 12, 13]],
    ),
}


def unroll(case):
    """Tokens, mask and grids of a case, as the processor would give them."""
    rows, images, videos, seconds = [], [], [], []
    for row in case["rows"]:
        tokens = []
        for part in row:
            if isinstance(part, int):
                tokens.append(part)
                continue
            kind, grid, *rest = part
            pads = grid[0] * grid[1] * grid[2] // 4
            tokens += [START] + [IMAGE if kind == "image" else VIDEO] * pads + [END]
            (images if kind == "image" else videos).append(grid)
            seconds += rest
        rows.append(tokens)
    length = max(map(len, rows))
    tokens, mask = np.zeros((len(rows), length), np.int64), np.zeros((len(rows), length), np.int64)
    for i, row in enumerate(rows):
        at = slice(length - len(row), length) if case.get("left") else slice(0, len(row))
        tokens[i, at], mask[i, at] = row, 1
    return tokens, mask, images, videos, seconds


def image_rows(tokens, images, videos):
    """Row of [images; videos] for each place, -1 for text."""
    rows = np.full(tokens.shape, -1, np.int64)
    count = sum(t * h * w // 4 for t, h, w in images)
    rows[tokens == IMAGE] = np.arange((tokens == IMAGE).sum())
    rows[tokens == VIDEO] = count + np.arange((tokens == VIDEO).sum())
    return rows


def inputs_of(name, case):
    tokens, mask, images, videos, seconds = unroll(case)
    patches = lambda grids, kind: torch.from_numpy(  # noqa: E731
        hashed(f"{name}.{kind}", sum(t * h * w for t, h, w in grids) * 1176).astype(np.float32).reshape(-1, 1176)).double()
    given = dict(input_ids=torch.from_numpy(tokens), attention_mask=torch.from_numpy(mask))
    if images:
        given |= dict(pixel_values=patches(images, "images"), image_grid_thw=torch.tensor(images))
    if videos:
        given |= dict(pixel_values_videos=patches(videos, "videos"), video_grid_thw=torch.tensor(videos),
                      second_per_grid_ts=torch.tensor(seconds))
    if images or videos:
        types = (tokens == IMAGE) * 1 + (tokens == VIDEO) * 2
        given["mm_token_type_ids"] = torch.from_numpy(types.astype(np.int64))
    return given


def positions_of(model, given):
    if "mm_token_type_ids" not in given:
        one = (given["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return one[None].expand(3, -1, -1)
    pick = {k: given.get(k) for k in ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw",
                                      "second_per_grid_ts", "attention_mask")}
    return model.model.get_rope_index(**pick)[0]


def loss_of(logits, tokens, mask, name):
    """Weighted sum of log-probabilities: weights by hash, so that every column matters. → loss, log-probabilities [B, L]."""
    logp = torch.log_softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:, None])[..., 0]
    logp = torch.nn.functional.pad(logp, (1, 0))
    weights = torch.from_numpy(hashed(f"{name}.weights", tokens.numel()).reshape(tokens.shape)) * mask
    weights = weights * torch.nn.functional.pad(mask[:, :-1], (1, 0))  # a real token before it
    return -(weights * logp).sum(), logp, weights


def digest(grad):
    """Norm, first 8 and last 8 elements."""
    flat = grad.reshape(-1)
    pad = lambda x: torch.nn.functional.pad(x, (0, 8 - len(x)))  # noqa: E731
    return torch.cat([flat.norm()[None], pad(flat[:8]), pad(flat[-8:])])


def build(case):
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(case["config"]).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(disk(name), parameter.shape))
    return model


def run(name, case, out):
    model, given = build(case), inputs_of(name, case)
    positions = positions_of(model, given)
    logits = model(**given, position_ids=positions).logits
    tokens, mask = given["input_ids"], given["attention_mask"]
    loss, logp, weights = loss_of(logits, tokens, mask, name)
    loss.backward()
    grads = {disk(n): p.grad for n, p in model.named_parameters() if p.grad is not None}
    _, _, images, videos, _ = unroll(case)
    out[f"{name}.tokens"], out[f"{name}.positions"] = tokens, positions
    out[f"{name}.mask"], out[f"{name}.weights"] = mask, weights
    out[f"{name}.imageRows"] = torch.from_numpy(image_rows(tokens.numpy(), images, videos))
    out[f"{name}.logits"], out[f"{name}.logp"], out[f"{name}.loss"] = logits, logp, loss[None]
    out[f"{name}.grads"] = torch.stack([digest(grads[n]) for n in sorted(grads)])
    vision = [model.get_image_features(given["pixel_values"], given["image_grid_thw"])] if images else []
    vision += [model.get_video_features(given["pixel_values_videos"], given["video_grid_thw"])] if videos else []
    if vision:
        out[f"{name}.vision"] = torch.cat([rows for one in vision for rows in one.pooler_output])
    return {"config": case["config"].to_diff_dict() | {"tie_word_embeddings": case["config"].tie_word_embeddings},
            "grids": images + videos, "patches": [len(images), len(videos)], "left": case.get("left", False),
            "grads": sorted(grads)}


LORA = dict(r=4, lora_alpha=6, target_modules=r".*(q_proj|v_proj|down_proj|attn\.qkv)", lora_dropout=0.0, bias="none")


def run_lora(name, out):
    """peft on top of a case: logits, gradients of the adapters, and a merged weight."""
    case = CASES[name]
    given = inputs_of(name, case)
    base = build(case)
    positions = positions_of(base, given)
    model = get_peft_model(base, LoraConfig(**LORA)).double()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    # peft's file has these names without the adapter's own, as `save_pretrained` writes them
    names = {n: n.replace(".default.", ".") for n in trained}
    with torch.no_grad():
        for n, p in trained.items():
            p.copy_(torch.from_numpy(hashed(names[n], p.numel()).astype(np.float32).reshape(p.shape)).double() * 0.3)
    logits = model(**given, position_ids=positions).logits
    loss, _, _ = loss_of(logits, given["input_ids"], given["attention_mask"], name)
    loss.backward()
    out["lora.logits"], out["lora.loss"] = logits, loss[None]
    out["lora.grads"] = torch.stack([digest(trained[n].grad) for n in sorted(trained)])
    merged = model.merge_and_unload()
    out["lora.merged"] = merged.model.language_model.layers[0].self_attn.q_proj.weight
    return {"case": name, "rank": LORA["r"], "alpha": LORA["lora_alpha"], "names": [names[n] for n in sorted(trained)]}


def main():
    torch.set_num_threads(1)
    out, meta = {}, {}
    for name, case in CASES.items():
        meta[name] = run(name, case, out)
    meta["lora"] = run_lora("sizes", out)
    arrays = {}
    for name, tensor in out.items():
        array = tensor.detach().numpy()
        arrays[name] = np.ascontiguousarray(array.astype(np.int32 if array.dtype == np.int64 else np.float32))
    save_file(arrays, FIXTURES / "qwen-model.safetensors")
    (FIXTURES / "qwen-model.json").write_text(json.dumps(meta, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
