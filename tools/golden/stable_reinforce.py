"""Golden numbers for packages/stablereinforce/src/algorithm: losses with gradients, advantages, KL, and the released code itself.

    .venv/bin/pip install torch==2.13.0 numpy
    .venv/bin/python tools/golden/stable_reinforce.py [checkout of yfzhang114/r1_reward]

Everything is written out in float64, one equation per function, with gradients by autograd. Inputs are float32 numbers, so that
what reads them in single precision starts from the same ones. With a checkout (or its bare git directory) the released code's
own functions are cut out of its files and run, in the float32 that they ask for; without one reference.json is left as it is.
"""

import ast
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import List, Optional, Tuple, Union

sys.path.pop(0)  # this folder: its files are named after what they make, and must not stand in for modules

import numpy as np
import torch
import torch.nn as nn

OUT = Path(__file__).parents[2] / "packages/stablereinforce/test/fixtures/algorithm"
COMMIT = "3693413"
LN1000 = math.log(1000.0)


def single(x):
    """float32 numbers in float64."""
    return x.float().double()


def listed(x):
    if isinstance(x, torch.Tensor):
        x = x.detach().tolist()
    if isinstance(x, list):
        return [listed(y) for y in x]
    if isinstance(x, float):
        return float(f"{x:.12g}")
    return x


def save(name, content):
    path = OUT / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


# ---------------------------------------------------------------- losses


def inputs(seed, lengths=(7, 4, 1, 0, 6), width=7, wild=True):
    g = torch.Generator().manual_seed(seed)
    shape = (len(lengths), width)
    rand = lambda: torch.randn(shape, generator=g, dtype=torch.float64)
    logp = -rand().abs() * 2 - 0.05
    old = logp - rand() * 0.3
    if wild:  # some tokens far outside Pre-CLIP, on both sides and with both signs of the advantage
        for (i, t), gap in {(0, 1): 8.5, (0, 3): -9.25, (1, 0): -7.5, (1, 2): 11.0, (4, 4): 2.5, (4, 5): -3.25}.items():
            if i < len(lengths):
                old[i, t] = logp[i, t] - gap
    mask = torch.tensor([[1.0 if t < n else 0.0 for t in range(width)] for n in lengths], dtype=torch.float64)
    advantage = rand()
    advantage[0, 2] = 0.0
    return {
        "logp": single(logp),
        "logpOld": single(old),
        "logpRef": single(logp - rand() * 0.8),
        "logpRollout": single(old + rand() * 0.6),
        "entropy": single(rand().abs()),
        "advantage": single(advantage),
        "mask": mask,
    }


def sequence_mean(x, m):
    n = m.sum(1)
    rows = [(x[i] * m[i]).sum() / n[i] for i in range(len(n)) if n[i] > 0]
    return sum(rows) / len(rows)


def token_mean(x, m):
    return (x * m).sum() / m.sum()


def sequence_sum(x, m, length=1.0):
    return sum((x[i] * m[i]).sum() / length for i in range(len(m)) if m[i].sum() > 0) / (m.sum(1) > 0).sum()


def bounds(o):
    pre = o.get("preClip", {})
    if pre == "none":
        return -math.inf, math.inf
    return math.log(pre.get("deltaMin", 1e-3)), math.log(pre.get("deltaMax", 1e3))


def ratio(x, o):
    return (x["logp"] - x["logpOld"]).clamp(*bounds(o)).exp()


def clip_objective(rho, a, o, low=0.2, high=0.2):
    low, high = o.get("epsilonLow", o.get("epsilon", low)), o.get("epsilonHigh", o.get("epsilon", high))
    return torch.min(rho * a, rho.clamp(1 - low, 1 + high) * a)


def stable_reinforce(x, o):
    o = {**o, "preClip": {k: o[k] for k in ("deltaMin", "deltaMax") if k in o}}
    return -sequence_mean(clip_objective(ratio(x, o), x["advantage"], o), x["mask"])


def ppo(x, o):
    return -sequence_mean(clip_objective(ratio(x, o), x["advantage"], o), x["mask"])


def dual_clip(x, o):
    a = x["advantage"]
    inner = clip_objective(ratio(x, o), a, o)
    return -sequence_mean(torch.where(a < 0, torch.max(inner, o.get("c", 3.0) * a), inner), x["mask"])


def k3(d):
    d = d.clamp(-20, 20)
    return torch.exp(-d) - 1 + d


def grpo(x, o):
    beta = o.get("klCoef", 0.04)
    per_token = clip_objective(ratio(x, o), x["advantage"], o) - beta * k3(x["logp"] - x["logpRef"])
    return -sequence_mean(per_token, x["mask"])


def dr_grpo(x, o):
    return -sequence_sum(clip_objective(ratio(x, o), x["advantage"], o), x["mask"], o["maxTokens"])


def dapo(x, o):
    return -token_mean(clip_objective(ratio(x, o), x["advantage"], o, 0.2, 0.28), x["mask"])


def gspo(x, o):
    m, rows = x["mask"], []
    for i in range(len(m)):
        n = int(m[i].sum())
        if n == 0:
            continue
        s = ((x["logp"] - x["logpOld"])[i, :n].sum() / n).clamp(*bounds(o)).exp()
        rows.append(clip_objective(s, x["advantage"][i, :n], o, 3e-4, 4e-4).mean())
    return -sum(rows) / len(rows)


def cispo(x, o):
    low, high = o.get("epsilonLow", 1.0), o.get("epsilonHigh", 0.2)
    weight = ratio(x, o).clamp(1 - low, 1 + high).detach()
    return -token_mean(weight * x["advantage"] * x["logp"], x["mask"])


def sapo(x, o):
    a, rho = x["advantage"], ratio(x, o)
    tau = torch.where(a < 0, o.get("tauNegative", 1.05), o.get("tauPositive", 1.0)).double()
    return -sequence_mean(torch.sigmoid(tau * (rho - 1)) * 4 / tau * a, x["mask"])


def reinforce_loss(x, o):
    return -sequence_mean(x["logp"] * x["advantage"], x["mask"])


def rloo_loss(x, o):
    return -sequence_sum(x["logp"] * x["advantage"], x["mask"])


def importance_sampling(x, o):
    return -sequence_mean(ratio(x, o) * x["advantage"], x["mask"])


NONE, WIDE = {"preClip": "none"}, {"preClip": {"deltaMin": 0.05, "deltaMax": 20}}
LOSSES = {
    "stableReinforce": (stable_reinforce, [{}, {"epsilon": 0.3}, {"deltaMin": 0.1, "deltaMax": 10}]),
    "ppo": (ppo, [{}, NONE, {"epsilonLow": 0.1, "epsilonHigh": 0.3}]),
    "dualClip": (dual_clip, [{}, {"c": 5, **WIDE}]),
    "grpo": (grpo, [{}, {"klCoef": 0}, {"klCoef": 0.5, **NONE}]),
    "drGrpo": (dr_grpo, [{"maxTokens": 7}, {"maxTokens": 100, **WIDE}]),
    "dapo": (dapo, [{}, NONE]),
    "gspo": (gspo, [{}, {"epsilonLow": 0.5, "epsilonHigh": 4}, WIDE]),
    "cispo": (cispo, [{}, {"epsilonLow": 0.2, "epsilonHigh": 5}]),
    "sapo": (sapo, [{}, {"tauPositive": 2, "tauNegative": 3}]),
    "reinforce": (reinforce_loss, [{}]),
    "rloo": (rloo_loss, [{}]),
    "importanceSampling": (importance_sampling, [{}, WIDE]),
}


def with_gradient(f, x, o):
    x = {k: v.clone() for k, v in x.items()}
    x["logp"].requires_grad_(True)
    x["entropy"].requires_grad_(True)
    loss = f(x, o)
    loss.backward()
    gradient = x["logp"].grad if x["logp"].grad is not None else torch.zeros_like(x["logp"])
    return {"options": o, "loss": listed(loss), "gradient": listed(gradient)}


def write_losses():
    for n, (name, (f, options)) in enumerate(LOSSES.items()):
        x = inputs(100 + n)
        save(f"losses/{name}", {"inputs": {k: listed(v) for k, v in x.items()}, "cases": [with_gradient(f, x, o) for o in options]})


# ---------------------------------------------------------------- corrections and penalties, on the clipped objective


def rollout_weight(x, o):
    d, m = x["logpOld"] - x["logpRollout"], x["mask"]
    level = o.get("level", "token")
    if level == "sequence":
        d = ((d * m).sum(1, keepdim=True) / m.sum(1, keepdim=True).clamp(min=1)).expand_as(m)
    if level == "product":
        d = (d * m).sum(1, keepdim=True).expand_as(m)
    return d.clamp(-20, 20).exp()


def off_policy(x, o):
    m = x["mask"]
    moved = -((x["logp"] - x["logpOld"]) * m).sum(1, keepdim=True) / m.sum(1, keepdim=True).clamp(min=1)
    return 1.0 - ((moved > o.get("delta", 0.1)) & (x["advantage"] < 0)).double()


def kept(w, low, high):
    return ((w >= low) & (w <= high)).double()


CORRECTIONS = {
    "truncated": (lambda x, o: rollout_weight(x, o).clamp(max=o.get("cap", 2)), [{}, {"cap": 1.1}, {"level": "sequence"}, {"level": "product", "cap": 3}]),
    "masked": (lambda x, o: rollout_weight(x, o) * kept(rollout_weight(x, o), 0, o.get("cap", 2)), [{}, {"cap": 1.2}, {"level": "product"}]),
    "icePop": (lambda x, o: rollout_weight(x, o) * kept(rollout_weight(x, o), o.get("low", 0.5), o.get("high", 5)), [{}, {"low": 0.8, "high": 1.25}]),
    "rejected": (lambda x, o: kept(rollout_weight({**x}, {"level": "sequence", **o}), o.get("low", 0.5), o.get("high", 2)), [{}, {"low": 0.9, "high": 1.1}, {"level": "token"}]),
    "offPolicyMask": (off_policy, [{}, {"delta": 0.5}]),
}
ESTIMATORS_OF_KL = {"k1": lambda d: d, "k2": lambda d: d * d / 2, "k3": k3, "k3~k2": lambda d: d * d / 2 + (k3(d) - d * d / 2).detach()}


def kl_term(x, o):
    return o["coef"] * ESTIMATORS_OF_KL[o.get("estimator", "k3")](x["logp"] - x["logpRef"])


PENALTIES = {
    "kl": (kl_term, [{"coef": 0.1}, {"coef": 0.1, "estimator": "k1"}, {"coef": 0.1, "estimator": "k2"}, {"coef": 0.3, "estimator": "k3~k2"}]),
    "unbiasedKl": (lambda x, o: ratio(x, {}) * kl_term(x, o), [{"coef": 0.1}, {"coef": 0.2, "estimator": "k1"}]),
    "entropy": (lambda x, o: -o["coef"] * x["entropy"], [{"coef": 0.01}]),
}


def write_pieces():
    for n, (name, (weight, options)) in enumerate(CORRECTIONS.items()):
        f = lambda x, o: -sequence_mean(clip_objective(ratio(x, {}), x["advantage"], {}) * weight(x, o).detach(), x["mask"])
        x = inputs(200 + n, wild=False)
        save(f"corrections/{name}", {"inputs": {k: listed(v) for k, v in x.items()}, "cases": [with_gradient(f, x, o) for o in options]})
    for n, (name, (term, options)) in enumerate(PENALTIES.items()):
        f = lambda x, o: -sequence_mean(clip_objective(ratio(x, {}), x["advantage"], {}) - term(x, o), x["mask"])
        x = inputs(300 + n)
        save(f"penalties/{name}", {"inputs": {k: listed(v) for k, v in x.items()}, "cases": [with_gradient(f, x, o) for o in options]})


# ---------------------------------------------------------------- advantages


def rollouts(seed):
    g = torch.Generator().manual_seed(seed)
    batch = []
    for n, (group, length, reward) in enumerate(
        [("a", 5, 2.0), ("a", 3, 0.5), ("b", 4, 1.5), ("a", 1, 2.0), ("b", 2, 1.5), ("c", 3, -0.25), ("d", 2, 12.0), ("d", 4, -3.0), ("a", 6, 0.0)]
    ):
        rand = lambda: torch.randn(length, generator=g, dtype=torch.float64)
        old = -rand().abs()
        parts = {"result": float(reward > 1), "format": float(n % 2), "length": None if n in (1, 5) else round(n * 0.3 - 1, 6)}
        batch.append(
            {
                "group": group,
                "reward": reward,
                "parts": parts,
                "logpOld": listed(old),
                "logpRef": listed(old - rand() * 0.5),
                "values": listed(rand()),
            }
        )
    return batch


def clipped_rewards(batch, o):
    return torch.tensor([b["reward"] for b in batch], dtype=torch.float64).clamp(*o.get("rewardClip", (-10, 10)))


def by_group(batch, o, f):
    rewards = clipped_rewards(batch, o)
    out = rewards.clone()
    for group in {b["group"] for b in batch}:
        members = [i for i, b in enumerate(batch) if b["group"] == group]
        out[members] = f(rewards[members])
    return out


def kl_number(d, estimator):
    return listed(ESTIMATORS_OF_KL[estimator](torch.tensor(d, dtype=torch.float64)))


def token_rewards(b, reward, o):
    rewards = [0.0] * len(b["logpOld"])
    if o.get("klCoef", 0) > 0:
        rewards = [-o["klCoef"] * kl_number(p - q, o.get("klEstimator", "k1")) for p, q in zip(b["logpOld"], b["logpRef"])]
    rewards[-1] += float(reward)
    return rewards


def returns(rewards, gamma):
    return [sum(gamma**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))]


def returns_of(shape):
    return lambda batch, o: [returns(token_rewards(b, r, o), o.get("gamma", 1)) for b, r in zip(batch, shape(batch, o))]


def z_scores(r, epsilon=1e-6):
    return (r - r.mean()) / (r.std() + epsilon) if len(r) > 1 else r * 0


def gae(batch, o):
    gamma, lam, rows = o.get("gamma", 1), o.get("lambda", 0.95), []
    for b in batch:
        r, v = token_rewards(b, min(10.0, max(-10.0, b["reward"])), o), b["values"] + [0.0]
        delta = [r[t] + gamma * v[t + 1] - v[t] for t in range(len(r))]
        rows.append([sum((gamma * lam) ** k * d for k, d in enumerate(delta[t:])) for t in range(len(r))])
    return rows


def gdpo(batch, o):
    weights = o.get("weights", {"result": 1, "format": 1, "length": 1})
    total = torch.zeros(len(batch), dtype=torch.float64)
    for part, weight in weights.items():
        for group in {b["group"] for b in batch}:
            members = [i for i, b in enumerate(batch) if b["group"] == group and b["parts"][part] is not None]
            if members:
                total[members] += weight * z_scores(torch.tensor([batch[i]["parts"][part] for i in members], dtype=torch.float64), o.get("epsilon", 1e-6))
    z = (total - total.mean()) / total.std(correction=0)
    return [[float(z[i])] * len(b["logpOld"]) for i, b in enumerate(batch)]


centred = lambda batch, o: by_group(batch, o, lambda r: r - r.mean())
others = lambda r: r - (r.sum() - r) / (len(r) - 1) if len(r) > 1 else r * 0
KL = {"klCoef": 0.1, "gamma": 0.9}
ADVANTAGES = {
    "reinforce": (returns_of(clipped_rewards), [{}, KL, {"klCoef": 0.2, "klEstimator": "k3", "rewardClip": [-1, 1]}]),
    "reinforceBaseline": (returns_of(centred), [{}, KL]),
    "rloo": (returns_of(lambda batch, o: by_group(batch, o, others)), [{}, KL]),
    "grpo": (returns_of(lambda batch, o: by_group(batch, o, lambda r: z_scores(r, o.get("epsilon", 1e-6)))), [{}, {"epsilon": 0.01}]),
    "drGrpo": (returns_of(centred), [{}]),
    "gae": (gae, [{}, {"gamma": 0.9, "lambda": 0.5, "klCoef": 0.1}, {"lambda": 0}, {"lambda": 1}]),
    "gdpo": (gdpo, [{}, {"weights": {"result": 1, "length": 0.25}}]),
}


def filtered(rows, sigmas=3.0):
    every = torch.tensor([a for row in rows for a in row], dtype=torch.float64)
    z = lambda a: float((a - every.mean()) / every.std(correction=0))
    return [[z(a) if abs(z(a)) <= sigmas else 0.0 for a in row] for row in rows]


def write_advantages():
    for n, (name, (f, options)) in enumerate(ADVANTAGES.items()):
        batch = rollouts(400 + n)
        cases = []
        for o in options:
            rows = f(batch, o)
            cases.append({"options": o, "advantages": listed(rows), "filtered": listed(filtered(rows, 1.5))})
        save(f"estimators/{name}", {"batch": batch, "sigmas": 1.5, "cases": cases})


# ---------------------------------------------------------------- the released code, cut out of its files


def source(checkout, path):
    file = Path(checkout) / path
    if file.exists():
        return file.read_text()
    return subprocess.run(["git", "-C", str(checkout), "show", f"{COMMIT}:{path}"], check=True, capture_output=True, text=True).stdout


def cut(checkout, path, *names, **given):
    """The named classes, functions or methods (`Class.method`) of a file, run with `given` and nothing else of that file."""
    tree = ast.parse(source(checkout, path))
    wanted = []
    for name in names:
        nodes = tree.body
        for part in name.split("."):
            node = next(x for x in nodes if getattr(x, "name", None) == part)
            nodes = getattr(node, "body", [])
        node.decorator_list = []
        wanted.append(node)
    space = {"torch": torch, "nn": nn, "np": np, "Optional": Optional, "Tuple": Tuple, "Union": Union, "List": List, **given}
    exec(compile(ast.Module(body=wanted, type_ignores=[]), path, "exec"), space)
    return [space[name.split(".")[-1]] for name in names]


class Item:
    def __init__(self, row):
        self.advantages = torch.tensor(row, dtype=torch.float32)
        self.action_mask = torch.ones(len(row))


class Alone:
    """One rank: sums over ranks are the rank's own."""

    def all_reduce(self, x, op):
        return x


def normalised(normalize, rows):
    items = [Item(row) for row in rows]
    mean, rstd = normalize(items, "advantages", Alone())
    return {"rows": rows, "mean": mean, "rstd": rstd, "normalised": [listed(item.advantages) for item in items]}


def batches():
    g = torch.Generator().manual_seed(7)
    yield [[9.0]] * 121 + [[10.0]]  # z = 11: within mean ± 3, and beyond 10
    yield [[1.0]] * 255 + [[0.0]]
    yield [[2.0]] * 80 + [[0.5]] * 20
    yield [[2.0]] * 95 + [[0.5]] * 5
    yield [[1.0]] * 9 + [[0.0]]
    yield [[1.0]] * 10 + [[0.0]]
    yield [[0.5]] * 7  # exact in float32; 0.3 gives what the order of a float32 sum leaves over, times 1e4
    yield [[2.0] * 40, [0.5] * 3, [2.0] * 25, [1.0] * 2, [0.0] * 9]
    yield [listed(single(torch.randn(n, generator=g, dtype=torch.float64) * 2 + 1)) for n in (30, 1, 17, 4)]
    yield [listed(single(torch.randn(n, generator=g, dtype=torch.float64).exp() ** 2)) for n in (60, 20, 5)]


def write_reference(checkout):
    (masked_mean, compute_approx_kl, compute_reward) = cut(
        checkout, "openrlhf/models/utils.py", "masked_mean", "compute_approx_kl", "compute_reward"
    )
    policy, value = cut(checkout, "openrlhf/models/loss.py", "PolicyLoss", "ValueLoss", masked_mean=masked_mean)
    (normalize,) = cut(checkout, "openrlhf/trainer/ppo_utils/replay_buffer.py", "NaiveReplayBuffer.normalize")
    (cumulative,) = cut(checkout, "openrlhf/trainer/ppo_utils/experience_maker.py", "NaiveExperienceMaker.get_cumulative_returns")
    (gae_of,) = cut(checkout, "openrlhf/trainer/ppo_utils/experience_maker.py", "NaiveExperienceMaker.get_advantages_and_returns")
    fixed, adaptive = cut(checkout, "openrlhf/trainer/ppo_utils/kl_controller.py", "FixedKLController", "AdaptiveKLController")

    x = inputs(500, lengths=(7, 4, 1, 6))  # an empty row is NaN there
    run = lambda y, o: policy(o["epsilon"])(y["logp"], y["logpOld"], y["advantage"], y["mask"])
    losses = [with_gradient(run, x, o) for o in ({"epsilon": 0.2}, {"epsilon": 0.3})]

    kls = []
    for k3_wanted in (False, True):
        d = compute_approx_kl(x["logpOld"], x["logpRef"], x["mask"], k3_wanted)
        r = torch.tensor([2.0, -0.5, 12.0, -30.0])
        for coef, gamma in ((0.01, 1.0), (0.5, 0.9), (-1.0, 1.0)):
            rewards = compute_reward(r, coef, d, x["mask"], reward_clip_range=(-10, 10))
            kls.append(
                {
                    "estimator": "k3" if k3_wanted else "k1",
                    "coef": coef,
                    "gamma": gamma,
                    "returns": listed(cumulative(None, rewards, x["mask"], gamma)),
                }
            )
    v = inputs(501, lengths=(7, 4, 1, 6))
    values = {"values": v["logp"], "valuesOld": v["logpOld"], "returns": v["advantage"], "mask": v["mask"]}
    g = v["logp"].clone().requires_grad_(True)
    value_loss = value(0.2)(g, v["logpOld"], v["advantage"], v["mask"])
    value_loss.backward()
    d = compute_approx_kl(x["logpOld"], x["logpRef"], x["mask"])
    rewards = compute_reward(torch.tensor([2.0, -0.5, 12.0, -30.0]), 0.1, d, x["mask"], reward_clip_range=(-10, 10))
    advantages, _ = gae_of(None, v["logp"], rewards, x["mask"], 0.9, 0.95)

    controllers = []
    for current in (12.0, 3.0, 6.3):
        c = adaptive(0.2, 6.0, 10000)
        c.update(current, 256)
        controllers.append([current, float(c.value)])
    f = fixed(0.2)
    f.update(12.0, 256)
    assert f.value == 0.2

    save(
        "reference",
        {
            "source": f"yfzhang114/r1_reward at {COMMIT}, its own functions",
            "policy": {"inputs": {k: listed(t) for k, t in x.items()}, "cases": losses},
            "rewards": [2.0, -0.5, 12.0, -30.0],
            "returns": kls,
            "value": {k: listed(t) for k, t in values.items()} | {"loss": listed(value_loss), "gradient": listed(g.grad)},
            "gae": {"options": {"gamma": 0.9, "lambda": 0.95, "klCoef": 0.1}, "advantages": listed(advantages)},
            "adaptive": {"initial": 0.2, "target": 6, "samples": 256, "after": controllers},
            "normalise": [normalised(normalize, rows) for rows in batches()],
        },
    )


if __name__ == "__main__":
    write_losses()
    write_pieces()
    write_advantages()
    if len(sys.argv) > 1:
        write_reference(sys.argv[1])
