"""Clients that speak to the server unmodified."""

import asyncio
import os
import time
import types

import aiohttp
import requests
from harness import Skip, answers, check_group, functions, load, logger, package, server, staggered, stubbed

PROMPT = "<|im_start|>user\nWhat is shown?<|im_end|>\n<|im_start|>assistant\n"


class Tokens:
    """A tokenizer whose tokens are characters."""

    def __call__(self, text, **_):
        ids = [[ord(char) for char in text]]
        return {"input_ids": [types.SimpleNamespace(tolist=lambda: ids[0])]}

    def decode(self, ids, **_):
        return "".join(chr(one) for one in ids)


class Engine:
    """Generates a given answer."""

    def __init__(self, answer):
        self.answer = answer

    async def generate(self, ids, params, **_):
        ids = [ord(char) for char in self.answer]
        output = types.SimpleNamespace(token_ids=ids, text=self.answer, finish_reason="stop", logprobs=None)
        return types.SimpleNamespace(outputs=[output])


def openrlhf_now():
    path = os.path.join(package("openrlhf==0.11.0"), "openrlhf", "utils", "agent.py")
    with stubbed(openrlhf__utils__logging_utils={"init_logger": lambda _: logger()}):
        agent = load(path, "openrlhf_agent")
    params = types.SimpleNamespace(max_tokens=64, logprobs=None)
    texts, qualities = answers(8)

    async def rollouts(urls, label, prompt):
        executor = agent.SingleTurnAgentExecutor(urls)
        call = lambda text: lambda: executor.execute(prompt, label, params, 4096, Tokens(), Engine(text + "<|im_end|>"))
        return await staggered([call(text) for text in texts])

    with server(groupSize=8) as judge, server(groupSize=8) as other:
        for urls, label, prompt in [
            (f"{judge.url}/get_reward", "a cat", PROMPT),
            # With one sample the second server is sent empty lists; it must answer, or the sample has no reward.
            ([f"{judge.url}/get_reward", f"{other.url}/get_reward"], "a cat", PROMPT.replace("What", "Who")),
            (f"{judge.url}/get_reward", {"odd": [None, {"label": float(1)}]}, PROMPT.replace("What", "Where")),
        ]:
            outputs = asyncio.run(rollouts(urls, label, prompt))
            check_group([output["reward"][0] for output in outputs], qualities, str(label))
            assert all(0 <= output["scores"][0] <= 1 for output in outputs)
            logs = [output["extra_logs"] for output in outputs]
            assert len({tuple(log) for log in logs}) == 1, "extra_logs differ in their names"
            assert all(isinstance(value[0], (int, float)) for log in logs for value in log.values()), logs[0]
            assert all(log["judge_failed"] == [0] and log["group_size"] == [8] for log in logs), logs[0]
        assert "<|im" not in judge.judged()[0]["question"]
    return "8 concurrent rollouts make one group; two servers; an odd label"


def openrlhf_batch():
    path = os.path.join(package("openrlhf==0.9.0"), "openrlhf", "utils", "remote_rm_utils.py")
    remote = types.SimpleNamespace(remote=lambda thing: thing)
    with stubbed(openrlhf__utils__logging_utils={"init_logger": lambda _: logger()}, ray=vars(remote)):
        client = load(path, "openrlhf_remote_rm")
    with server() as judge:
        prompts, queries, expected = [], [], []
        for at in range(4):
            texts, qualities = answers(4, seed=at)
            prompt = PROMPT.replace("What", f"What number {at}")
            prompts += [prompt] * 4
            queries += [prompt + text + "<|im_end|>" for text in texts]
            expected.append(qualities)
        labels = [None] * 16
        reply = client.request_api_wrapper(f"{judge.url}/get_reward", {"query": queries, "prompts": prompts, "labels": labels})
        for at in range(4):
            check_group(reply["rewards"][4 * at : 4 * at + 4], expected[at])
    return "16 rewards of 4 groups in the order of the request"


def llamafactory():
    try:
        import torch
    except ImportError:
        raise Skip("torch is not to be had") from None
    path = os.path.join(package("llamafactory==0.9.5"), "llamafactory", "train", "ppo", "ppo_utils.py")
    import json

    (ask,) = functions(path, ["get_rewards_from_server"], requests=requests, json=json, torch=torch)
    texts, qualities = answers(4)
    with server() as judge:
        rewards = ask(f"{judge.url}/v1/score/evaluation", [PROMPT + text + "<|im_end|>" for text in texts])
    assert rewards.shape == (4,) and rewards.dtype == torch.float32
    check_group(rewards.tolist(), qualities)
    return "a tensor of one score per text"


def verl_classifier():
    path = os.path.join(package("verl==0.9.0"), "verl", "experimental", "reward_loop", "reward_loop.py")
    scope = {"aiohttp": aiohttp, "asyncio": asyncio, "logger": logger(), "DataProto": object}
    post, score = functions(path, ["_post_request", "compute_score_disrm"], **scope)
    anchors = [{"text": "quality=0.4 anchor", "score": -0.2}, {"text": "quality=0.6 anchor", "score": 0.2}]

    def ask(url, engine, text):
        rollout = types.SimpleNamespace(name=engine)
        model = types.SimpleNamespace(rollout=rollout, model_path="r1reward")
        config = types.SimpleNamespace(reward=types.SimpleNamespace(reward_model=model))
        worker = types.SimpleNamespace(config=config, reward_router_address=url.removeprefix("http://"))
        worker._post_request = lambda *args: post(worker, *args)

        async def conversation(_):
            return PROMPT + text + "<|im_end|>"

        worker._preprocess_reward_inputs = conversation
        return asyncio.run(score(worker, None))["reward_score"]

    with server(anchors=anchors) as judge:
        for engine in ("vllm", "sglang"):
            bad, good = (ask(judge.url, engine, f"quality={quality}") for quality in (0.1, 0.9))
            assert -1 <= bad < good <= 1, f"{engine}: {bad} and {good}"
    return "better answers score higher against anchors, through /classify and /v1/embeddings"


def slime():
    """16 prompts with 16 samples each over slime's 64 connections, in random order."""
    source = os.environ.get("SLIME_SOURCE")
    if source is None:
        raise Skip("not on the package index: SLIME_SOURCE=<a checkout> runs it")
    path = os.path.join(source, "slime", "rollout", "rm_hub", "__init__.py")
    import random

    scope = {"aiohttp": aiohttp, "asyncio": asyncio, "logger": logger(), "random": random, "Sample": object}
    _session, remote = functions(path, ["_get_shared_session", "remote_rm"], _shared_session=None, **scope)
    groups = [answers(16, seed=at) for at in range(16)]

    async def rollouts(url):
        args = types.SimpleNamespace(rm_url=f"{url}/slime")
        sample = lambda at, text: types.SimpleNamespace(prompt=f"prompt {at}", response=text, label=None)
        calls = [lambda at=at, text=text: remote(args, sample(at, text)) for at in range(16) for text in groups[at][0]]
        try:
            return await staggered(calls, span=3.0)
        finally:
            await _session().close()

    with server(groupSize=16, delayMs=5) as judge:
        started = time.monotonic()
        rewards = asyncio.run(rollouts(judge.url))
        took = time.monotonic() - started
        metrics = requests.get(f"{judge.url}/metrics", timeout=10).text
    for at in range(16):
        check_group(rewards[16 * at : 16 * at + 16], groups[at][1], f"prompt {at}")
    assert 'whole="partial"' not in metrics, "a group was judged incomplete"
    assert took < 60, f"{took:.0f} s"
    return f"16 x 16 samples over 64 connections: all groups complete, {took:.0f} s"


ROWS = [
    ("OpenRLHF 0.11.0, agent executor", openrlhf_now),
    ("OpenRLHF 0.9.0, batch client", openrlhf_batch),
    ("LLaMA-Factory 0.9.5, PPO reward API", llamafactory),
    ("verl 0.9.0, classifier client", verl_classifier),
    ("slime, remote_rm", slime),
]
