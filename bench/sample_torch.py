"""The PyTorch side of bench/sample.mjs: requests as JSON lines on stdin, results as JSON lines on stdout.

`torch` is a key/value loop written by hand: joint QKV and gate/up products, preallocated cache, scaled_dot_product_attention,
sampling by torch.multinomial. `hf` is LlamaForCausalLM.generate of transformers with its default cache.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

folder = sys.argv[1]
c = json.load(open(f"{folder}/config.json"))
w = load_file(f"{folder}/model.safetensors")
torch.set_num_threads(c["threads"])
torch.set_grad_enabled(False)
V, D, L, H, T = c["vocabSize"], c["hiddenSize"], c["layers"], c["heads"], c["promptLength"]
d = D // H
EPS, THETA = 1e-6, 10000.0

layers = []
for i in range(L):
    at = f"model.layers.{i}."
    layers.append(
        {
            "n1": w[at + "input_layernorm.weight"],
            "n2": w[at + "post_attention_layernorm.weight"],
            "qkv": torch.cat([w[at + f"self_attn.{x}_proj.weight"] for x in "qkv"]).contiguous(),
            "o": w[at + "self_attn.o_proj.weight"],
            "gu": torch.cat([w[at + "mlp.gate_proj.weight"], w[at + "mlp.up_proj.weight"]]).contiguous(),
            "down": w[at + "mlp.down_proj.weight"],
        }
    )
E, NORM = w["model.embed_tokens.weight"], w["model.norm.weight"]
angle = torch.arange(4096, dtype=torch.float64)[:, None] * THETA ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)[None]
COS, SIN = torch.cat([angle.cos()] * 2, -1).float(), torch.cat([angle.sin()] * 2, -1).float()


def prompts(batch):
    i, t = torch.arange(batch)[:, None], torch.arange(T)[None]
    return (i * 7919 + t * t * 31 + t * 17) % V


def rope(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def forward(tokens, start, cache):
    b, t = tokens.shape
    x = E[tokens]
    cos, sin = COS[start : start + t], SIN[start : start + t]
    for layer, (ck, cv) in zip(layers, cache):
        q, k, v = F.linear(F.rms_norm(x, (D,), layer["n1"], EPS), layer["qkv"]).view(b, t, 3, H, d).permute(2, 0, 3, 1, 4)
        ck[:, :, start : start + t] = rope(k, cos, sin)
        cv[:, :, start : start + t] = v
        keys, values = ck[:, :, : start + t], cv[:, :, : start + t]
        y = F.scaled_dot_product_attention(rope(q, cos, sin), keys, values, is_causal=t > 1)
        x = x + F.linear(y.transpose(1, 2).reshape(b, t, D), layer["o"])
        gate, up = F.linear(F.rms_norm(x, (D,), layer["n2"], EPS), layer["gu"]).chunk(2, -1)
        x = x + F.linear(F.silu(gate) * up, layer["down"])
    return F.linear(F.rms_norm(x[:, -1], (D,), NORM, EPS), E)


def by_hand(batch, new, greedy):
    tokens = prompts(batch)
    cache = [tuple(torch.empty(batch, H, T + new, d) for _ in range(2)) for _ in range(L)]
    out, logps = [], []
    logits = forward(tokens, 0, cache)
    for step in range(new):
        logp = torch.log_softmax(logits, -1)
        token = logp.argmax(-1, keepdim=True) if greedy else torch.multinomial(logp.exp(), 1)
        logps.append(logp.gather(1, token))
        out.append(token)
        if step + 1 < new:
            logits = forward(token, T + step, cache)
    return torch.cat(out, 1)


hf_model = None


def by_generate(batch, new, greedy):
    global hf_model
    if hf_model is None:
        import transformers
        from transformers import LlamaConfig, LlamaForCausalLM

        transformers.logging.set_verbosity_error()
        config = LlamaConfig(
            vocab_size=V, hidden_size=D, num_hidden_layers=L, num_attention_heads=H, num_key_value_heads=c["kvHeads"],
            intermediate_size=c["intermediateSize"], rms_norm_eps=EPS, tie_word_embeddings=True,
            bos_token_id=None, eos_token_id=None, pad_token_id=0, max_position_embeddings=4096,
            rope_parameters={"rope_type": "default", "rope_theta": THETA},
        )  # fmt: skip
        hf_model = LlamaForCausalLM(config).eval()
        hf_model.load_state_dict(w, strict=False)
        hf_model.tie_weights()
    tokens = prompts(batch)
    how = dict(do_sample=False) if greedy else dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0)
    made = hf_model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=new, min_new_tokens=new, use_cache=True, **how
    )
    return made[:, T:]


def cpu():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


for line in sys.stdin:
    ask = json.loads(line)
    run = by_hand if ask["mode"] == "torch" else by_generate
    torch.manual_seed(ask.get("seed", 0))
    before, start = cpu(), time.perf_counter()
    made = run(ask["batch"], ask["newTokens"], ask.get("greedy", False))
    seconds, used = time.perf_counter() - start, cpu() - before
    count = made.numel()
    reply = {"tokensPerSecond": count / seconds, "cpuMsPerToken": used * 1e3 / count}
    if ask.get("greedy"):
        reply["tokens"] = made.tolist()
    print(json.dumps(reply), flush=True)
