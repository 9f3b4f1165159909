"""Golden numbers for packages/stablereinforce/src/model: logits, log-probabilities, loss and every gradient.

    .venv/bin/pip install torch==2.13.0 numpy safetensors transformers
    .venv/bin/python tools/golden/transformer.py

The model is written out below in float64; where `transformers` is installed, its LlamaForCausalLM and Qwen2ForCausalLM with
the same weights are asserted to agree, so that the fixture is the family's mathematics and not this file's.
"""

import sys
from pathlib import Path

sys.path.pop(0)  # this folder: its files are named after what they make, and must not stand in for modules

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).parents[2] / "packages/stablereinforce/test/fixtures"

# vocab, hidden, layers, heads, kv heads, inner; RoPE base, eps, tied, biases
CONFIGS = {
    "transformer-llama": dict(V=23, D=16, L=2, H=4, K=2, F=24, theta=10000.0, eps=1e-6, tied=False, bias=False),
    "transformer-qwen2": dict(V=19, D=24, L=2, H=6, K=1, F=20, theta=1e6, eps=1e-5, tied=True, bias=True),
}


def weights(c, seed):
    g = torch.Generator().manual_seed(seed)

    def rand(*shape, scale=0.3, shift=0.0):
        # float32 values, computed with in float64: the fixture holds exactly what the golden run used
        return (torch.randn(*shape, generator=g, dtype=torch.float32) * scale + shift).double()

    d = c["D"] // c["H"]
    w = {"model.embed_tokens.weight": rand(c["V"], c["D"], scale=1.0), "model.norm.weight": rand(c["D"], shift=1.0)}
    for i in range(c["L"]):
        at = f"model.layers.{i}."
        w[at + "input_layernorm.weight"] = rand(c["D"], shift=1.0)
        w[at + "post_attention_layernorm.weight"] = rand(c["D"], shift=1.0)
        for name, out in (("q", c["H"] * d), ("k", c["K"] * d), ("v", c["K"] * d)):
            w[at + f"self_attn.{name}_proj.weight"] = rand(out, c["D"])
            if c["bias"]:
                w[at + f"self_attn.{name}_proj.bias"] = rand(out)
        w[at + "self_attn.o_proj.weight"] = rand(c["D"], c["H"] * d)
        w[at + "mlp.gate_proj.weight"] = rand(c["F"], c["D"])
        w[at + "mlp.up_proj.weight"] = rand(c["F"], c["D"])
        w[at + "mlp.down_proj.weight"] = rand(c["D"], c["F"])
    if not c["tied"]:
        w["lm_head.weight"] = rand(c["V"], c["D"])
    return {name: tensor.requires_grad_(True) for name, tensor in w.items()}


def norm(x, scale, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * scale


def rope(x, theta):
    d, t = x.shape[-1], x.shape[-2]
    freq = theta ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.arange(t, dtype=torch.float64)[:, None] * freq[None]
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def forward(w, tokens, c):
    b, t = tokens.shape
    d = c["D"] // c["H"]
    x = w["model.embed_tokens.weight"][tokens]
    mask = torch.full((t, t), float("-inf"), dtype=torch.float64).triu(1)
    for i in range(c["L"]):
        at = f"model.layers.{i}."
        h = norm(x, w[at + "input_layernorm.weight"], c["eps"])

        def heads(name, count):
            y = h @ w[at + f"self_attn.{name}_proj.weight"].T
            if c["bias"]:
                y = y + w[at + f"self_attn.{name}_proj.bias"]
            return y.view(b, t, count, d).transpose(1, 2)

        q, k, v = rope(heads("q", c["H"]), c["theta"]), rope(heads("k", c["K"]), c["theta"]), heads("v", c["K"])
        group = c["H"] // c["K"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        weights = torch.softmax(q @ k.transpose(-1, -2) / d**0.5 + mask, -1)
        x = x + (weights @ v).transpose(1, 2).reshape(b, t, -1) @ w[at + "self_attn.o_proj.weight"].T
        h = norm(x, w[at + "post_attention_layernorm.weight"], c["eps"])
        gate = torch.nn.functional.silu(h @ w[at + "mlp.gate_proj.weight"].T)
        x = x + (gate * (h @ w[at + "mlp.up_proj.weight"].T)) @ w[at + "mlp.down_proj.weight"].T
    head = w["model.embed_tokens.weight" if c["tied"] else "lm_head.weight"]
    return norm(x, w["model.norm.weight"], c["eps"]) @ head.T


def same_as_transformers(w, tokens, c, logits):
    try:
        from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
    except ImportError:
        print("transformers is not installed: the comparison with it was not made", file=sys.stderr)
        return
    kinds = (Qwen2Config, Qwen2ForCausalLM) if c["bias"] else (LlamaConfig, LlamaForCausalLM)
    config = kinds[0](
        vocab_size=c["V"], hidden_size=c["D"], num_hidden_layers=c["L"], num_attention_heads=c["H"],
        num_key_value_heads=c["K"], intermediate_size=c["F"], rms_norm_eps=c["eps"], tie_word_embeddings=c["tied"],
        rope_parameters={"rope_type": "default", "rope_theta": c["theta"]},
    )  # fmt: skip
    model = kinds[1](config).double()
    missing = model.load_state_dict({name: tensor.detach() for name, tensor in w.items()}, strict=False)
    assert set(missing.missing_keys) <= {"lm_head.weight"} and not missing.unexpected_keys, missing
    if c["tied"]:
        model.tie_weights()
    with torch.no_grad():
        worst = (model(tokens).logits - logits).abs().max().item()
    print(f"  largest difference from {kinds[1].__name__}: {worst:.1e}")
    assert worst < 2e-5, "the rotary tables of transformers are float32; more than that is another model"


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for seed, (name, c) in enumerate(CONFIGS.items()):
        print(name)
        w = weights(c, seed)
        tokens = torch.randint(0, c["V"], (2, 7), generator=torch.Generator().manual_seed(5))
        mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 0, 0]], dtype=torch.float64)
        logits = forward(w, tokens, c)
        same_as_transformers(w, tokens, c, logits)
        logp = torch.log_softmax(logits[:, :-1], -1).gather(2, tokens[:, 1:, None])[..., 0]
        logp = torch.cat([torch.zeros(2, 1, dtype=torch.float64), logp], 1) * mask
        loss = -logp.sum() / mask[:, 1:].sum()
        loss.backward()
        out = {k: v.detach().float() for k, v in w.items()}
        out |= {f"grad.{k}": v.grad for k, v in w.items()}
        out |= {"tokens": tokens.int(), "mask": mask.float(), "logits": logits, "logp": logp, "loss": loss}
        save_file({k: v.detach().contiguous() for k, v in out.items()}, FIXTURES / f"{name}.safetensors")


if __name__ == "__main__":
    main()
