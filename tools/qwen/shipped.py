"""The judge that ships, in Hugging Face transformers: its critiques of held-out scenes, compared with ours token for token.

    node tools/qwen/shipped.mjs > /tmp/ours.jsonl && .venv/bin/python tools/qwen/shipped.py /tmp/ours.jsonl
"""
import base64
import io
import json
import pathlib
import sys

import torch
from PIL import Image
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessor

folder = pathlib.Path(__file__).parents[2] / "packages/cli/models/tiny"
torch.set_num_threads(1)
model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
processor = Qwen2VLImageProcessor.from_pretrained(folder)
equal = total = 0
for line in open(sys.argv[1], encoding="utf8"):
    row = json.loads(line)
    image = Image.open(io.BytesIO(base64.b64decode(row["png"]))).convert("RGB")
    seen = processor(images=[image], return_tensors="pt")
    pads = int(seen["image_grid_thw"].prod()) // 4
    content = [{"type": "image"}, {"type": "text", "text": row["prompt"]}]
    chat = [{"role": "user", "content": content}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    text = text.replace("<|image_pad|>", "<|image_pad|>" * pads)
    ids = tokenizer(text, return_tensors="pt")
    ids["mm_token_type_ids"] = (ids["input_ids"] == model.config.image_token_id).long()  # without it places are lost
    with torch.no_grad():
        made = model.generate(**ids, **seen, max_new_tokens=176, do_sample=False)
    reply = tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    total += 1
    if reply == row["text"]:
        equal += 1
    else:
        print("ours        ", row["text"])
        print("transformers", reply)
print(f"{equal} of {total} critiques equal")
sys.exit(0 if equal == total else 1)
