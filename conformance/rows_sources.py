"""Frameworks that are not on the package index: run against a checkout that an environment variable names."""

import asyncio
import os
import random
import re
import textwrap
import time
import types
import typing

import aiohttp
import requests
from harness import Skip, Tensor, answers, check_group, functions, load, logger, server, staggered, stubbed
from rows_http import PROMPT
from rows_index import asks


def checkout(variable):
    folder = os.environ.get(variable)
    if folder is None:
        raise Skip(f"not on the package index: {variable}=<a checkout> runs it")
    return folder


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


def roll_judge():
    folder = os.path.join(checkout("ROLL_SOURCE"), "roll")
    path = os.path.join(folder, "pipeline", "rlvr", "rewards", "llm_judge_reward_worker.py")
    prompts = load(os.path.join(folder, "utils", "prompt.py"), "roll_prompts").prompt_maps
    scope = {"Dict": dict, "re": re, "print": lambda *_: None}
    names = ["_call_api_model", "_extract_score_v2", "_format_judge_prompt", "_get_llm_judgment"]
    methods = dict(zip(names, functions(path, names, **scope)))
    with server() as judge, stubbed(openai={"OpenAI": lambda base_url, **_: asks(base_url)}):
        for prompt in (None, *prompts.values()):
            config = {"judge_api_url": judge.url, "judge_api_key": "x", "judge_model_name": "r1reward-yesno"}
            worker = types.SimpleNamespace(judge_prompt=prompt, judge_model_type="api", logger=logger(), **config)
            vars(worker).update({name: types.MethodType(method, worker) for name, method in methods.items()})
            texts = ("quality=0.9", "quality=0.5", "quality=0.1 **Output:**")
            scores = [worker._get_llm_judgment("id", PROMPT, text, "quality=0.5")[0] for text in texts]
            assert scores == [1, 1, 0], f"{scores} with {prompt}"
    return "yes and no against the reference, with its template and without one"


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
    ("ROLL, LLM judge", roll_judge),
    ("ms-swift, async_genrm", ms_swift_genrm),
]
