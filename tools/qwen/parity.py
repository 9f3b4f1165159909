"""Both ways between transformers and @r1reward/stablereinforce, on fresh random checkpoints.

    .venv/bin/pip install torch transformers peft safetensors numpy
    .venv/bin/python tools/qwen/parity.py [--seed N] [--rounds N]

For each round: a random Qwen2.5-VL of random sizes saved by `save_pretrained` (float32 or bfloat16, one file or shards, with an
adapter of peft beside it); ours reads it, writes logits, greedily decoded tokens, logits with the adapter, and saves model and adapter
anew; transformers and peft load those and must agree. One line per check: ok or FAILED. Exits 1 if one failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.pop(0)

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.numpy import load_file, save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.utils import logging

HERE = Path(__file__).parent
IMAGE, VIDEO, START, END = 3, 4, 1, 2
NEW_TOKENS = 12
failures = 0


def report(what, good, detail=""):
    global failures
    failures += not good
    print(f"{'ok     ' if good else 'FAILED '} {what}{'' if good else ': ' + detail}", flush=True)


def random_config(rng):
    head = int(rng.choice([8, 16, 32]))
    kv, groups = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    hidden = head * kv * groups
    section = rng.multinomial(head // 2 - 3, [1 / 3] * 3) + 1
    vheads, vhead = int(rng.integers(1, 4)), int(rng.choice([8, 16]))
    depth = int(rng.integers(1, 5))
    full = sorted(rng.choice(depth, size=int(rng.integers(0, depth + 1)), replace=False).tolist())
    return Qwen2_5_VLConfig(
        text_config=dict(
            hidden_size=hidden, num_hidden_layers=int(rng.integers(1, 4)), num_attention_heads=kv * groups,
            num_key_value_heads=kv, intermediate_size=int(rng.integers(8, 80)), vocab_size=int(rng.integers(40, 200)),
            rms_norm_eps=float(rng.choice([1e-6, 1e-5])), max_position_embeddings=512, hidden_act="silu", bos_token_id=0, eos_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": section.tolist()},
        ),
        vision_config=dict(
            depth=depth, hidden_size=vheads * vhead, num_heads=vheads, intermediate_size=int(rng.integers(8, 60)),
            out_hidden_size=hidden, window_size=int(rng.choice([56, 84, 112])), fullatt_block_indexes=full,
            tokens_per_second=int(rng.integers(1, 5)),
        ),
        image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
        tie_word_embeddings=bool(rng.integers(0, 2)),
    )


def random_model(config, rng, seed):
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 1.0 if "embed_tokens" in name else 0.3 if p.dim() == 1 else 1.5 / np.sqrt(np.prod(p.shape[1:]))
            p.copy_(torch.from_numpy(rng.standard_normal(p.shape) * scale) + (1 if name.endswith(("norm.weight", "ln_q.weight"))
                    or "norm1" in name or "norm2" in name else 0))
    return model


def random_inputs(config, rng):
    """One prompt with up to three images and perhaps a video between words."""
    vocabulary = config.text_config.vocab_size
    words = lambda: rng.integers(5, vocabulary, size=int(rng.integers(1, 6))).tolist()  # noqa: E731
    tokens, images, videos = words(), [], []
    for _ in range(int(rng.integers(0, 4))):
        grid = (1, 2 * int(rng.integers(1, 7)), 2 * int(rng.integers(1, 7)))
        images.append(grid)
        tokens += [START] + [IMAGE] * (grid[1] * grid[2] // 4) + [END] + words()
    if rng.integers(0, 2):
        grid = (int(rng.integers(1, 4)), 2 * int(rng.integers(1, 5)), 2 * int(rng.integers(1, 5)))
        videos.append(grid)
        tokens += [START] + [VIDEO] * (grid[0] * grid[1] * grid[2] // 4) + [END] + words()
    ids = np.array([tokens])
    given = dict(input_ids=torch.from_numpy(ids), attention_mask=torch.ones(1, len(tokens), dtype=torch.long))
    pixels = lambda grids: torch.from_numpy(  # noqa: E731
        rng.standard_normal((sum(t * h * w for t, h, w in grids), 1176)).astype(np.float32))
    if images:
        given |= dict(pixel_values=pixels(images), image_grid_thw=torch.tensor(images))
    if videos:
        given |= dict(pixel_values_videos=pixels(videos), video_grid_thw=torch.tensor(videos),
                      second_per_grid_ts=torch.tensor([float(rng.choice([0.5, 1.0, 2.0]))]))
    if images or videos:
        given["mm_token_type_ids"] = torch.from_numpy((ids == IMAGE) * 1 + (ids == VIDEO) * 2)
    return given, images, videos


def positions_of(model, given):
    length = given["input_ids"].shape[1]
    if "mm_token_type_ids" not in given:
        return torch.arange(length)[None, None].expand(3, 1, -1), 0
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts", "attention_mask")
    positions, delta = model.model.get_rope_index(**{k: given.get(k) for k in names})
    return positions, int(delta)


def hand_over(path, given, positions, images, videos):
    ids = given["input_ids"].numpy()
    rows = np.full(ids.shape, -1)
    rows[ids == IMAGE] = np.arange((ids == IMAGE).sum())
    rows[ids == VIDEO] = (ids == IMAGE).sum() + np.arange((ids == VIDEO).sum())
    patches = [given[k].numpy() for k in ("pixel_values", "pixel_values_videos") if k in given]
    tensors = dict(tokens=ids, positions=positions.numpy(), imageRows=rows)
    arrays = {k: np.ascontiguousarray(v.astype(np.int32)) for k, v in tensors.items()}
    if patches:
        arrays |= dict(patches=np.concatenate(patches), grids=np.array(images + videos, np.int32))
    save_file(arrays, path)


def greedy(model, given):
    with torch.no_grad():
        out = model.generate(**given, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False,
                             pad_token_id=0, eos_token_id=None)
    return out[0, given["input_ids"].shape[1]:].tolist()


def logits_of(model, given, positions):
    with torch.no_grad():
        return model(**given, position_ids=positions).logits.float().numpy()


def far(a, b):
    return float(np.max(np.abs(a - b) / (1 + np.abs(b))))


def same_tokens(ours, theirs, gaps):
    """Equal, or first different where the two likeliest were a rounding apart."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return gaps[i] < 1e-3
    return True


def adapter_of(config, folder, rng, target, seed):
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    scale = dict(r=int(rng.integers(1, 5)), lora_alpha=float(rng.choice([2, 8, 16])), use_rslora=bool(rng.integers(0, 2)))
    model = get_peft_model(model, LoraConfig(target_modules=r".*(q_proj|o_proj|gate_proj|attn\.qkv)", init_lora_weights=False, **scale))
    model.save_pretrained(target)
    return model.eval()


def round_trip(seed):
    rng = np.random.default_rng(seed)
    config = random_config(rng)
    dtype, shards = (torch.float32, torch.bfloat16)[seed % 2], seed % 3 == 0
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        model = random_model(config, rng, seed).to(dtype)
        model.save_pretrained(home / "theirs", max_shard_size="100KB" if shards else "5GB")
        given, images, videos = random_inputs(config, rng)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(home / "theirs", dtype=torch.float32).eval()
        positions, delta = positions_of(model, given)
        hand_over(home / "inputs.safetensors", given, positions, images, videos)
        adapter = adapter_of(config, home / "theirs", rng, home / "adapter", seed)
        task = dict(home=str(home), delta=delta, newTokens=NEW_TOKENS, dtype="BF16" if dtype == torch.bfloat16 else "F32")
        subprocess.run(["node", str(HERE / "parity.mjs"), json.dumps(task)], check=True)
        compare(seed, home, (model, adapter, given, positions), f"seed {seed}, {str(dtype)[6:]}{', shards' if shards else ''}, "
                f"{len(images)} images, {len(videos)} videos")


def compare(seed, home, reference, what):
    model, adapter, given, positions = reference
    ours = load_file(home / "ours.safetensors")
    expected = logits_of(model, given, positions)
    distance = far(ours["logits"], expected)
    report(f"logits, {what}", distance < 2e-4, f"off by {distance:.2e}")
    tokens = greedy(model, given)
    report(f"greedy tokens, {what}", same_tokens(ours["tokens"].tolist(), tokens, ours["gaps"]),
           f"{ours['tokens'].tolist()} for {tokens}")
    distance = far(ours["adapted"], logits_of(adapter, given, positions))
    report(f"logits with peft's adapter, {what}", distance < 2e-4, f"off by {distance:.2e}")
    back = Qwen2_5_VLForConditionalGeneration.from_pretrained(home / "ours", dtype=torch.float32).eval()
    distance = far(logits_of(back, given, positions), expected)
    # The weights to the last bit; the logits but for the order in which a matrix product may sum, which memory alignment decides.
    written, read = model.state_dict(), back.state_dict()
    differing = [name for name in written.keys() | read.keys()
                 if name not in written or name not in read or not torch.equal(written[name], read[name])]
    report(f"our folder in transformers, {what}", not differing and distance < 1e-5, f"off by {distance:.2e}, {differing[:3]}")
    loaded = PeftModel.from_pretrained(back, home / "our-adapter").eval()
    distance = far(logits_of(loaded, given, positions), logits_of(adapter, given, positions))
    report(f"our adapter in peft, {what}", distance < 1e-5, f"off by {distance:.2e}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    for i in range(arguments.rounds):
        round_trip(arguments.seed + i)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
