"""Frameworks that are not on the package index: run against a checkout that an environment variable names."""

import asyncio
import json
import os
import random
import re
import textwrap
import time
import types
import typing

import aiohttp
import numpy
import requests
from harness import Skip, answers, check_group, functions, load, logger, server, staggered, stubbed
from rows_http import PROMPT


def checkout(variable):
    folder = os.environ.get(variable)
    if folder is None:
        raise Skip(f"not on the package index: {variable}=<a checkout> runs it")
    return folder


class Tensor(list):
    """What the clients make tensors for, without torch."""


def align_anything():
    path = os.path.join(checkout("ALIGN_ANYTHING_SOURCE"), "align_anything", "models", "remote_rm", "remote_rm_client.py")
    with stubbed(torch={"tensor": Tensor, "Tensor": Tensor}):
        remote = load(path, "align_anything_client")
    first, second = answers(4, seed=1), answers(4, seed=2)
    with server() as judge:
        model = remote.RemoteRewardModel(f"{judge.url}/get_reward")
        started = time.monotonic()
        rewards = model.score(["What is shown?"] * 4 + ["Who is shown?"] * 4, first[0] + second[0])
        assert time.monotonic() - started < 100
    check_group(rewards[:4], first[1])
    check_group(rewards[4:], second[1])
    return "two groups of 4 in the order of the request"


def roll():
    folder = os.path.join(checkout("ROLL_SOURCE"), "roll", "pipeline", "rlvr", "rewards")
    path = os.path.join(folder, "remote_reward_system_worker.py")
    from datetime import datetime

    typed = {name: getattr(typing, name) for name in ("Dict", "List", "Optional", "Tuple", "Any", "Union")}
    (handler,) = functions(path, ["RewardSystemHandler"], requests=requests, time=time, datetime=datetime, logger=logger(), **typed)
    texts, qualities = answers(4)
    with server(groupSize=4, delayMs=300) as judge:
        urls = {"submit_url": f"{judge.url}/roll/submit", "get_result_url": f"{judge.url}/roll/result"}
        client = handler({**urls, "global_step": 7}, {})
        replies = []

        def sees(url, get=requests.get, **more):
            reply = get(url, **more)
            replies.append(reply.json())
            return reply

        # The polls are looked at on their way: the client hands on only the last.
        client.get_task_result.__func__.__globals__["requests"] = types.SimpleNamespace(get=sees, post=requests.post)
        tasks = [client.submit_task(PROMPT, text, {"ground_truth": "cat"}, "data-1", f"rollout-{at}") for at, text in enumerate(texts)]
        results = [client.get_task_result(*task) for task in tasks]
    check_group([score for score, _ in results], qualities)
    codes = [reply["errcode"] for reply in replies]
    assert set(codes) == {0, 1} and codes[-1] == 0, f"codes: {codes}"
    assert all(isinstance(entry, dict) for _, dimensions in results for entry in dimensions.values())
    return "GET with a body: 1 while it is judged, then 0 with dimention_reward_score"


def oat():
    path = os.path.join(checkout("OAT_SOURCE"), "oat", "oracles", "remote", "client.py")
    try:
        import httpx  # noqa: F401
        import msgspec  # noqa: F401
    except ImportError as reason:
        raise Skip(f"{reason.name} is not to be had") from None
    flat = lambda nested: [value for part in nested for value in part]
    stubs = {
        "torch": {"Tensor": Tensor, "tensor": Tensor},
        "tree": {"flatten": flat},
        "oat__oracles__base": {name: type(name, (), {}) for name in ("PreferenceOracleBase", "RewardOracleBase")},
        "oat__types": {"Metric": dict},
    }
    with stubbed(**stubs):
        client = load(path, "oat_client")
    texts, qualities = answers(8)
    for delay in (0, 3500):  # two judgements a pair: the second is slower than the 5 s that the client waits
        with server(delayMs=delay, judging={"concurrency": 2}) as judge:
            oracle = client.RemoteRMOracle(judge.url)
            count = 8 if delay == 0 else 2
            wins, _ = oracle.compare([f"What is shown in {at}?" for at in range(count)], texts[:count], texts[1 : count + 1] + texts[:1])
        better = [qualities[at] > qualities[(at + 1) % 8] for at in range(count)]
        assert numpy.array(wins).tolist() == better, f"{wins} for {better}"
    return "msgpack pairs; a judge slower than the client's 5 s is asked again and answers"


def nemo_gym():
    path = os.path.join(checkout("NEMO_GYM_SOURCE"), "resources_servers", "genrm_compare", "utils.py")
    typed = {name: getattr(typing, name) for name in ("List", "Optional", "Tuple")}
    names = ["GenRMOutputParseError", "parse_genrm_output"]
    _, parse = functions(path, names, json=json, re=re, logger=logger(), logging=__import__("logging"), **typed)
    with server() as judge:

        def ask(first, second):
            turns = [("user", "What is shown?"), ("response_1", first), ("response_2", second)]
            body = {"model": "r1reward-nemo-genrm", "messages": [{"role": role, "content": text} for role, text in turns]}
            reply = requests.post(f"{judge.url}/v1/chat/completions", json=body, timeout=30).json()
            return parse(reply["choices"][0]["message"]["content"], 3.0, 3.5, raise_on_fail=True)

        better, worse = ask("quality=0.9", "quality=0.1"), ask("quality=0.1", "quality=0.9")
    # Ranking 1: the first is much better; 6: the second is.
    assert 1 <= better[1] < better[0] <= 5 and 1 <= better[2] < 3.5, better
    assert 1 <= worse[0] < worse[1] <= 5 and 3.5 < worse[2] <= 6, worse
    return "parse_genrm_output reads scores and a ranking in the right direction"


def ms_swift_genrm():
    path = os.path.join(checkout("MS_SWIFT_SOURCE"), "examples", "train", "grpo", "plugin", "plugin.py")
    scope = {"textwrap": textwrap, "re": re, "random": random, "logger": logger(), "os": os, "List": list, "AsyncORM": object}
    (cls,) = functions(path, ["AsyncGenRMReward"], **scope)
    anchors = [{"text": "quality=0.4 anchor", "score": -0.2}, {"text": "quality=0.6 anchor", "score": 0.2}]
    with server(anchors=anchors) as judge:
        model = requests.get(f"{judge.url}/v1/models", timeout=10).json()["data"][0]["id"]
        fields = {"api_base": f"{judge.url}/v1", "temperature": 0.3, "model_name": model, "system_prompt": "Score from 0 to 10."}
        reward = cls.__new__(cls)
        vars(reward).update(fields)

        async def score():
            async with aiohttp.ClientSession() as session:
                texts = ["quality=0.1", "quality=0.5", "quality=0.9\n\nwith a second paragraph"]
                return await staggered([lambda text=text: reward._score_single(session, "What is shown?", text) for text in texts])

        bad, middling, good = asyncio.run(score())
    assert 0 < bad < middling < good < 1, f"{bad}, {middling}, {good}"
    return "[[x]] is read; better answers score higher against anchors"


ROWS = [
    ("align-anything, remote reward model", align_anything),
    ("ROLL, remote reward system", roll),
    ("oat, remote oracle", oat),
    ("NeMo-Gym, GenRM pair", nemo_gym),
    ("ms-swift, async_genrm", ms_swift_genrm),
]
